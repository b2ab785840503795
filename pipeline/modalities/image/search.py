"""The nearest perceptual hashes of every picture, by comparing all with all: popcounts, in numba."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from pipeline.cpu import physical_cores
from pipeline.modalities.image.hashes import mirror_mask
from pipeline.progress import advance

NEAREST = 16  # train pictures looked at closely for each picture
_MOST_BITS = 76  # of 256 that copies may differ in, in their best views; pictures of other things: 128 +- 8
_MOST_BITS_LOW = 26  # of the 63 lowest, between the whole pictures, beyond which no more is looked at
_PART = 256  # pictures a thread takes at once


def nearest(codes: np.ndarray, is_train: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return candidate pairs (left, right) of positions, left < right, and whether one is mirrored.

    codes : (n, 6, 4) uint64. The distance of two pictures is the fewest bits that differ between the whole of
    one and the whole or a crop of the other, as it is or mirrored. Each picture proposes its 16 nearest train
    pictures within 76 bits; ties go to the first. Cost: O(n^2), about 1 ns a pair and core where pictures
    differ, up to 10 ns where most look alike.
    """
    n = len(codes)
    train = np.flatnonzero(is_train).astype(np.int64)
    whole = np.ascontiguousarray(codes[train, 0])
    crops = np.ascontiguousarray(codes[train, 1:])
    starts = range(0, n, _PART)

    def part(start: int) -> tuple[np.ndarray, np.ndarray]:
        queries = np.ascontiguousarray(codes[start : start + _PART])
        return _nearest(queries, start, whole, crops, train, mirror_mask())

    found, turned = [], []
    with ThreadPoolExecutor(physical_cores()) as pool:
        for at, (neighbours, mirrored) in zip(starts, pool.map(part, starts), strict=True):
            found.append(neighbours)
            turned.append(mirrored)
            advance("near-duplicate pairs", min(at + _PART, n), n)
    one = np.repeat(np.arange(n), NEAREST)
    two = np.concatenate([*found, np.zeros((0, NEAREST), np.int64)]).ravel()
    mirrored = np.concatenate([*turned, np.zeros((0, NEAREST), np.bool_)]).ravel()
    there = two >= 0
    left, right = np.minimum(one, two)[there], np.maximum(one, two)[there]
    _, where = np.unique(left * max(n, 1) + right, return_index=True)
    return left[where], right[where], mirrored[there][where]


@intrinsic
def _ones(typingctx: Any, x: Any = None) -> Any:
    """Count the bits that are set."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


@njit(cache=True, nogil=True)
def _differ(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> tuple[Any, Any]:
    """Bits that differ between two codes, and between one and the other mirrored."""
    plain, turned = np.uint64(0), np.uint64(0)
    for w in range(4):
        x = a[w] ^ b[w]
        plain += _ones(x)
        turned += _ones(x ^ mask[w])
    return np.int64(plain), np.int64(turned)


@njit(cache=True, nogil=True)
def _nearest(
    queries: np.ndarray, start: int, whole: np.ndarray, crops: np.ndarray, train: np.ndarray,
    mask: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(m, 16) positions of the nearest train pictures of some pictures, -1 for none, and whether mirrored."""
    found = np.full((len(queries), NEAREST), -1, np.int64)
    mirrored = np.zeros((len(queries), NEAREST), np.bool_)
    bits = np.empty(NEAREST, np.int64)
    for q in range(len(queries)):
        bits[:] = _MOST_BITS + 1
        for t in range(len(train)):
            low = queries[q, 0, 0] ^ whole[t, 0]
            if min(_ones(low), _ones(low ^ mask[0])) > _MOST_BITS_LOW or train[t] == start + q:
                continue
            best, best_turned = _differ(queries[q, 0], whole[t], mask)
            for k in range(5):
                for plain, turned in (_differ(queries[q, 1 + k], whole[t], mask),
                                      _differ(queries[q, 0], crops[t, k], mask)):
                    best, best_turned = min(best, plain), min(best_turned, turned)
            nearest = min(best, best_turned)
            if nearest < bits[NEAREST - 1]:
                at = NEAREST - 1
                while at > 0 and nearest < bits[at - 1]:
                    bits[at], found[q, at] = bits[at - 1], found[q, at - 1]
                    mirrored[q, at] = mirrored[q, at - 1]
                    at -= 1
                bits[at], found[q, at], mirrored[q, at] = nearest, train[t], best_turned < best
    return found, mirrored
