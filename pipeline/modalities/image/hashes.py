"""What a picture is recognised by: a 256-bit perceptual hash of it and of five crops, and two planes."""

from __future__ import annotations

from functools import cache

import numpy as np

from pipeline.modalities.image.pixels import opencv
from pipeline.modalities.image.reading import THUMB_PX as SIDE_PX

_WAVES = 16  # lowest frequencies of the cosine transform in each direction: 16 x 16 = 256 bits
_KEPT = 1 - 1.4 / SIDE_PX  # side of the crops: between none and the 5 % that copies lose
_EDGE = 1 - _KEPT
_STARTS = (0.0, _EDGE, _EDGE / 2)  # of a crop, fractions of the side
_VIEWS = ((0, 0), (1, 1), (1, 2), (2, 1), (2, 2), (3, 3))  # the whole, corners, the centre
_BLANK = 1.0  # grey levels of standard deviation below which there is nothing to recognise
_PART = 256  # pictures transformed at once, 5 MB
_FLOOR, _SCALE = 8.0, 40.0  # grey levels added to the local contrast; steps of the int8 numbers


def hashes(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 6, 4) uint64, the codes of (n, 32, 32) uint8, and (n,) bool, which show anything at all.

    A code holds the signs of the low frequencies, the 8 x 8 lowest first; the mean has 0. The first is of the
    whole picture, the others of crops at the corners and the centre. Blank pictures have codes of 0.
    Cost: 20 us a picture.
    """
    seen = thumbs.reshape(len(thumbs), SIDE_PX**2).std(axis=1) >= _BLANK
    parts = [_codes(thumbs[start : start + _PART]) for start in range(0, len(thumbs), _PART)]
    codes = np.concatenate([*parts, np.zeros((0, len(_VIEWS), 4), np.uint64)])
    codes[~seen] = 0
    return codes, seen


def _codes(thumbs: np.ndarray) -> np.ndarray:
    side = _crops_to_waves()
    waves = side @ thumbs.astype(np.float32) @ side.T  # (n, 64, 64): every crop of rows by every of columns
    blocks = waves.reshape(-1, 4, _WAVES, 4, _WAVES)
    signs = np.stack([blocks[:, i, :, j] > 0 for i, j in _VIEWS], axis=1)
    signs[:, :, 0, 0] = False
    return _packed(signs)


def planes(thumb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two planes of a (32, 32) thumbnail: `smooth` to align by, `detail` to compare.

    smooth : uint8, blurred by 1 px. detail : int8, band-passed over its local contrast. Cost: 60 us.
    """
    return opencv().GaussianBlur(thumb, (0, 0), 1.0), _detail(thumb)


@cache
def _crops_to_waves() -> np.ndarray:
    """(64, 32) float32: one side's pixels to the waves of the whole and of the crops at `_STARTS`."""
    k, x = np.arange(_WAVES)[:, None], np.arange(SIDE_PX)[None, :]
    waves = np.cos(np.pi * k * (2 * x + 1) / (2 * SIDE_PX))
    return np.concatenate([waves, *(waves @ _stretched(start) for start in _STARTS)]).astype(np.float32)


def _stretched(start: float) -> np.ndarray:
    """(32, 32): linear interpolation of one side from `start`, `_KEPT` of it long, to the full side."""
    at = (np.arange(SIDE_PX) + 0.5) * _KEPT + start * SIDE_PX - 0.5
    at = np.clip(at, 0, SIDE_PX - 1)
    left = np.minimum(at.astype(np.int64), SIDE_PX - 2)
    out, rows = np.zeros((SIDE_PX, SIDE_PX)), np.arange(SIDE_PX)
    out[rows, left], out[rows, left + 1] = 1 - (at - left), at - left
    return out


def _packed(bits: np.ndarray) -> np.ndarray:
    """(..., 4) uint64 of (..., 16, 16) bool."""
    half = _WAVES // 2
    low, high = slice(half), slice(half, None)
    quarters = [bits[..., i, j].reshape(*bits.shape[:-2], -1) for i in (low, high) for j in (low, high)]
    return np.packbits(np.concatenate(quarters, axis=-1), axis=-1).view(np.uint64)


@cache
def mirror_mask() -> np.ndarray:
    """(4,) uint64: the bits that differ in the code of the mirrored picture, those of odd columns."""
    odd = np.zeros((_WAVES, _WAVES), bool)
    odd[:, 1::2] = True
    return _packed(odd)


def _detail(thumb: np.ndarray) -> np.ndarray:
    """Band-pass (Gaussians of 0.8 and 3 px), over its own root mean square around (3 px) plus 8 levels."""
    cv2 = opencv()
    levels = thumb.astype(np.float32)
    band = cv2.GaussianBlur(levels, (0, 0), 0.8) - cv2.GaussianBlur(levels, (0, 0), 3.0)
    around = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 3.0))
    return np.clip(np.rint(band / (around + _FLOOR) * _SCALE), -127, 127).astype(np.int8)
