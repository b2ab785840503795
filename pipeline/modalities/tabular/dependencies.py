"""Columns that other columns determine, learnt with tolerance: brewery_id -> city holds in 97 % of the rows.

A -> B holds when, among the train rows that share their A with another one, B is the usual value of their
group in at least `min_agreement` of them, and four times closer to all of them than after B is shuffled.
Huhtala et al., TANE, Computer Journal 1999 (approximate dependencies, g3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_LEAST_ROWS = 20  # that share their A with another
_LEAST_SHARE = 0.1  # of the train rows, likewise
_BEYOND_CHANCE = 0.25  # of the disagreement after shuffling that may be there
_OTHERS, _SURE = 2, 0.9  # train rows of the group beside a row, and the share that must agree to speak


class Dependency(NamedTuple):
    """`of` determines `column` in `agreement` of the `rows` that can tell."""

    of: int
    column: int
    agreement: float
    rows: int


class Expected(NamedTuple):
    """What a dependency says of each row: a code, -1 for nothing, and the votes of how many others."""

    code: np.ndarray  # (n,) int64
    votes: np.ndarray  # (n,) int64
    others: np.ndarray  # (n,) int64


def learn(codes: np.ndarray, able: list[int], is_train: np.ndarray, min_agreement: float) -> list[Dependency]:
    """Return the dependencies among the columns.

    codes : (n, columns) int64, equal for equal cells of a column, -1 where missing. able : the columns that
    may determine others. Cost: O(columns^2 n log n).
    """
    train, out = codes[is_train], []
    shuffled = np.random.default_rng(0).permutation(len(train))
    for a in able:
        if _repeats(train[:, a]) < max(_LEAST_ROWS, _LEAST_SHARE * len(train)):
            continue
        for b in range(codes.shape[1]):
            if a == b or len(np.unique(train[train[:, b] >= 0, b])) < 2:  # a tick says nothing of blanks
                continue
            agreement, rows = _agreement(train[:, a], train[:, b])
            if rows < _LEAST_ROWS or agreement < min_agreement:
                continue
            chance, _ = _agreement(train[:, a], train[shuffled, b])
            if 1 - agreement <= _BEYOND_CHANCE * (1 - chance):
                out.append(Dependency(a, b, agreement, rows))
    return out


def expected(codes: np.ndarray, is_train: np.ndarray, found: Dependency) -> Expected:
    """Return what the other train rows of a row's group say of its cell."""
    a, b = codes[:, found.of], codes[:, found.column]
    pairs = (a >= 0) & (b >= 0) & is_train
    keys, counts = np.unique(np.stack([a[pairs], b[pairs]], 1), axis=0, return_counts=True)
    order = np.lexsort((keys[:, 1], -counts, keys[:, 0]))  # within a group the most frequent first
    keys, counts = keys[order], counts[order]
    first = np.searchsorted(keys[:, 0], np.arange(a.max(initial=0) + 2))
    total = np.concatenate(([0], np.cumsum(counts)))
    group = np.clip(a, 0, None)
    start, stop = first[group], first[group + 1]
    own = pairs.astype(np.int64)  # a train row does not vote on itself
    there = (a >= 0) & (stop > start)
    top = np.where(there, start, 0)
    votes = np.where(there, counts[top] if len(counts) else 0, 0)
    code = np.where(there, keys[top, 1] if len(keys) else -1, -1)
    votes = votes - own * (code == b)
    # where a row's own vote made the first the first, the second may be ahead of it without that vote
    second = there & (stop - start > 1) & (code == b)
    rival = np.where(second, counts[np.minimum(top + 1, max(len(counts) - 1, 0))] if len(counts) else 0, 0)
    ahead = second & (rival > votes)
    code = np.where(ahead, keys[np.minimum(top + 1, len(keys) - 1), 1] if len(keys) else -1, code)
    votes = np.where(ahead, rival, votes)
    others = np.where(there, total[stop] - total[start], 0) - own * there
    sure = there & (others >= _OTHERS) & (votes >= _SURE * others)
    return Expected(np.where(sure, code, -1), votes, others)


def _repeats(values: np.ndarray) -> int:
    known = values[values >= 0]
    times = np.unique(known, return_counts=True)[1]
    return int(times[times > 1].sum())


def _agreement(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
    """Return the share of rows, in groups of two and more, that have the group's usual b; and rows."""
    known = (a >= 0) & (b >= 0)
    if not known.any():
        return 0.0, 0
    keys, counts = np.unique(np.stack([a[known], b[known]], 1), axis=0, return_counts=True)
    groups, where = np.unique(keys[:, 0], return_inverse=True)
    size, most = np.zeros(len(groups), np.int64), np.zeros(len(groups), np.int64)
    np.add.at(size, where, counts)
    np.maximum.at(most, where, counts)
    several = size > 1
    rows = int(size[several].sum())
    return (float(most[several].sum() / rows) if rows else 0.0), rows
