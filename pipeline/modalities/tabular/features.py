"""Rows of a table as numbers: vectors and bins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.modalities.tabular.columns import categories, fit, numbers, split_columns
from pipeline.modalities.tabular.scaling import scaled

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_BINS = 10


def vectors(content: pa.Table, state: Mapping[str, Any], scaling: str = "robust") -> np.ndarray:
    """(n, d) float32: numbers, one-hot categories, 1 anchor.

    A number is scaled as `scaling.scaled` says, 0 where missing.
    A category that was not among the 50 most frequent of the train rows, or a missing one, is all zeros. The
    anchor is a constant as long as a usual row, so that cosine distance grows with Euclidean distance.
    """
    of_numbers, of_words = split_columns(content, state)
    parts = [np.zeros((content.num_rows, 0), np.float32)]
    for name in of_numbers:
        learnt = state["numbers"][name]
        parts.append(scaled(numbers(content[name], learnt), learnt, scaling)[:, None])
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
        learnt = state["numbers"][name]
        values, known = numbers(content[name], learnt), numbers(train[name], learnt)
        known = known[~np.isnan(known)]
        edges = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS)) if len(known) else np.zeros(0)
        which = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, "right"))
        parts.append(np.eye(len(edges) + 2, dtype=np.float32)[which])
    parts += [_one_hot(categories(content[name]), state["categories"][name]) for name in of_words]
    return csr_matrix(np.concatenate(parts, axis=1))


def _one_hot(values: list[str | None], known: list[str]) -> np.ndarray:
    """(n, len(known)) float32."""
    where = {value: k for k, value in enumerate(known)}
    other = len(known)
    codes = np.array([other if value is None else where.get(value, other) for value in values], np.int64)
    return np.eye(len(known) + 1, dtype=np.float32)[codes][:, : len(known)]
