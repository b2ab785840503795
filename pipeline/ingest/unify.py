"""Tables of several files or sources as one: all their columns, in the narrowest type that holds both."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.hashing import cell_json


def concat(tables: Sequence[pa.Table]) -> tuple[pa.Table, list[str]]:
    """Return all rows as one table and notes on columns that only fit together as text.

    >>> one, two = pa.table({"x": [1]}), pa.table({"x": [2.5], "y": ["a"]})
    >>> concat([one, two])[0].to_pylist()
    [{'x': 1.0, 'y': None}, {'x': 2.5, 'y': 'a'}]
    """
    if len(tables) == 1:
        return tables[0], []
    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    notes: list[str] = []
    kinds: dict[str, pa.DataType] = {}
    for name in names:
        types = [table.schema.field(name).type for table in tables if name in table.column_names]
        kind = _common(types)
        if kind is None:
            both = " and ".join(sorted({str(t) for t in types}))
            notes.append(f"column {name!r} is kept as text, because it is {both}")
        kinds[name] = pa.large_string() if kind is None else kind
    parts = [pa.table({name: _as(table, name, kinds[name]) for name in names}) for table in tables]
    return pa.concat_tables(parts), notes


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as text: text as it is, whole and decimal numbers as written, anything else as JSON."""
    kind = column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if text or pa.types.is_integer(kind) or pa.types.is_null(kind):
        return column.cast(pa.large_string())
    if pa.types.is_dictionary(kind):
        return as_text(column.cast(kind.value_type))
    cells = [v if v is None or isinstance(v, str) else cell_json(v) for v in column.to_pylist()]
    return pa.chunked_array([pa.array(cells, pa.large_string())])


def _as(table: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray:
    if name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, kind)])
    column = table[name]
    if column.type == kind:
        return column
    return as_text(column) if pa.types.is_large_string(kind) else pc.cast(column, kind)


def _common(types: Sequence[pa.DataType]) -> pa.DataType | None:
    """Return one type for all, or None when that is text for want of a better one."""
    known = {pa.large_string() if pa.types.is_string(t) else t for t in types if not pa.types.is_null(t)}
    if len(known) <= 1:
        return next(iter(known), pa.large_string())
    if all(pa.types.is_integer(t) for t in known):
        return pa.int64()
    if all(pa.types.is_integer(t) or pa.types.is_floating(t) for t in known):
        return pa.float64()
    return None
