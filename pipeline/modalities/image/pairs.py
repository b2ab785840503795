"""Near-duplicate pictures: found by perceptual hashes, verified by laying one over the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from pipeline.modalities import Pairs
from pipeline.modalities.image.cells import in_threads
from pipeline.modalities.image.hashes import Hashes, hashes, planes
from pipeline.modalities.image.reading import readings

_READING = 0.005  # disagreement that rounding alone may make
_HALVES_AT = 4.0  # disagreement, in units of the picture's own, at which the similarity is a half
_PART = 512  # pairs that a thread takes at once


def picture_pairs(content: pa.Table, floor: float, is_train: np.ndarray | None) -> Pairs:
    """Return the pairs of pictures whose similarity is at least `floor`.

    similarity = 1 / (1 + d / 4), d = (1 - r) / (1 - r0 + 0.005): r is the correlation of the details of the
    two 32 px thumbnails laid over each other (see `align.agreement`), r0 that of a picture and its own copy
    without a strip of 5 %, the smaller of the two. So what counts as alike depends on how well a copy of this
    very picture would agree. Copies that were resized, re-encoded, mirrored, made 10 % brighter or darker or
    cropped by up to 5 % of a side are found; copies that were turned, cropped more or written on are not. Of
    pictures with equal thumbnails only the first is compared.

    Cost: reading, then `search.nearest`; about 8 kB of memory a picture.
    """
    from pipeline.signals.pairs import spread

    signatures = in_threads(hashes, readings(content, "picture hashes"))
    n = len(signatures)
    train = np.ones(n, bool) if is_train is None else np.asarray(is_train, bool)
    seen = np.array([s.seen for s in signatures], bool)
    first = _first_equal(signatures, train)
    heads = np.flatnonzero((first == np.arange(n)) & seen)
    one, two, similarity = _similar([signatures[i] for i in heads], train[heads], floor)
    return spread(heads[one], heads[two], similarity, first, train, seen)


def _first_equal(signatures: list[Hashes], train: np.ndarray) -> np.ndarray:
    """(n,) position of the first picture with the same thumbnail, a train picture if there is one."""
    first: dict[bytes, int] = {}
    for i in np.lexsort((np.arange(len(train)), ~train)).tolist():
        first.setdefault(signatures[i].thumb.tobytes(), i)
    return np.array([first[s.thumb.tobytes()] for s in signatures], np.int64)


def _similar(
    signatures: list[Hashes], train: np.ndarray, floor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions of both sides and the similarity of every pair that is similar enough."""
    from pipeline.modalities.image.search import nearest

    if len(signatures) < 2 or not train.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    left, right, mirrored = nearest(np.stack([s.codes for s in signatures]), train)
    smooth, detail = np.stack([s.smooth for s in signatures]), np.stack([s.detail for s in signatures])
    agree = _agreement(left, right, mirrored, (smooth, smooth), (detail, detail))
    hopeful = agree > 0.5
    left, right, agree = left[hopeful], right[hopeful], agree[hopeful]
    own = np.full(len(signatures), np.nan)
    rows = np.unique(np.concatenate([left, right]))
    own[rows] = _own(rows, signatures, smooth, detail)
    apart = (1 - agree) / (1 - np.minimum(own[left], own[right]) + _READING)
    similarity = np.clip(1 / (1 + np.maximum(apart, 0) / _HALVES_AT), 0.0, 1.0)
    enough = similarity >= floor
    return left[enough], right[enough], similarity[enough]


def _own(rows: np.ndarray, signatures: list[Hashes], smooth: np.ndarray, detail: np.ndarray) -> np.ndarray:
    """(len(rows),) agreement of each picture with its own trimmed copy."""
    copies = in_threads(lambda i: planes(signatures[i].trimmed), rows.tolist())
    if not copies:
        return np.zeros(0)
    theirs = np.stack([c[0] for c in copies]), np.stack([c[1] for c in copies])
    at = np.arange(len(rows))
    found = _agreement(rows, at, np.zeros(len(rows), bool), (smooth, theirs[0]), (detail, theirs[1]))
    return np.maximum(found, 0.0)


def _agreement(
    left: np.ndarray, right: np.ndarray, mirrored: np.ndarray,
    smooth: tuple[np.ndarray, np.ndarray], detail: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Return `align.agreement` of all pairs, on every core."""
    from pipeline.modalities.image.align import agreement
    from pipeline.modalities.text.encoder import physical_cores

    parts = [slice(start, start + _PART) for start in range(0, len(left), _PART)]
    with ThreadPoolExecutor(physical_cores()) as pool:
        found = pool.map(lambda p: agreement(left[p], right[p], mirrored[p], *smooth, *detail), parts)
        return np.concatenate([*found, np.zeros(0)])
