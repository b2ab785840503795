"""The columns of a table: which hold numbers and which words, and what the train rows say of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.modalities.tabular.options import MISSING

MOST_CATEGORIES = 50  # of a column, the most frequent in train rows; the others share nothing
_NUMERIC_SHARE = 0.9  # of the filled cells of a string column that must be numbers for it to hold numbers
_MISSING = frozenset(MISSING)


def fit(content: pa.Table) -> dict[str, Any]:
    """Learn from train rows what each column holds.

    {"numbers": {column: {"mean", "median", "spread", "whole"}}, "categories": {column: [value, ...]}}. A
    string column holds numbers when at least 90 % of its filled cells are finite numbers. A column of numbers
    that are all missing is learnt as mean 0, spread 1, median None. The spread is the interquartile range /
    1.349 (that of a normal distribution with standard deviation 1), so that outliers do not stretch it.

    >>> fit(pa.table({"a": [1.0, None, 3.0], "b": ["x", "y", "x"], "c": ["7", "?", "9"]}))["numbers"]["c"]
    {'mean': 8.0, 'median': 8.0, 'spread': 0.7412898443291327, 'whole': True}
    """
    numeric, words = {}, {}
    for name in content.column_names:
        column = content[name]
        if _holds_numbers(column):
            numeric[name] = _statistics(numbers(column))
        else:
            counts = Counter(value for value in categories(column) if value is not None)
            words[name] = sorted(sorted(counts, key=lambda v: (-counts[v], v))[:MOST_CATEGORIES])
    return {"numbers": numeric, "categories": words}


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return cells as (n,) float64, NaN where missing, not finite or no number."""
    if is_number(column.type):
        values = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
        return np.where(np.isfinite(values), values, np.nan)
    return np.array([as_number(cell) for cell in column.to_pylist()], np.float64)


def as_number(cell: Any) -> float:
    """Return a string as a number, NaN when it is none; only plain ASCII forms count.

    >>> as_number(" 1e3 "), as_number("?"), as_number("inf"), as_number("1_000")
    (1000.0, nan, nan, nan)
    """
    if not isinstance(cell, str) or not cell.isascii() or "_" in cell:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def categories(column: pa.ChunkedArray) -> list[str | None]:
    """Return cells as words, None where missing or blank."""
    cells = column.to_pylist()
    return [None if cell is None or (text := " ".join(str(cell).split())) == "" else text for cell in cells]


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


def _holds_numbers(column: pa.ChunkedArray) -> bool:
    if is_number(column.type):
        return True
    cells = [c for c in categories(column) if c is not None and c not in _MISSING]
    return bool(cells) and sum(not math.isnan(as_number(c)) for c in cells) >= _NUMERIC_SHARE * len(cells)


def _statistics(values: np.ndarray) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    if not len(known):
        return {"mean": 0.0, "median": None, "spread": 1.0, "whole": False}
    low, median, high = (float(q) for q in np.quantile(known, (0.25, 0.5, 0.75)))
    spread = (high - low) / 1.349 or float(known.std()) or 1.0
    return {"mean": float(known.mean()), "median": median, "spread": spread,
            "whole": bool((known == np.round(known)).all())}
