"""The colours of a picture, coarsely: what tells a red thing from a green one of the same shape."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.modalities.image.cells import digests, encoded, in_threads
from pipeline.modalities.image.decode import Unreadable, decode
from pipeline.modalities.image.encoder import squeezed
from pipeline.modalities.image.pixels import opencv

TINT_PX = 8
_LEAST_PX = 32  # side at which a JPEG is decoded for this
_GREY = 2.0  # mean |Cb| + |Cr|, of 255, below which a picture has no colours to compare
_CAST = 16.0  # mean |dCb| + |dCr| up to which colours are alike, if they differ alike all over the picture
_CHANGE = 5.0  # the same, without what differs all over: a thing on some fields has another colour
_SHARE = 0.6  # of the mean |Cb| + |Cr| of both pictures, that must differ too: a hue turned by 35 degrees
_COLOURED, _AGREE_SHARE = 8.0, 0.4  # see `agree`
_MOST_KNOWN = 1 << 16  # pictures of which a process keeps the colours, 128 bytes each
_known: dict[str, np.ndarray] = {}


def tints(content: pa.Table, rows: np.ndarray) -> np.ndarray:
    """(m, 8, 8, 2) int8: Cb and Cr of each field of the pictures in `rows`, 0 where there is none.

    A function of the file alone. Cost: a decode, of a JPEG at an eighth of its size.
    """
    keys, files = digests(content), encoded(content)
    if len(_known) > _MOST_KNOWN:
        _known.clear()
    fresh = {keys[i]: i for i in rows.tolist() if keys[i] not in _known}
    read = in_threads(lambda i: _tint(files[i].as_py() or b""), list(fresh.values()))
    _known.update(zip(fresh, read, strict=True))
    return np.array([_known[keys[i]] for i in rows.tolist()], np.int8).reshape(-1, TINT_PX, TINT_PX, 2)


def agree(one: np.ndarray, two: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """(m,) bool: whether both pictures of a pair have colours, and they agree: more evidence of a copy.

    Both have mean |Cb| + |Cr| >= 8, and mean |dCb| + |dCr| <= 0.4 of it. Bounds chosen as those of `alike`.
    """
    one, two = one.astype(np.float64), _laid(two, mirrored)
    strong = np.stack([_strength(one), _strength(two)])
    return (strong.min(0) >= _COLOURED) & (_strength(one - two) <= _AGREE_SHARE * strong.mean(0))


def alike(one: np.ndarray, two: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """(m,) bool: whether the colours of pairs, (m, 8, 8, 2) each, are those of a picture and its copy.

    d = mean |dCb| + |dCr|; c = d with the medians of dCb and dCr taken off, for another light casts a colour
    on all of a picture; m = mean |Cb| + |Cr| of both. Alike where d <= max(16, 0.6 m) and
    c <= max(5, 0.6 m), or where one of them is grey, for a grey version is a copy too. Bounds chosen on
    copies and on turned hues (seed 11) of photos and CIFAR-10 rows that `benchmarks/images.py` does not use.
    """
    one, two = one.astype(np.float64), _laid(two, mirrored)
    differ = one - two
    cast = np.median(differ.reshape(len(differ), TINT_PX**2, 2), axis=1)[:, None, None]
    strong = np.stack([_strength(one), _strength(two)])
    share = _SHARE * strong.mean(0)
    near = (_strength(differ) <= np.maximum(_CAST, share)) & (
        _strength(differ - cast) <= np.maximum(_CHANGE, share))
    return near | (strong.min(0) < _GREY)


def _laid(colours: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    return np.where(mirrored[:, None, None, None], colours[:, :, ::-1], colours).astype(np.float64)


def _strength(colours: np.ndarray) -> np.ndarray:
    """(m,) mean |Cb| + |Cr| of (m, 8, 8, 2)."""
    return np.abs(colours).sum(-1).mean((1, 2))


def _tint(body: bytes) -> np.ndarray:
    try:
        small = squeezed(decode(body, least_px=_LEAST_PX), TINT_PX)
    except Unreadable:
        return np.zeros((TINT_PX, TINT_PX, 2), np.int8)
    luma_red_blue = opencv().cvtColor(small, opencv().COLOR_RGB2YCrCb).astype(np.int16)
    return (luma_red_blue[..., [2, 1]] - 128).astype(np.int8)
