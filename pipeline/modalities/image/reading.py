"""One decode of each picture feeds its measures and its thumbnails."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from pipeline.modalities.image.cells import digests, encoded, in_threads
from pipeline.modalities.image.decode import Unreadable, look
from pipeline.modalities.image.encoder import squeezed
from pipeline.modalities.image.pixels import N_MEASURES, whole_measures

SIDE_PX = 256  # longest side at which pictures are looked at; smaller ones as they are
THUMB_PX = 32
_TRIM = 0.05  # of each side that a mild copy lacks
_MOST_KNOWN = 1 << 15  # pictures of which a process keeps what it read, 2.5 kB each
T = TypeVar("T")


class Thumbs(NamedTuple):
    """Two small squares of a picture, (32, 32) uint8 luma; all 0 where there is none."""

    whole: np.ndarray
    trimmed: np.ndarray  # of the picture without a strip right and below: a mild copy


_measured: dict[str, np.ndarray] = {}
_thumbed: dict[str, Thumbs] = {}


def measured(content: pa.Table) -> list[np.ndarray]:
    """Return (14,) of each row, see `measures.measure`; 0 where there is no picture."""
    return _each(content, _measured, _measure, None)


def thumbs(content: pa.Table, what: str | None = None) -> list[Thumbs]:
    """Return the thumbnails of each row; free for pictures just measured, else colours are not decoded."""
    return _each(content, _thumbed, _thumb, what)


def _each(
    content: pa.Table, known: dict[str, T], read: Callable[[str, bytes], T], what: str | None
) -> list[T]:
    """Return what is known or read of each row's file; a function of the file alone, read before or not."""
    keys = digests(content)
    fresh = {key: i for i, key in enumerate(keys) if key not in known}
    files = encoded(content)
    values = in_threads(lambda at: read(at[0], files[at[1]].as_py() or b""), list(fresh.items()), what)
    found = dict(zip(fresh, values, strict=True))
    out = [found[key] if key in found else known[key] for key in keys]
    if max(len(_measured), len(_thumbed)) + len(found) > _MOST_KNOWN:
        _measured.clear()
        _thumbed.clear()
    if len(found) <= _MOST_KNOWN:
        known.update(found)
    return out


def _measure(key: str, body: bytes) -> np.ndarray:
    try:
        seen = look(body, SIDE_PX, colour=True)
    except Unreadable:
        return np.zeros(N_MEASURES)
    _thumbed[key] = _squares(seen.luma)
    return whole_measures(seen)


def _thumb(key: str, body: bytes) -> Thumbs:
    try:
        return _squares(look(body, SIDE_PX, colour=False).luma)
    except Unreadable:
        blank = np.zeros((THUMB_PX, THUMB_PX), np.uint8)
        return Thumbs(blank, blank)


def _squares(luma: np.ndarray) -> Thumbs:
    rows, columns = (max(n - max(round(n * _TRIM), 1), 1) for n in luma.shape)
    return Thumbs(squeezed(luma, THUMB_PX), squeezed(luma[:rows, :columns], THUMB_PX))
