"""Variations of a picture with albumentations. Every parameter is drawn here and recorded."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from pipeline.hashing import image_cell
from pipeline.modalities.image.decode import Unreadable, decode, opened
from pipeline.modalities.image.options import ImageAugment
from pipeline.stage import Missing

_JPEG_QUALITY = 95
Drawn = tuple[Any, str] | None  # an albumentations transform and how it changes the picture


def perturb_cells(cells: Mapping[str, Any], seed: int, options: ImageAugment) -> tuple[dict[str, Any], str]:
    """Vary each picture of a row with a seed of its own; a function of (cells, seed, options).

    `operations_each` operations are drawn and applied one after the other; one that has nothing to change
    (colour, on a grey picture) gives way to the next. A JPEG stays a JPEG (quality 95), anything else becomes
    a PNG; grey pictures stay grey. Cost: 2 ms for 512 x 512 px. Raises `Missing` without albumentations.
    """
    out, how = dict(cells), list[str]()
    for k, (column, cell) in enumerate(sorted(cells.items())):
        body = cell.get("bytes") if isinstance(cell, Mapping) else None
        if not body:
            continue
        try:
            varied, words = _varied(body, seed + k, options)
        except Unreadable:
            continue
        if words:
            out[column] = image_cell(varied)
            how.append(words if len(cells) == 1 else f"{column}: {words}")
    return out, "; ".join(how) or "nothing to change"


def _varied(body: bytes, seed: int, options: ImageAugment) -> tuple[bytes, str]:
    pixels, draw, how = decode(body), random.Random(seed), list[str]()
    grey = bool((pixels == pixels[..., :1]).all())
    for operation in draw.sample(options.operations, len(options.operations)):
        if len(how) == options.operations_each:
            break
        drawn = _OPERATIONS[operation](draw, options.strength, pixels, grey)
        if drawn is not None:
            transform, words = drawn
            pixels = _albumentations().Compose([transform], seed=seed)(image=pixels)["image"]
            how.append(words)
    if not how:
        return body, ""
    return _encoded(pixels, opened(body).format in ("JPEG", "MPO"), grey), f"{', '.join(how)} (seed {seed})"


def _encoded(pixels: np.ndarray, as_jpeg: bool, grey: bool) -> bytes:
    from PIL import Image

    picture, out = Image.fromarray(np.ascontiguousarray(pixels)), io.BytesIO()
    picture = picture.convert("L") if grey else picture
    if as_jpeg:
        picture.save(out, "JPEG", quality=_JPEG_QUALITY)
    else:
        picture.save(out, "PNG")
    return out.getvalue()


def _flip(draw: random.Random, strength: float, pixels: np.ndarray, grey: bool) -> Drawn:
    return _albumentations().HorizontalFlip(p=1), "mirrored"


def _rotate(draw: random.Random, strength: float, pixels: np.ndarray, grey: bool) -> Drawn:
    degrees = round(draw.choice((-1, 1)) * draw.uniform(3, 15) * strength, 1)
    turn = _albumentations().Affine(rotate=(degrees, degrees), border_mode=_REFLECT, p=1)
    return turn, f"turned by {degrees:g} degrees"


def _scale(draw: random.Random, strength: float, pixels: np.ndarray, grey: bool) -> Drawn:
    factor = round(1 + draw.choice((-1, 1)) * draw.uniform(0.05, 0.15) * strength, 3)
    return (_albumentations().Affine(scale=(factor, factor), border_mode=_REFLECT, p=1),
            f"scaled by {factor:g}")


def _crop(draw: random.Random, strength: float, pixels: np.ndarray, grey: bool) -> Drawn:
    height, width = pixels.shape[:2]
    kept = round(1 - draw.uniform(0.05, 0.2) * strength, 3)
    rows, columns = max(round(height * kept), 1), max(round(width * kept), 1)
    top, left = draw.randint(0, height - rows), draw.randint(0, width - columns)
    library = _albumentations()
    steps = [library.Crop(left, top, left + columns, top + rows, p=1), library.Resize(height, width, p=1)]
    return library.Sequential(steps, p=1), f"cropped to {kept:.1%} of each side at ({left}, {top})"


def _brightness(draw: random.Random, strength: float, pixels: np.ndarray, grey: bool) -> Drawn:
    light, contrast = (round(draw.uniform(-0.2, 0.2) * strength, 3) for _ in range(2))
    change = _albumentations().RandomBrightnessContrast((light, light), (contrast, contrast), p=1)
    return change, f"brightness {light:+.1%}, contrast {contrast:+.1%}"


def _colour(draw: random.Random, strength: float, pixels: np.ndarray, grey: bool) -> Drawn:
    if grey:
        return None
    hue, saturation = (round(draw.uniform(-most, most) * strength) for most in (8, 25))
    change = _albumentations().HueSaturationValue((hue, hue), (saturation, saturation), (0, 0), p=1)
    return change, f"hue {hue:+d}, saturation {saturation:+d}"


def _blur(draw: random.Random, strength: float, pixels: np.ndarray, grey: bool) -> Drawn:
    sigma_px = round(max(draw.uniform(0.002, 0.005) * strength * max(pixels.shape), 0.4), 2)
    return (_albumentations().GaussianBlur(blur_limit=0, sigma_limit=(sigma_px, sigma_px), p=1),
            f"blurred by {sigma_px:g} px")


def _cutout(draw: random.Random, strength: float, pixels: np.ndarray, grey: bool) -> Drawn:
    share = round(draw.uniform(0.1, 0.25) * min(strength, 2), 3)
    hole = _albumentations().CoarseDropout(
        num_holes_range=(1, 1), hole_height_range=(share, share), hole_width_range=(share, share),
        fill=127, p=1)
    return hole, f"a hole of {share:.1%} of each side"


def _noise(draw: random.Random, strength: float, pixels: np.ndarray, grey: bool) -> Drawn:
    std = round(draw.uniform(0.02, 0.06) * strength, 3)
    noise = _albumentations().GaussNoise(std_range=(std, std), per_channel=not grey, p=1)
    return noise, f"noise of {std:.1%}"


_REFLECT = 4  # cv2.BORDER_REFLECT_101: what comes in at an edge mirrors what is there
_OPERATIONS: Mapping[str, Callable[[random.Random, float, np.ndarray, bool], Drawn]] = {
    "flip": _flip, "rotate": _rotate, "scale": _scale, "crop": _crop, "brightness": _brightness,
    "colour": _colour, "blur": _blur, "cutout": _cutout, "noise": _noise,
}


@cache
def _albumentations() -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask a server for a newer release
    try:
        import albumentations
    except ImportError as error:
        raise Missing(f'varying pictures needs {error.name}: pip install "assay[image]"') from None
    return albumentations
