"""Cheap feature matrices of texts: hashed TF-IDF of word and of character n-grams, fitted on train rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from pipeline.modalities.text import tokens
from pipeline.modalities.text.columns import buffers, joined

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_ROWS = 512  # rows at a time: bounds the memory that n-grams take
_BUCKETS = 1 << 22  # n-grams are told apart by 22 bits of their hash
_CHARACTERS = 4_000  # of each text, that the character view reads
_FEW_ROWS = 20  # with fewer train rows an n-gram of one row counts too

Grams = Callable[[pa.LargeStringArray], tuple[np.ndarray, np.ndarray]]


class View(NamedTuple):
    """How a text becomes n-grams, and the most columns they may have."""

    grams: Grams
    most_columns: int


def views(content: pa.Table, is_train: np.ndarray) -> dict[str, csr_matrix]:
    """Return TF-IDF matrices (n, f), float32, rows of length 1 (or 0 when nothing in them is known).

    words : word 1- and 2-grams, at most 100,000 columns.
    characters : 3- to 5-grams inside words of the first 4,000 characters, lower case, at most 50,000 columns.

    x(i, g) = (1 + ln tf) (ln((1 + N) / (1 + df)) + 1), then each row is divided by its length. Columns and df
    come from the N train rows only: n-grams of at least two of them (one, below 20 train rows), the most
    frequent first. N-grams share a column when 22 bits of their hashes agree (Weinberger et al., ICML 2009).
    Cost: O(characters), about 4 MB/s on one core for both; about 20 kB of memory a text of 400 words.
    """
    texts, is_train = joined(content), np.asarray(is_train, dtype=bool)
    return {name: _tfidf(texts, is_train, view) for name, view in _VIEWS.items()}


def _words(texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    return tokens.runs(*tokens.words(*buffers(texts)), 1, 2)


def _characters(texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    cells = [text[:_CHARACTERS].lower() for text in texts.to_pylist()]
    points = np.frombuffer("".join(cells).encode("utf-32-le", "surrogatepass"), np.uint32)
    edges = np.concatenate(([0], np.cumsum([len(cell) for cell in cells], dtype=np.int64)))
    return tokens.characters(points, edges, 3, 5)


_VIEWS = {"words": View(_words, 100_000), "characters": View(_characters, 50_000)}


def _tfidf(texts: pa.LargeStringArray, is_train: np.ndarray, view: View) -> csr_matrix:
    from scipy.sparse import csr_matrix

    rows_with = np.zeros(_BUCKETS, np.int32)  # train rows that have the n-gram
    last = np.full(_BUCKETS, -1, np.int64)
    for start, (offsets, hashes) in _parts(texts, view.grams):
        _count_rows(offsets, hashes, is_train[start : start + len(offsets) - 1], start, last, rows_with)
    column_of, idf = _columns(rows_with, int(is_train.sum()), view.most_columns)
    indptr, indices, values = [np.zeros(1, np.int64)], [], []
    for _, (offsets, hashes) in _parts(texts, view.grams):
        ends, columns, counts = _count_columns(offsets, hashes, column_of)
        indptr.append(ends[1:] + indptr[-1][-1])
        indices.append(columns)
        values.append(_weighted(ends, columns, counts, idf))
    data = np.concatenate([*values, np.zeros(0, np.float32)])
    cells = np.concatenate([*indices, np.zeros(0, np.int32)])
    return csr_matrix((data, cells, np.concatenate(indptr)), shape=(len(texts), max(len(idf), 1)))


def _parts(texts: pa.LargeStringArray, grams: Grams) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    for start in range(0, len(texts), _ROWS):
        yield start, grams(texts.slice(start, _ROWS))


def _columns(rows_with: np.ndarray, n_train: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the column of each bucket, (buckets,) int32 with -1 for none, and the idf of each column."""
    least = 2 if n_train >= _FEW_ROWS and rows_with.max() > 1 else 1
    buckets = np.flatnonzero(rows_with >= least)
    if len(buckets) > most:
        buckets = np.sort(buckets[np.argsort(-rows_with[buckets], kind="stable")[:most]])
    column_of = np.full(len(rows_with), -1, np.int32)
    column_of[buckets] = np.arange(len(buckets), dtype=np.int32)
    return column_of, np.log((1 + n_train) / (1 + rows_with[buckets])) + 1


def _weighted(ends: np.ndarray, columns: np.ndarray, counts: np.ndarray, idf: np.ndarray) -> np.ndarray:
    values = (1 + np.log(counts)) * idf[columns]
    row = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    lengths = np.sqrt(np.bincount(row, weights=values**2, minlength=len(ends) - 1))  # (n,), each its own sum
    return (values / lengths[row]).astype(np.float32)


@njit(cache=True, nogil=True)
def _count_rows(
    offsets: np.ndarray, hashes: np.ndarray, counts: np.ndarray, start: int,
    last: np.ndarray, rows_with: np.ndarray,
) -> None:
    """Add one to each n-gram for each row that counts and has it; `last` is the last row of each bucket."""
    for i in range(offsets.size - 1):
        if counts[i]:
            for j in range(offsets[i], offsets[i + 1]):
                bucket = hashes[j] & np.uint64(_BUCKETS - 1)
                if last[bucket] != start + i:
                    last[bucket] = start + i
                    rows_with[bucket] += 1


@njit(cache=True, nogil=True)
def _count_columns(
    offsets: np.ndarray, hashes: np.ndarray, column_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each row's columns, ascending, and how often it has them, in CSR form."""
    n = offsets.size - 1
    columns, counts = np.empty(hashes.size, np.int32), np.empty(hashes.size, np.float64)
    ends = np.zeros(n + 1, np.int64)
    m = 0
    for i in range(n):
        row = np.empty(offsets[i + 1] - offsets[i], np.int32)
        known = 0
        for j in range(offsets[i], offsets[i + 1]):
            column = column_of[hashes[j] & np.uint64(_BUCKETS - 1)]
            if column >= 0:
                row[known] = column
                known += 1
        row = np.sort(row[:known])
        for j in range(known):
            if j and row[j] == row[j - 1]:
                counts[m - 1] += 1
            else:
                columns[m], counts[m] = row[j], 1
                m += 1
        ends[i + 1] = m
    return ends, columns[:m].copy(), counts[:m].copy()
