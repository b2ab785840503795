"""Near-duplicate pictures: found by perceptual hashes, verified by laying one over the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from pipeline.cpu import physical_cores
from pipeline.modalities import Pairs
from pipeline.modalities.image.cells import digests, in_threads
from pipeline.modalities.image.hashes import hashes, planes
from pipeline.modalities.image.reading import THUMB_PX, Thumbs, thumbs
from pipeline.modalities.image.tints import agree, alike, tints

_READING = 0.005  # disagreement that rounding alone may make
# disagreement, in units of the picture's own, at which the similarity is a half; where colours agree as well
_HALVES_AT, _HALVES_AT_COLOURED = 4.0, 6.0
_HOPEFUL = 0.5  # agreement below which two pictures are no copies, however badly their own copies agree
_MOST = 0.999  # of pictures whose thumbnails or colours differ; 1 is for equal ones
_PART = 512  # pairs that a thread takes at once


def picture_pairs(content: pa.Table, floor: float, is_train: np.ndarray | None) -> Pairs:
    """Return the pairs of pictures whose similarity is at least `floor`.

    similarity = 1 / (1 + d / 4), d = (1 - r) / (1 - r0 + 0.005): r is the correlation of the details of the
    two 32 px thumbnails laid over each other (see `align.agreement`), r0 that of a picture and its own copy
    without a strip of 5 %, the smaller of the two. So what counts as alike depends on how well a copy of this
    very picture would agree. Copies that were resized, re-encoded, mirrored, made 10 % brighter or darker or
    cropped by up to 5 % of a side are found; copies that were turned, cropped more or written on are not.
    Pictures of other colours are no copies (`tints.alike`); where both have colours and these agree
    (`tints.agree`), similarity = 1 / (1 + d / 6): that too is evidence. Of pictures with equal thumbnails and
    colours only the first is compared.

    Cost: reading, then `search.nearest`, then the colours of those that are similar; about 3 kB of memory a
    picture.
    """
    from pipeline.signals.pairs import spread

    found = thumbs(content, "picture hashes")
    train = np.ones(len(found), bool) if is_train is None else np.asarray(is_train, bool)
    codes, seen = hashes(_stacked([t.whole for t in found]))
    first = _first_equal(content, found, seen, train)
    heads = np.flatnonzero((first == np.arange(len(found))) & seen)
    most_apart = _HALVES_AT_COLOURED * (1 / floor - 1)
    one, two, mirrored, apart = _apart([found[i] for i in heads], codes[heads], train[heads], most_apart)
    one, two = heads[one], heads[two]
    similarity = _similarity(content, one, two, mirrored, apart)
    same = similarity >= floor
    return spread(one[same], two[same], similarity[same], first, train, seen)


def _stacked(squares: list[np.ndarray]) -> np.ndarray:
    return np.array(squares, np.uint8).reshape(-1, THUMB_PX, THUMB_PX)


def _first_equal(content: pa.Table, found: list[Thumbs], seen: np.ndarray, train: np.ndarray) -> np.ndarray:
    """(n,) position of the first picture of equal thumbnail and colours, a train picture if any is."""
    keys, files = [(t.whole.tobytes(), b"") for t in found], digests(content)
    of_luma: dict[bytes, set[str]] = {}
    for (luma, _), digest in zip(keys, files, strict=True):
        of_luma.setdefault(luma, set()).add(digest)
    shared = np.flatnonzero([s and len(of_luma[k[0]]) > 1 for k, s in zip(keys, seen, strict=True)])
    for i, tint in zip(shared.tolist(), tints(content, shared), strict=True):
        keys[i] = (keys[i][0], tint.tobytes())
    first: dict[tuple[bytes, bytes], int] = {}
    for i in np.lexsort((np.arange(len(train)), ~train)).tolist():
        first.setdefault(keys[i], i)
    return np.array([first[key] for key in keys], np.int64)


def _similarity(
    content: pa.Table, one: np.ndarray, two: np.ndarray, mirrored: np.ndarray, apart: np.ndarray
) -> np.ndarray:
    """(m,) similarity of pairs by how far they are apart and by their colours; 0 for other colours."""
    rows, at = np.unique(np.concatenate([one, two]), return_inverse=True)
    found, at = tints(content, rows), at.reshape(2, -1)
    colours = found[at[0]], found[at[1]], mirrored
    halves_at = np.where(agree(*colours), _HALVES_AT_COLOURED, _HALVES_AT)
    return np.where(alike(*colours), np.clip(1 / (1 + apart / halves_at), 0.0, _MOST), 0.0)


def _apart(
    found: list[Thumbs], codes: np.ndarray, train: np.ndarray, most: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return both sides' positions, mirrored or not, and d of every pair that is at most `most` apart."""
    from pipeline.modalities.image.search import nearest

    if len(found) < 2 or not train.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0)
    left, right, mirrored = nearest(codes, train)
    rows, at = np.unique(np.concatenate([left, right]), return_inverse=True)
    left, right = at[: len(left)], at[len(left) :]
    own, trimmed = _planes([found[i].whole for i in rows]), _planes([found[i].trimmed for i in rows])
    agreed = _agreement(left, right, mirrored, own, own)
    every = np.arange(len(rows))
    limit = np.maximum(_agreement(every, every, np.zeros(len(rows), bool), own, trimmed), 0.0)
    hopeful = agreed > _HOPEFUL
    left, right, mirrored, agreed = left[hopeful], right[hopeful], mirrored[hopeful], agreed[hopeful]
    apart = np.maximum((1 - agreed) / (1 - np.minimum(limit[left], limit[right]) + _READING), 0)
    near = apart <= most
    return rows[left[near]], rows[right[near]], mirrored[near], apart[near]


def _planes(squares: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return `smooth` and `detail` of every thumbnail, each (n, 32, 32)."""
    found = in_threads(planes, squares)
    smooth = _stacked([smooth for smooth, _ in found])
    return smooth, np.array([detail for _, detail in found], np.int8).reshape(smooth.shape)


def _agreement(
    left: np.ndarray, right: np.ndarray, mirrored: np.ndarray,
    a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Return `align.agreement` of all pairs, on every core; a and b hold the planes of either side."""
    from pipeline.modalities.image.align import agreement

    parts = [slice(start, start + _PART) for start in range(0, len(left), _PART)]
    with ThreadPoolExecutor(physical_cores()) as pool:
        found = pool.map(lambda p: agreement(left[p], right[p], mirrored[p], a[0], b[0], a[1], b[1]), parts)
        return np.concatenate([*found, np.zeros(0)])
