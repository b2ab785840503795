"""Columns of labels: what shape a type holds, and each shape in its one form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pyarrow as pa

Shape = Literal["none", "single", "set", "votes", "other"]


def shape_of_type(kind: pa.DataType) -> Shape:
    """Return what a label column of this type holds.

    >>> shape_of_type(pa.large_string()), shape_of_type(pa.large_list(pa.int64()))
    ('single', 'set')
    >>> shape_of_type(pa.struct([("a", pa.float64())])), shape_of_type(pa.list_(pa.struct([])))
    ('votes', 'other')
    """
    if pa.types.is_struct(kind):
        numbers = all(_is_number(f.type) or pa.types.is_null(f.type) for f in kind)
        return "votes" if numbers and kind.num_fields else "other"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return "set" if _is_scalar(kind.value_type) else "other"
    return "single" if _is_scalar(kind) else "other"


def class_order(value: Any) -> tuple[str, Any]:
    """Return what classes are sorted by, whatever their types."""
    return str(type(value)), value


def canonical(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a label column in the one form of its shape: sets sorted without repeats, votes as float64.

    Raises `ValueError` naming the first vote that is negative or not finite.
    """
    shape = shape_of_type(column.type)
    if shape == "set":
        lists = [None if c is None else sorted({v for v in c if v is not None}, key=class_order)
                 for c in column.to_pylist()]  # fmt: skip
        return pa.chunked_array([pa.array(lists, pa.large_list(column.type.value_type))])
    if shape == "votes":
        names = sorted(f.name for f in column.type)
        votes = [_counted(cell, names) for cell in column.to_pylist()]
        return pa.chunked_array([pa.array(votes, votes_type(names))])
    return column


def votes_type(classes: Sequence[str]) -> pa.DataType:
    """Return the type of a column of votes."""
    return pa.struct([pa.field(c, pa.float64()) for c in sorted(classes)])


def votes_column(annotators: Sequence[Sequence[Any]]) -> pa.Array:
    """Return the votes of several annotators, (a, n) cells with None for no vote, as one column.

    >>> votes_column([["a", "b"], ["a", None]]).to_pylist()
    [{'a': 2.0, 'b': 0.0}, {'a': 0.0, 'b': 1.0}]
    """
    classes = sorted({str(v) for column in annotators for v in column if v is not None})
    cells = []
    for row in zip(*annotators, strict=True):
        said = [str(v) for v in row if v is not None]
        cells.append({c: float(said.count(c)) for c in classes} if said else None)
    return pa.array(cells, votes_type(classes))


def _counted(cell: dict[str, Any] | None, names: Sequence[str]) -> dict[str, float] | None:
    if cell is None or not any(cell.values()):
        return None
    for name, value in cell.items():
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{value} votes for {name!r} (votes are 0 or more)")
    return {name: float(cell.get(name) or 0.0) for name in names}


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


_SCALARS: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean, pa.types.is_null, _is_number,
)  # fmt: skip


def _is_scalar(kind: pa.DataType) -> bool:
    return any(check(kind) for check in _SCALARS)
