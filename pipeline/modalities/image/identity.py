"""Exact copies: pictures whose upright pixels are the same, whatever file they are in."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from pipeline.dataset import objects
from pipeline.modalities.image.cells import bodies, digests, in_threads
from pipeline.modalities.image.decode import Unreadable, decode

_MOST_KNOWN = 1 << 20  # digests kept by a process, about 200 bytes each
_known: dict[str, str] = {}  # digest of a file -> digest of its pixels


def identity(content: pa.Table) -> np.ndarray:
    """(n,) of str: SHA-256 of the size and the upright RGB pixels; "" where there is no picture.

    Equal files are decoded once, and once a process. Cost: a full decode, 1 ms for 512 x 512 px.
    """
    keys = digests(content)
    if len(_known) > _MOST_KNOWN:
        _known.clear()
    fresh = {key: i for i, key in enumerate(keys) if key and key not in _known}
    files = bodies(content.take(pa.array(list(fresh.values()), pa.int64()))) if fresh else []
    _known.update(zip(fresh, in_threads(_of_pixels, files), strict=True))
    return objects([_known[key] if key else "" for key in keys])


def _of_pixels(body: bytes) -> str:
    try:
        pixels = decode(body)
    except Unreadable:
        return ""
    h = hashlib.sha256(repr(pixels.shape).encode())
    h.update(pixels.tobytes())
    return h.hexdigest()
