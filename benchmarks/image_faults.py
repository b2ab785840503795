"""Faults and copies put into real pictures, at known places, from a seed."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

Draw = np.random.Generator


def pixels_of(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body)).convert("RGB")


def file_of(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _levels(picture: Image.Image, change: Callable[[np.ndarray], np.ndarray]) -> Image.Image:
    return Image.fromarray(change(np.asarray(picture, np.float64)).clip(0, 255).astype(np.uint8))


def dark(picture: Image.Image, draw: Draw) -> Image.Image:
    share = draw.uniform(0.08, 0.25)
    return _levels(picture, lambda p: p * share)


def light(picture: Image.Image, draw: Draw) -> Image.Image:
    share = draw.uniform(0.05, 0.25)
    return _levels(picture, lambda p: 255 - (255 - p) * share)


def blurry(picture: Image.Image, draw: Draw) -> Image.Image:
    sigma_px = max(picture.size) * draw.uniform(0.006, 0.02)
    return picture.filter(ImageFilter.GaussianBlur(max(sigma_px, draw.uniform(1.2, 2))))


def odd_size(picture: Image.Image, draw: Draw) -> Image.Image:
    factor = draw.choice([1 / 6, 1 / 4, 3.5, 5])
    return picture.resize([max(round(n * factor), 2) for n in picture.size], Image.Resampling.BICUBIC)


def odd_aspect_ratio(picture: Image.Image, draw: Draw) -> Image.Image:
    """A strip of the picture, 3.5 to 6 times as long as wide, of about its area."""
    ratio, (width, height) = draw.uniform(3.5, 6), picture.size
    lies = draw.random() < 0.5
    long, short = (width, width / ratio) if lies else (height, height / ratio)
    size = (long, max(round(short), 2)) if lies else (max(round(short), 2), long)
    strip = picture.crop((0, 0, *size))
    grow = np.sqrt(width * height / (strip.width * strip.height))
    return strip.resize([round(n * grow) for n in strip.size], Image.Resampling.BICUBIC)


def grayscale(picture: Image.Image, draw: Draw) -> Image.Image:
    return picture.convert("L").convert("RGB")


FAULTS = {"dark": dark, "light": light, "blurry": blurry, "odd_size": odd_size,
          "odd_aspect_ratio": odd_aspect_ratio, "grayscale": grayscale}


def resized(picture: Image.Image, draw: Draw) -> bytes:
    factor = draw.choice([0.75, 1.5] if max(picture.size) < 64 else [0.5, 0.75, 1.5])
    return file_of(picture.resize([round(n * factor) for n in picture.size], Image.Resampling.BICUBIC))


def encoded_again(picture: Image.Image, draw: Draw) -> bytes:
    return file_of(picture, "JPEG", quality=int(draw.choice([50, 70])))


def cropped(picture: Image.Image, draw: Draw) -> bytes:
    """95 % of each side, anywhere."""
    width, height = (round(n * 0.95) for n in picture.size)
    left, top = draw.integers(0, picture.width - width + 1), draw.integers(0, picture.height - height + 1)
    return file_of(picture.crop((left, top, left + width, top + height)))


def brightness(picture: Image.Image, draw: Draw) -> bytes:
    share = draw.choice([0.9, 1.1])
    return file_of(_levels(picture, lambda p: p * share))


def mirrored(picture: Image.Image, draw: Draw) -> bytes:
    return file_of(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))


def several(picture: Image.Image, draw: Draw) -> bytes:
    """Cropped, brighter or darker, and a JPEG of quality 80."""
    return file_of(pixels_of(brightness(pixels_of(cropped(picture, draw)), draw)), "JPEG", quality=80)


COPIES = {"resized": resized, "encoded_again": encoded_again, "cropped": cropped, "brightness": brightness,
          "mirrored": mirrored, "several": several}
