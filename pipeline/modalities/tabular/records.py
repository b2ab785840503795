"""Fuzzy records: how much of what could tell two rows apart agrees.

similarity(a, b) = sum_k w_k s_k(a, b) / sum_k w_k over the columns that both or one fill. w_k, the evidence
of an agreement, is the collision entropy -ln sum_v p(v)^2 of the column's train cells: two rows that share a
rare name are one, two that share `Male` are not (Fellegi & Sunter, JASA 1969). s_k is 1 for equal cells; for
strings the Dice similarity of the 3-grams of their letters and digits; for numbers 1 - (|a - b| / (0.1
spread))^2, but 0 in columns of whole numbers, which count and name things; 0 where only one cell is there.
Where the agreement is worth less than ln n^2, so that pairs of n rows agree as much by chance, the
similarity is that share of it: tables of few or coarse columns have few near copies. Candidates are found by
MinHash over tokens that stand for the cells (`signals.pairs`).
"""

from __future__ import annotations

import hashlib
import math
import re

import numpy as np
import pyarrow as pa
from numba import njit

from pipeline.modalities import Pairs, Shingles
from pipeline.modalities.tabular.columns import fit, numbers

CLOSE = 0.1  # of a number's spread: two that differ by so much share nothing
_FLOOR = 0.25  # Jaccard similarity of token sets from which a pair is compared
_GRAM = 3
_LETTERS = re.compile(r"[^\W_]+")
_UNEQUAL = 0.95  # the most that two strings that are not equal share
_PAIRS_AT_ONCE = 1 << 20


def record_pairs(content: pa.Table, floor: float, is_train: np.ndarray | None) -> Pairs:
    """Return the pairs of similarity >= floor; weights and spreads of columns come from train rows.

    Cost: that of `near_pairs` over about 8 tokens a cell, plus O(pairs x columns).
    """
    from pipeline.signals.pairs import near_pairs

    n = content.num_rows
    if n < 2 or not content.num_columns:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    train = np.ones(n, bool) if is_train is None else np.asarray(is_train, bool)
    columns = [_Column(content[name], name, train) for name in sorted(content.column_names)]
    weights = np.array([column.weight for column in columns])
    if not weights.sum():
        weights = np.ones(len(columns))
    needed = 2 * math.log(max(int(train.sum()), 2))  # of n^2 / 2 pairs exp(-evidence) agree by chance
    found = near_pairs(_tokens(columns, weights, n), _FLOOR, is_train)
    kept = []
    for start in range(0, len(found.left), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        left, right = found.left[part], found.right[part]
        agreed, there = np.zeros(len(left)), np.zeros(len(left))
        for column, weight in zip(columns, weights, strict=True):
            column.compare(left, right, weight, agreed, there)
        share = np.where(there > 0, agreed / np.where(there > 0, there, 1.0), 0.0)
        similarity = np.where(share >= 1 - 1e-9, 1.0, share * np.minimum(agreed / needed, 1.0))
        near = similarity >= floor
        kept.append((left[near], right[near], np.minimum(similarity[near], 1.0)))
    parts = kept or [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    return Pairs(*(np.concatenate([part[k] for part in parts]) for k in range(3)))


class _Column:
    """A column's distinct cells, where each row stands among them, and what telling them apart is worth."""

    def __init__(self, column: pa.ChunkedArray, name: str, train: np.ndarray) -> None:
        self.name = name
        only = column.filter(pa.array(train))
        learnt = fit(pa.table({name: only}))["numbers"].get(name) if train.any() else None
        self.values = None if learnt is None else numbers(column, learnt)
        spread = 1.0 if learnt is None else float(learnt["spread"])
        whole = learnt is not None and learnt["whole"]
        self.close = (
            min(CLOSE * spread, 0.5) if whole else CLOSE * spread
        )  # from here on two numbers share nothing
        if self.values is None:
            cells = column.to_pylist()
            folded = {c: " ".join(str(c).casefold().split()) if c is not None else "" for c in set(cells)}
            self.words = sorted({word for word in folded.values() if word})
            where = {word: k for k, word in enumerate(self.words)}
            self.codes = np.array([where.get(folded[c], -1) for c in cells], np.int64)
        else:
            self.words = []
            distinct, codes = np.unique(self.values, return_inverse=True)
            self.codes = np.where(np.isnan(distinct[codes]), -1, codes) if len(distinct) else codes
        self.weight = self._weight(train)
        self.grams = _grams(self.words)

    def _weight(self, train: np.ndarray) -> float:
        """-ln of the chance that two train cells agree; numbers agree when they are close."""
        known = self.codes[train & (self.codes >= 0)]
        if self.values is not None:
            known = np.floor(self.values[train & (self.codes >= 0)] / self.close)
        if len(known) < 2:
            return 0.0
        times = np.unique(known, return_counts=True)[1].astype(float)
        agree = (times * (times - 1)).sum() / (len(known) * (len(known) - 1))
        return -math.log(max(agree, 1.0 / len(known))) + 0.0

    def tokens(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and hashes, `most` for each filled cell: its grams, or the bins that a number is near."""
        rows = np.flatnonzero(self.codes >= 0)
        if self.values is not None:
            at = self.values[rows] / (2 * self.close)
            shifts = np.arange(most) / most
            bins = np.clip(np.floor(at[:, None] + shifts), -1e15, 1e15).astype(np.int64)
            hashes = _mixed(bins.view(np.uint64), self.name, np.arange(most))
            return np.repeat(rows, most), hashes.ravel()
        offsets, grams = self.grams
        picked, start = [], []
        for k in range(len(self.words)):
            own = np.sort(_scattered(grams[offsets[k] : offsets[k + 1]], self.name))
            picked.append(own)
            start.append(len(own))
        sizes = np.array(start, np.int64)
        flat = np.concatenate(picked) if picked else np.zeros(0, np.uint64)
        first = np.concatenate(([0], np.cumsum(sizes)))
        width = sizes[self.codes[rows]]
        within = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width, width)
        out = flat[np.repeat(first[self.codes[rows]], width) + within]
        copies = max(1, round(most / max(float(width.mean()), 1.0))) if len(width) else 1
        rows = np.repeat(rows, width)
        return np.repeat(rows, copies), _mixed(
            np.repeat(out, copies), "copy", np.tile(np.arange(copies), len(out))
        )

    def compare(
        self, left: np.ndarray, right: np.ndarray, weight: float, agreed: np.ndarray, there: np.ndarray
    ) -> None:
        """Add what each pair agrees in, and what it could agree in."""
        one, two = self.codes[left], self.codes[right]
        either = (one >= 0) | (two >= 0)
        there += np.where(either, weight, 0.0)
        same = np.where((one == two) & (one >= 0), 1.0, 0.0)
        both = np.flatnonzero((one >= 0) & (two >= 0) & (one != two))
        if self.values is not None:
            apart = np.abs(self.values[left[both]] - self.values[right[both]])
            same[both] = np.maximum(0.0, 1.0 - (apart / self.close) ** 2)
        else:
            same[both] = _gram_similarity(one[both], two[both], *self.grams)
        agreed += weight * same


def _tokens(columns: list[_Column], weights: np.ndarray, n: int) -> Shingles:
    """Token sets of the rows: a column has about 8 tokens a cell times its share of the evidence."""
    share = weights / weights.sum() * len(columns)
    rows, hashes = [], []
    for column, part in zip(columns, share, strict=True):
        if most := round(8 * min(float(part), 4.0)):
            of_row, of_hash = column.tokens(most)
            rows.append(of_row)
            hashes.append(of_hash)
    if not rows:
        return Shingles(np.zeros(n + 1, np.int64), np.zeros(0, np.uint64))
    row, token = np.concatenate(rows), np.concatenate(hashes)
    order = np.lexsort((token, row))
    row, token = row[order], token[order]
    first = np.ones(len(row), bool)
    first[1:] = (row[1:] != row[:-1]) | (token[1:] != token[:-1])
    row, token = row[first], token[first]
    return Shingles(np.searchsorted(row, np.arange(n + 1)).astype(np.int64), token)


def _grams(words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """CSR of the sorted hashes of each word's character 3-grams, its ends marked."""
    known: dict[str, int] = {}
    sizes, out = [], []
    for word in words:
        padded = f"\0{' '.join(re.findall(_LETTERS, word)) or word}\0"
        grams = {padded[i : i + _GRAM] for i in range(max(len(padded) - _GRAM + 1, 1))}
        own = sorted(known.setdefault(g, _hash(g)) for g in grams)
        sizes.append(len(own))
        out += own
    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64), np.array(out, np.uint64)


@njit(cache=True, nogil=True)
def _gram_similarity(one: np.ndarray, two: np.ndarray, offsets: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """(m,) Dice similarity of the grams of two words each, given as codes."""
    out = np.empty(one.size)
    for p in range(one.size):
        i, j = offsets[one[p]], offsets[two[p]]
        i_end, j_end = offsets[one[p] + 1], offsets[two[p] + 1]
        total, common = (i_end - i) + (j_end - j), 0
        while i < i_end and j < j_end:
            x, y = hashes[i], hashes[j]
            common += x == y
            i += x <= y
            j += y <= x
        out[p] = min(2.0 * common / total, _UNEQUAL) if total else 0.0
    return out


def _scattered(grams: np.ndarray, name: str) -> np.ndarray:
    return _mixed(grams, name, np.zeros(1, np.int64))


def _mixed(values: np.ndarray, name: str, which: np.ndarray) -> np.ndarray:
    """Hashes of values, a column's name and a number: splitmix64."""
    seed = np.uint64(_hash(name)) + which.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = values.astype(np.uint64) ^ seed
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)), np.uint64)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
