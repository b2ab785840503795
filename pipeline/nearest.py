"""Exact nearest neighbours by cosine distance in bounded memory: blocked products, compiled selection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from threadpoolctl import threadpool_limits

from pipeline.progress import counted

QUERY_ROWS, TRAIN_ROWS = 256, 8192  # a block of scores is 8 MB a thread
SPARE = 8  # neighbours kept beyond k until distances are computed exactly


def nearest(
    vectors: np.ndarray, is_train: np.ndarray, k: int, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest train rows of every row: positions (n, k) int64, cosine distances (n, k) float32.

    d(a, b) = 1 - cos(a, b) in [0, 2], computed as |a/|a| - b/|b||^2 / 2 in float64, so that it is exactly 0
    for equal rows; 1 where a vector is zero. A train row is not its own neighbour. Nearest first, ties by
    position; where there are fewer than k train rows, -1 and inf.

    Every product has the same padded shape and runs on one thread, so a row's answer depends on no more than
    its vector and the train vectors. Cost: O(n n_train d) time, beside the vectors 9 MB of memory a thread.

    Raises
    ------
    ValueError : a vector is not finite.

    >>> vectors = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    >>> index, distance = nearest(vectors, np.array([True, True, False]), 2)
    >>> index.tolist(), distance.tolist()
    ([[1, -1], [0, -1], [0, 1]], [[1.0, inf], [1.0, inf], [0.0, 1.0]])
    """
    n = len(vectors)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise ValueError(f"the vector of row {bad[0]} is not finite")
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    unit = (vectors / np.where(norms > 0, norms, 1)[:, None]).astype(np.float32)  # (n, d)
    rows = np.flatnonzero(is_train)  # positions of train rows, ascending
    train = _padded(unit[rows], TRAIN_ROWS)
    index, distance = np.full((n, k), -1, np.int64), np.full((n, k), np.inf, np.float32)
    own = np.where(is_train, np.cumsum(is_train) - 1, -1)  # (n,) where a row stands among the train rows

    def fill(start: int) -> None:
        stop = min(start + QUERY_ROWS, n)
        queries = _padded(unit[start:stop], QUERY_ROWS)
        scores = np.full((stop - start, k + SPARE), -np.inf, np.float32)
        places = np.full(scores.shape, -1, np.int64)
        for first in range(0, len(rows), TRAIN_ROWS):
            product = queries @ train[first : first + TRAIN_ROWS].T  # (QUERY_ROWS, TRAIN_ROWS)
            _select(product, first, len(rows), own[start:stop], scores, places)
        _rank(unit, norms, start, rows, places, index, distance)

    with threadpool_limits(1):
        _each(fill, range(0, n, QUERY_ROWS), threads)
    return index, distance


def _each(function: Callable[[int], None], items: Sequence[int], threads: int) -> None:
    if threads <= 1:
        for item in counted("neighbours", items, len(items)):
            function(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(counted("neighbours", pool.map(function, items), len(items)))


def _padded(rows: np.ndarray, multiple: int) -> np.ndarray:
    """Return the rows with zero rows below them, up to a multiple."""
    out = np.zeros((-(-len(rows) // multiple) * multiple, rows.shape[1]), rows.dtype)
    out[: len(rows)] = rows
    return out


@njit(cache=True, nogil=True)
def _select(
    product: np.ndarray, first: int, n_train: int, own: np.ndarray, scores: np.ndarray, places: np.ndarray
) -> None:
    """Merge a block of scores into the best so far, kept in descending order; an earlier place wins a tie."""
    most = scores.shape[1]
    for i in range(scores.shape[0]):
        least = scores[i, most - 1]
        for j in range(min(product.shape[1], n_train - first)):
            score = product[i, j]
            if score > least and first + j != own[i]:
                at = most - 1
                while at > 0 and scores[i, at - 1] < score:
                    scores[i, at], places[i, at] = scores[i, at - 1], places[i, at - 1]
                    at -= 1
                scores[i, at], places[i, at] = score, first + j
                least = scores[i, most - 1]


@njit(cache=True, nogil=True)
def _rank(unit: np.ndarray, norms: np.ndarray, start: int, rows: np.ndarray, places: np.ndarray,
          index: np.ndarray, distance: np.ndarray) -> None:
    """Compute the distances of the selected rows in float64 and write the k nearest, ties by position."""
    k = index.shape[1]
    exact = np.empty(places.shape[1])
    for i in range(places.shape[0]):
        found = 0
        for place in places[i]:
            if place < 0:
                break
            row, total = rows[place], 0.0
            for c in range(unit.shape[1]):
                gap = np.float64(unit[start + i, c]) - np.float64(unit[row, c])
                total += gap * gap
            exact[found] = total / 2 if norms[row] > 0 and norms[start + i] > 0 else 1.0
            found += 1
        by_place = np.argsort(places[i, :found], kind="mergesort")
        order = by_place[np.argsort(exact[:found][by_place].astype(np.float32), kind="mergesort")]
        for r in range(min(k, found)):
            index[start + i, r] = rows[places[i, order[r]]]
            distance[start + i, r] = exact[order[r]]
