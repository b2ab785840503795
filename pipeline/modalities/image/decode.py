"""From a file's bytes to upright 8-bit RGB pixels, no larger than needed."""

from __future__ import annotations

import io
import warnings
from typing import Any, NamedTuple

import numpy as np

from pipeline.modalities.image.pillow import FORMATS, MOST_PIXELS, pillow
from pipeline.modalities.image.pixels import opencv, shrunk

_JPEG = ("JPEG", "MPO")
_THIN_PX = 64  # least side at which colours are measured
_DEPTHS = (8, 10, 12, 14, 16)  # bits
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError)  # of pixels that end early
_ORIENTATION = 0x0112  # EXIF tag
_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}


class Unreadable(ValueError):
    """The bytes are no picture that can be read; the message says why in one line."""


class Look(NamedTuple):
    """A picture decoded to be looked at, upright."""

    size_px: tuple[int, int]  # width and height of the file's own pixels
    luma: np.ndarray  # (h, w) uint8
    rgb: np.ndarray  # (h, w, 3) uint8, thinned where it is large; empty if not asked for


def decode(body: bytes, least_px: int | None = None) -> np.ndarray:
    """Return (height, width, 3) uint8 RGB, turned as EXIF says, transparent parts on white, first frame only.

    With `least_px` a JPEG may come out at 1/2, 1/4 or 1/8 of its size, no side below `least_px` that was not
    so before: libjpeg then leaves out most of the work.

    Raises `Unreadable` for anything that is no picture of a known format, is cut short or has more than
    50 million pixels; `Missing` without pillow.
    """
    picture = opened(body)
    pixels = _pixels(picture, None, least_px)
    return turned(pixels, orientation(picture))


def layers(body: bytes) -> np.ndarray:
    """Return (height, width, 4) uint8 RGBA, turned as EXIF says, of the first frame. Raises as `decode`."""
    picture = opened(body)
    try:
        return turned(np.asarray(picture.convert("RGBA")), orientation(picture))
    except _BROKEN as error:
        raise Unreadable(_one_line(error)) from None


def look(body: bytes, most_px: int, colour: bool) -> Look:
    """Return a picture whose longer side is at most `most_px`, each pixel the mean of old ones.

    The luma is the same with and without colour, for which a JPEG takes half as long again. Raises as
    `decode` does.
    """
    picture = opened(body)
    size = picture.size
    coded = _is_ycc(picture)
    pixels = _pixels(picture, ("YCbCr" if colour else "L") if coded else "RGB", most_px)
    turn = orientation(picture)
    if not coded:
        luma = shrunk(opencv().cvtColor(pixels, opencv().COLOR_RGB2GRAY), most_px)
    else:
        luma = shrunk(np.ascontiguousarray(pixels[..., 0]) if colour else pixels, most_px)
    thin = _thin(shrunk(pixels, most_px), coded) if colour else np.zeros((0, 0, 3), np.uint8)
    return Look(size if turn < 5 else size[::-1], turned(luma, turn), thin)


def _thin(pixels: np.ndarray, coded: bool) -> np.ndarray:
    """Return RGB, of a large picture one pixel of several, so that its shorter side keeps 64 to 127 px."""
    step = max(min(pixels.shape[:2]) // _THIN_PX, 1)
    thin = np.ascontiguousarray(pixels[::step, ::step, [0, 2, 1]] if coded else pixels[::step, ::step])
    return opencv().cvtColor(thin, opencv().COLOR_YCrCb2RGB) if coded else thin


def _is_ycc(picture: Any) -> bool:
    """Whether a file is a JPEG that stores luma and two colour differences, as libjpeg tells them."""
    if picture.format not in _JPEG or picture.mode != "RGB":
        return False
    numbered = [component[0] for component in picture.layer] == [1, 2, 3]
    return "jfif" in picture.info or (numbered and "adobe" not in picture.info)


def _pixels(picture: Any, mode: str | None, least_px: int | None) -> np.ndarray:
    """Return an opened picture as an array, RGB unless a JPEG is wanted as it is stored: "L" or "YCbCr"."""
    try:
        if least_px is not None and picture.format in _JPEG:
            picture.draft(mode, (least_px, least_px))
        return np.asarray(picture if picture.mode == mode else rgb(picture))
    except _BROKEN as error:
        raise Unreadable(_one_line(error)) from None


def opened(body: bytes) -> Any:
    """Return the PIL image behind some bytes, header read, pixels not. Raises `Unreadable`."""
    Image = pillow()
    if not body:
        raise Unreadable("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(body), formats=FORMATS)
    except Image.DecompressionBombError:
        raise Unreadable(f"more than {MOST_PIXELS // 10**6} million pixels") from None
    except Exception as error:  # a broken header may raise almost anything; its row is told why
        raise Unreadable(_one_line(error)) from None
    if picture.width * picture.height > MOST_PIXELS:
        raise Unreadable(f"{picture.width} x {picture.height} px, more than {MOST_PIXELS // 10**6} million")
    return picture


def size_px(body: bytes) -> tuple[int, int]:
    """Return width and height as seen, from the header alone. Raises `Unreadable`."""
    picture = opened(body)
    width, height = picture.size
    return (height, width) if orientation(picture) >= 5 else (width, height)


def orientation(picture: Any) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where none or nonsense is written."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # hostile EXIF; the pixels are still good
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return the pixels (h, w, ...) upright, given their EXIF orientation."""
    if orientation == 1:
        return pixels
    quarter_turns, mirrored = _TURNS[orientation]
    upright = np.rot90(pixels, quarter_turns)
    return np.ascontiguousarray(upright[:, ::-1] if mirrored else upright)


def rgb(picture: Any) -> Any:
    """Return a PIL image of any mode as 8-bit RGB: more bits scaled (`depth_bits`), transparency on white."""
    from PIL import Image

    mode = picture.mode
    if mode == "RGB" and "transparency" not in picture.info:
        return picture
    if mode == "F" or mode.startswith("I"):
        return Image.fromarray(_to_8_bits(np.asarray(picture))).convert("RGB")
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, layered).convert("RGB")
    return picture.convert("RGB")


def depth_bits(picture: Any) -> int | None:
    """Return how many bits the numbers of a deep PIL image have, None for fractions and larger numbers.

    That is the first of 8, 10, 12, 14 and 16 bits that its largest number fits in: cameras and scanners write
    10 to 14 bits into files of 16. Raises `Unreadable`.
    """
    try:
        white = _white(np.asarray(picture))
    except _BROKEN as error:
        raise Unreadable(_one_line(error)) from None
    return next((n for n in _DEPTHS if white == 2**n - 1), None)


def _white(values: np.ndarray) -> float:
    """Return the number that is white: 1 of fractions, else 2^bits - 1; the maximum beyond 16 bits."""
    top = float(np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).max(initial=0.0))
    if values.dtype.kind == "f" and top <= 1:
        return 1.0
    return next((2.0**n - 1 for n in _DEPTHS if top <= 2**n - 1), top)


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """Scale to 0..255, so that white becomes 255."""
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(np.rint(numbers * (255.0 / _white(values))), 0, 255).astype(np.uint8)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if "cannot identify image file" in text:
        return f"no picture of a known format ({', '.join(FORMATS)})"
    return text[:200] or type(error).__name__
