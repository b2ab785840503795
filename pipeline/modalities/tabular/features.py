"""Rows of a table as numbers: vectors, bins, and sets of hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.modalities import Shingles
from pipeline.modalities.tabular.columns import categories, fit, is_number, numbers, split_columns

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_MOST_DEVIATIONS = 10.0  # a number further from the median counts as this far
_BINS = 10


def vectors(content: pa.Table, state: Mapping[str, Any]) -> np.ndarray:
    """(n, d) float32: numbers, one-hot categories, 1 anchor.

    A number is (x - median) / spread, within +-10, 0 where missing.
    A category that was not among the 50 most frequent of the train rows, or a missing one, is all zeros. The
    anchor is a constant as long as a usual row, so that cosine distance grows with Euclidean distance.
    """
    of_numbers, of_words = split_columns(content, state)
    parts = [np.zeros((content.num_rows, 0), np.float32)]
    for name in of_numbers:
        learnt = state["numbers"][name]
        deviations = (numbers(content[name]) - (learnt["median"] or 0.0)) / learnt["spread"]
        parts.append(np.nan_to_num(np.clip(deviations, -_MOST_DEVIATIONS, _MOST_DEVIATIONS))[:, None])
    parts += [_one_hot(categories(content[name]), state["categories"][name]) for name in of_words]
    parts.append(np.full((content.num_rows, 1), 2.0 * np.sqrt(max(content.num_columns, 1)), np.float32))
    return np.concatenate(parts, axis=1).astype(np.float32)


def bins(content: pa.Table, is_train: np.ndarray) -> csr_matrix:
    """(n, f) float32 one-hot, CSR: the tenth of the train rows a number is in, or missing; categories."""
    from scipy.sparse import csr_matrix

    train = content.filter(pa.array(np.asarray(is_train, dtype=bool)))
    state = fit(train)
    of_numbers, of_words = split_columns(content, state)
    parts = [np.zeros((content.num_rows, 1), np.float32)]
    for name in of_numbers:
        values, known = numbers(content[name]), numbers(train[name])
        known = known[~np.isnan(known)]
        edges = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS)) if len(known) else np.zeros(0)
        which = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, "right"))
        parts.append(np.eye(len(edges) + 2, dtype=np.float32)[which])
    parts += [_one_hot(categories(content[name]), state["categories"][name]) for name in of_words]
    return csr_matrix(np.concatenate(parts, axis=1))


def cell_sets(content: pa.Table) -> Shingles:
    """One hash for each "column=value" of a row, missing cells left out; numbers at three significant digits.

    Two rows of c cells that differ in one have similarity (c - 1) / (c + 1).
    """
    n = content.num_rows
    hashes, there = np.zeros((n, content.num_columns), np.uint64), np.zeros((n, content.num_columns), bool)
    for k, name in enumerate(content.column_names):
        texts = _values(content[name])
        of_text = {text: _hash(f"{name}={text}") for text in set(texts) if text is not None}
        hashes[:, k] = [0 if text is None else of_text[text] for text in texts]
        there[:, k] = [text is not None for text in texts]
    order = np.argsort(np.where(there, hashes, np.uint64(2**64 - 1)), axis=1, kind="stable")
    hashes, there = np.take_along_axis(hashes, order, 1), np.take_along_axis(there, order, 1)
    offsets = np.concatenate(([0], np.cumsum(there.sum(axis=1)))).astype(np.int64)
    return Shingles(offsets, hashes[there])


def _values(column: pa.ChunkedArray) -> list[str | None]:
    if is_number(column.type):
        return [None if np.isnan(value) else f"{value + 0.0:.3g}" for value in numbers(column)]
    return [None if value is None else value.casefold() for value in categories(column)]


def _one_hot(values: list[str | None], known: list[str]) -> np.ndarray:
    """(n, len(known)) float32."""
    where = {value: k for k, value in enumerate(known)}
    other = len(known)
    codes = np.array([other if value is None else where.get(value, other) for value in values], np.int64)
    return np.eye(len(known) + 1, dtype=np.float32)[codes][:, : len(known)]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
