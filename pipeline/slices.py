"""Slices: named groups of rows. A slice is a short text that people, recipes and stages can all read and
write.

`label=tech`, `source=web`, `language=en` name a value of the label, of the source or of a metadata column;
`length_chars<=812`, `n_words>=400` bound a measure.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.dataset import OWN_COLUMNS, WEIGHT, Dataset
from pipeline.labels import classes_in

MOST_VALUES = 20  # a metadata column with more distinct values is not a grouping
_PATTERN = re.compile(r"(?P<name>[^<>=]+)(?P<op><=|>=|=)(?P<value>.*)", re.DOTALL)


class Slice(NamedTuple):
    """A slice taken apart. `value` is text for `=`, a number for `<=` and `>=`."""

    name: str
    op: Literal["=", "<=", ">="]
    value: str | float


def parse(text: str) -> Slice:
    """Take a slice apart. Raises `ValueError` when it is none.

    >>> parse("label=tech"), parse("n_words>=400")
    (Slice(name='label', op='=', value='tech'), Slice(name='n_words', op='>=', value=400.0))
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no slice; write name=value, name<=number or name>=number")
    name, op, value = match["name"].strip(), match["op"], match["value"]
    if op == "=":
        return Slice(name, "=", value)
    try:
        bound = float(value)
    except ValueError:
        raise ValueError(f"slice {text!r}: {value!r} is no number") from None
    if not math.isfinite(bound):
        raise ValueError(f"slice {text!r}: {value!r} is no finite number")
    return Slice(name, "<=" if op == "<=" else ">=", bound)


def mask(text: str, data: Dataset, measures: pd.DataFrame | None = None) -> np.ndarray:
    """Return which rows of `data` are in the slice, (n,) bool; a missing cell or measure is in none.

    A row is in the slice of every class that its label names; votes name the class with the most.

    measures : (n, m) frame in the order of the rows, as `Modality.measure` gives it.
    Raises `ValueError` for a name that is neither label, source, column nor measure.

    >>> from pipeline.dataset import Roles
    >>> rows = {"row_id": ["a", "b"], "text": ["x", "y"], "y": ["p", "q"]}
    >>> data = Dataset.of(rows, Roles(content=("text",), label="y"), "text")
    >>> mask("label=q", data).tolist()
    [False, True]
    """
    part = parse(text)
    if part.op == "=":
        if part.name == "label" and data.roles.label:
            named = ([cell_text(v) for v in classes_in(c)] for c in data.labels)
            return np.array([part.value in row for row in named], dtype=bool)
        cells = _cells(part.name, data, measures)
        return np.array([c is not None and cell_text(c) == part.value for c in cells], dtype=bool)
    if measures is None or part.name not in measures.columns:
        meant = _meant(part.name, [] if measures is None else measures.columns)
        raise ValueError(f"slice {text!r}: no measure {part.name!r}{meant}")
    values = measures[part.name].to_numpy(dtype=np.float64, na_value=np.nan)
    return values <= part.value if part.op == "<=" else values >= part.value  # NaN compares false


def candidates(data: Dataset, measures: pd.DataFrame | None = None) -> list[str]:
    """Return the slices worth looking at, in a fixed order. What they are is learnt on the train rows.

    Each class; each source if there are several; each value of string columns with 2 to 20 values; the lowest
    and highest quarter of each measure, left out where ties put more than half of the rows in it.
    """
    seen = data.where(data.is_train)
    named = [c for cell in seen.labels for c in classes_in(cell)] if data.roles.label else []
    out = [f"label={v}" for v in _values(named)]
    for name in _grouping_columns(data):
        values = _values(_cells(name, seen, None))
        if 2 <= len(values) <= MOST_VALUES:
            out += [f"{name}={v}" for v in values]
    frame = pd.DataFrame() if measures is None else measures
    for name in sorted(c for c in frame.columns if _PATTERN.fullmatch(f"{c}=")):
        values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)[data.is_train]
        values = values[np.isfinite(values)]
        if len(values) < 4 or values.min() == values.max():
            continue
        low, high = np.quantile(values, 0.25, method="lower"), np.quantile(values, 0.75, method="higher")
        out += [f"{name}<={low:.6g}"] if 0 < (values <= float(f"{low:.6g}")).mean() <= 0.5 else []
        out += [f"{name}>={high:.6g}"] if 0 < (values >= float(f"{high:.6g}")).mean() <= 0.5 else []
    return out


def cell_text(cell: object) -> str:
    """Return a cell as it stands in a slice: text as it is, whole numbers without a point.

    >>> cell_text("tech"), cell_text(3.0), cell_text(True)
    ('tech', '3', 'True')
    """
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _cells(name: str, data: Dataset, measures: pd.DataFrame | None) -> Iterable[object]:
    if name in data.table.column_names:
        return data.table[name].to_pylist()
    if measures is not None and name in measures.columns:
        return [None if pd.isna(v) else float(v) for v in measures[name]]
    known = [
        *data.table.column_names,
        *(["label"] if data.roles.label else []),
        *([] if measures is None else measures.columns),
    ]
    raise ValueError(f"no label, source, column or measure {name!r}{_meant(name, known)}")


def _grouping_columns(data: Dataset) -> list[str]:
    roles = data.roles
    taken = {*roles.content, *OWN_COLUMNS, WEIGHT, roles.label, roles.time, "label"}
    free = [f.name for f in data.table.schema if f.name not in taken and pa.types.is_large_string(f.type)]
    return ["source", *(name for name in sorted(free) if _PATTERN.fullmatch(f"{name}="))]


def _values(cells: Iterable[object]) -> list[str]:
    """Return the distinct scalar values as texts, sorted; [] for lists and mappings."""
    present = [c for c in cells if c is not None]
    return (
        [] if any(isinstance(c, (list, dict)) for c in present) else sorted({cell_text(c) for c in present})
    )


def _meant(name: str, known: Iterable[object]) -> str:
    close = difflib.get_close_matches(name, [str(k) for k in known], n=1)
    return f", did you mean {close[0]}?" if close else ""
