"""One decode of each picture feeds its measures and its thumbnails."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.modalities.image.cells import bodies, digests, in_threads
from pipeline.modalities.image.decode import Unreadable, decode, size_px
from pipeline.modalities.image.encoder import squeezed
from pipeline.modalities.image.pixels import N_MEASURES, opencv, shrunk, whole_measures

SIDE_PX = 256  # longest side at which pictures are looked at; smaller ones as they are
THUMB_PX = 32
_TRIM = 0.05  # of each side that a mild copy lacks
_MOST_KNOWN = 1 << 15  # readings that a process keeps, 2.5 kB each
_known: dict[str, Reading] = {}


class Reading(NamedTuple):
    """What is kept of a picture; all 0 where there is none."""

    measures: np.ndarray  # see `measures.measure`
    thumb: np.ndarray  # (32, 32) uint8 luma
    trimmed: np.ndarray  # (32, 32) uint8 luma of the picture without a strip right and below: a mild copy


def readings(content: pa.Table, what: str | None = None) -> list[Reading]:
    """Return the reading of each row; a function of its file alone, whether or not it was read before."""
    keys = digests(content)
    fresh = {key: i for i, key in enumerate(keys) if key not in _known}
    files = bodies(content.take(pa.array(list(fresh.values()), pa.int64())))
    found = dict(zip(fresh, in_threads(_read, files, what), strict=True))
    out = [found[key] if key in found else _known[key] for key in keys]
    if len(_known) + len(found) > _MOST_KNOWN:
        _known.clear()
    if len(found) <= _MOST_KNOWN:
        _known.update(found)
    return out


def _read(body: bytes) -> Reading:
    try:
        width, height = size_px(body)
        pixels = shrunk(decode(body, least_px=SIDE_PX), SIDE_PX)
    except Unreadable:
        blank = np.zeros((THUMB_PX, THUMB_PX), np.uint8)
        return Reading(np.zeros(N_MEASURES), blank, blank)
    grey = opencv().cvtColor(pixels, opencv().COLOR_RGB2GRAY)
    rows, columns = (max(n - max(round(n * _TRIM), 1), 1) for n in grey.shape)
    return Reading(whole_measures(width, height, pixels, grey), squeezed(grey, THUMB_PX),
                   squeezed(grey[:rows, :columns], THUMB_PX))
