"""The columns of a table: which hold numbers and which words, and what the train rows say of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.modalities.tabular import spelling
from pipeline.modalities.tabular.formats import as_number, is_code, read, reading
from pipeline.modalities.tabular.options import MISSING

MOST_CATEGORIES = 50  # of a column, the most frequent in train rows; the others share nothing
_KNOTS = 101  # quantiles that are kept of a column of numbers
_MISSING = frozenset(MISSING)
_PLAIN = {"unit": "", "factors": {"": 1.0}, "forms": []}


def fit(content: pa.Table) -> dict[str, Any]:
    """Learn from train rows what each column holds.

    {"numbers": {column: {"mean", "deviation", "low", "high", "median", "spread", "whole", "most_frequent",
    "quantiles", "reading"}}, "categories": {column: [value, ...]}, "usual": {column: value}, "spellings":
    {column: {"frequent", "rare"}}}. A string column holds numbers when at least 90 % of its filled cells are
    finite numbers, a unit allowed (see `formats.reading`); numbers with leading zeros are words. A column of
    numbers that are all missing is learnt as mean 0, spread 1, median None. The spread is the interquartile
    range / 1.349 (that of a normal distribution with standard deviation 1), so that outliers do not stretch
    it.

    >>> fit(pa.table({"a": [1.0, None, 3.0], "c": ["7 oz", "?", "9"]}))["numbers"]["c"]["median"]
    8.0
    """
    numeric: dict[str, Any] = {}
    words: dict[str, list[str]] = {}
    spellings: dict[str, Any] = {}
    usual: dict[str, str] = {}
    for name in content.column_names:
        column = content[name]
        how = _reading(column)
        if how is not None:
            numeric[name] = {**_statistics(numbers(column, {"reading": how})), "reading": how}
        else:
            counts = Counter(value for value in categories(column) if value is not None)
            words[name] = sorted(sorted(counts, key=lambda v: (-counts[v], v))[:MOST_CATEGORIES])
            filled = [value for value in counts if value not in _MISSING]
            if filled and not pa.types.is_boolean(column.type):
                usual[name] = min(filled, key=lambda v: (-counts[v], v))
            if (learnt := spelling.fit(counts)) is not None:
                spellings[name] = learnt
    return {"numbers": numeric, "categories": words, "usual": usual, "spellings": spellings}


def numbers(column: pa.ChunkedArray, learnt: Mapping[str, Any] | None = None) -> np.ndarray:
    """Return cells as (n,) float64, NaN where missing, not finite or no number.

    learnt : of the column, `state["numbers"][column]`: cells with its unit count as numbers too.
    """
    if is_number(column.type):
        values = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
        return np.where(np.isfinite(values), values, np.nan)
    how = (learnt or {}).get("reading") or _PLAIN
    cells = column.to_pylist()
    of_cell = {cell: read(cell, how) for cell in set(cells)}
    return np.array([of_cell[cell] for cell in cells], np.float64)


def categories(column: pa.ChunkedArray) -> list[str | None]:
    """Return cells as words, None where missing or blank."""
    cells = column.to_pylist()
    of_cell = {cell: None if cell is None else " ".join(str(cell).split()) or None for cell in set(cells)}
    return [of_cell[cell] for cell in cells]


def is_number(kind: pa.DataType) -> bool:
    """Whether cells of this type are numbers; true and false are words."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def is_content(kind: pa.DataType) -> bool:
    """Whether a column of this type can be content of a table: numbers, strings, true and false."""
    strings = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return is_number(kind) or pa.types.is_boolean(kind) or strings


def cells_missing(content: pa.Table) -> np.ndarray:
    """(n, columns) bool: null, not a number, not finite, or blank."""
    out = np.zeros((content.num_rows, content.num_columns), bool)
    for k, name in enumerate(content.column_names):
        if is_number(content[name].type):
            out[:, k] = np.isnan(numbers(content[name]))
        else:
            out[:, k] = [cell is None for cell in categories(content[name])]
    return out


def split_columns(content: pa.Table, state: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the columns of numbers and of words, by name. Raises `ValueError` for one the state lacks."""
    for name in content.column_names:
        if name not in state["numbers"] and name not in state["categories"]:
            raise ValueError(f"column {name!r} was not there when the modality learnt from the train rows")
    names = sorted(content.column_names)
    return [n for n in names if n in state["numbers"]], [n for n in names if n not in state["numbers"]]


def _reading(column: pa.ChunkedArray) -> dict[str, Any] | None:
    if is_number(column.type):
        return dict(_PLAIN)
    cells = Counter(c for c in categories(column) if c is not None and c not in _MISSING)
    total = sum(cells.values())
    codes = sum(times for cell, times in cells.items() if is_code(cell) and not math.isnan(as_number(cell)))
    return None if not cells or codes > 0.1 * total else reading(cells)


def _statistics(values: np.ndarray) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    if not len(known):
        return {"mean": 0.0, "deviation": 1.0, "low": 0.0, "high": 1.0, "median": None, "spread": 1.0,
                "whole": False, "most_frequent": None, "quantiles": []}
    low, median, high = (float(q) for q in np.quantile(known, (0.25, 0.5, 0.75)))
    spread = (high - low) / 1.349 or float(known.std()) or 1.0
    distinct, times = np.unique(known, return_counts=True)
    return {"mean": float(known.mean()), "deviation": float(known.std()) or 1.0, "low": float(known.min()),
            "high": float(known.max()), "median": median, "spread": spread,
            "whole": bool((known == np.round(known)).all()), "most_frequent": float(distinct[times.argmax()]),
            "quantiles": np.quantile(known, np.linspace(0, 1, _KNOTS)).tolist()}
