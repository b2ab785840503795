"""A table taken apart: its cells as words, as numbers, as codes and as features of models."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.modalities.tabular.columns import categories, fit, is_number, numbers
from pipeline.modalities.tabular.options import MISSING


class Table(NamedTuple):
    """A table taken apart: cells as they are, as words, as numbers and as codes."""

    names: list[str]
    content: pa.Table
    state: dict[str, Any]
    is_train: np.ndarray
    words: dict[str, list[str | None]]  # of columns of strings; None where missing
    values: dict[str, np.ndarray]  # of columns of numbers
    codes: np.ndarray  # (n, columns) int64, -1 where missing
    raw: dict[str, list[Any]]  # column -> code -> cell


def taken_apart(content: pa.Table, is_train: np.ndarray) -> Table:
    """Return the table; what its columns hold is learnt from train rows, whose cells have the first codes."""
    names = sorted(content.column_names)
    state = fit(content.filter(pa.array(is_train)))
    words: dict[str, list[str | None]] = {}
    values: dict[str, np.ndarray] = {}
    raw: dict[str, list[Any]] = {}
    codes = np.full((content.num_rows, len(names)), -1, np.int64)
    for k, name in enumerate(names):
        column = content[name]
        if name in state["numbers"]:
            values[name] = numbers(column, state["numbers"][name])
        if not is_number(column.type):
            cells = categories(column)
            words[name] = [None if c is None or c in MISSING else c for c in cells]
            keys: list[Any] = words[name]
        else:
            keys = [None if np.isnan(v) else v for v in values[name].tolist()]
        where: dict[Any, int] = {}
        plain = column.to_pylist()
        raw[name] = []
        for i in [*np.flatnonzero(is_train), *np.flatnonzero(~is_train)]:
            key = keys[i]
            if key is not None and key not in where:
                where[key] = len(where)
                raw[name].append(plain[i] if not isinstance(plain[i], str) else key)
            codes[i, k] = -1 if key is None else where[key]
    return Table(names, content, state, is_train, words, values, codes, raw)


def determining(table: Table) -> list[int]:
    """Columns that may determine others: words, and whole numbers."""
    numeric = table.state["numbers"]
    return [k for k, name in enumerate(table.names) if name not in numeric or numeric[name]["whole"]]


def features(table: Table, outside: set[tuple[int, str]]) -> np.ndarray:
    """(n, columns) float64: numbers by their rank in train, the middle where missing or outside;
    categories by their frequency.
    """
    # ranks, since trees that split at random places between the least and the largest number would be led
    # astray by one that is far out
    out = np.zeros(table.codes.shape)
    for k, name in enumerate(table.names):
        if name in table.values:
            values = table.values[name].copy()
            values[[i for i, other in outside if other == name]] = np.nan
            known = np.sort(values[table.is_train & ~np.isnan(values)])
            places = (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / 2
            column = np.where(np.isnan(values), 0.5, places / max(len(known), 1))
        else:
            train = table.codes[table.is_train & (table.codes[:, k] >= 0), k]
            times = np.bincount(train, minlength=table.codes[:, k].max(initial=0) + 1)
            rank = np.empty(len(times))
            rank[np.lexsort((np.arange(len(times)), -times))] = np.arange(len(times))
            rank[times == 0] = len(times)
            rank = np.where(times == 0, float((times > 0).sum()), rank)
            column = np.where(table.codes[:, k] < 0, -1.0, rank[np.clip(table.codes[:, k], 0, None)])
        out[:, k] = column
    return out
