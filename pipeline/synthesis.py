"""The SMOTE family as draws: which row is moved towards which neighbour, by which share.

imbalanced-learn gives the new points but not where they come from, and a made row must name its parents. So
the draws are made here, in the order and from the random stream that imbalanced-learn 0.14 uses: the points
are the same (a test compares them).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Draws(NamedTuple):
    """New rows as points between two rows: one + share * (other - one), in the feature space."""

    one: np.ndarray  # (m,) int64 positions
    other: np.ndarray  # (m,) int64
    share: np.ndarray  # (m,) float64 in [0, 1)


def draws(
    vectors: np.ndarray, codes: np.ndarray, target: int, n: int, method: str, k: int, seed: int
) -> Draws:
    """Return about `n` draws for the class `target` of vectors (rows, d) with class codes (rows,).

    smote : every row of the class, and its k nearest of the class (Chawla et al., JAIR 2002).
    borderline_smote : only rows of which at least half of the 10 nearest, but not all, are of other classes
        (Han et al., ICIC 2005, borderline-1).
    adasyn : rows get draws in proportion to the share of other classes among their k nearest (He et al.,
        IJCNN 2008); the number may differ from `n` by rounding.

    A class of two rows or more is enough: k is cut to the others there are. No draws where nothing qualifies.
    Cost: O(c (c + rows) d) for a class of c rows.
    """
    rows = np.flatnonzero(codes == target)
    k = min(k, len(rows) - 1)
    if k < 1 or n < 1:
        return _none()
    base = rows
    if method == "borderline_smote":
        strange = _strange_fraction(vectors, codes, rows, min(10, len(vectors) - 1))
        base = rows[(strange >= 0.5) & (strange < 1)]
    elif method == "adasyn":
        return _adasyn(vectors, codes, rows, n, k, seed)
    if not len(base):
        return _none()
    near = rows[_nearest(vectors[base], vectors[rows], k + 1)[:, 1:]]  # (b, k), the row itself left out
    random = np.random.RandomState(seed)  # the stream of imbalanced-learn
    picks = random.randint(0, near.size, size=n)
    share = random.uniform(size=n)
    return Draws(base[picks // k], near[picks // k, picks % k], share)


def _adasyn(
    vectors: np.ndarray, codes: np.ndarray, rows: np.ndarray, n: int, k: int, seed: int
) -> Draws:
    strange = _strange_fraction(vectors, codes, rows, k)
    if not strange.any():
        return _none()
    times = np.rint(strange / strange.sum() * n).astype(np.int64)
    near = rows[_nearest(vectors[rows], vectors[rows], k + 1)]  # the row itself first
    which = np.repeat(np.arange(len(rows)), times)
    random = np.random.RandomState(seed)
    picks = random.choice(k, size=len(which))
    share = random.uniform(size=(len(which), 1))[:, 0]
    return Draws(rows[which], near[which, picks + 1], share)


def _strange_fraction(vectors: np.ndarray, codes: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """(len(rows),) in [0, 1]: the share of each row's k nearest rows that are of another class."""
    near = _nearest(vectors[rows], vectors, k + 1)[:, 1:]
    return (codes[near] != codes[rows][:, None]).mean(axis=1)


def _nearest(queries: np.ndarray, vectors: np.ndarray, k: int) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    graph = NearestNeighbors(n_neighbors=min(k, len(vectors))).fit(vectors)
    return graph.kneighbors(queries, return_distance=False)


def _none() -> Draws:
    return Draws(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
