"""Numeric typing of text columns, for tables only, and only where no cell would lose anything by it."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

WHOLE = r"^(0|-?[1-9][0-9]{0,17})$"  # at most 18 digits fit 64 bits; 007 is a code, not a number
BARE_POWER = r"^-?[0-9]+[eE][0-9]+$"  # 1e5 may be a code; beside 2.5 or 1e-05 it is a number
POINTED = r"\.|[eE][+-]"
DECIMAL = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


def typed(
    table: pa.Table, keep: Collection[str] = (), exact: Collection[str] = ()
) -> tuple[pa.Table, list[str]]:
    """Return the table with text columns of numbers as int64 or float64, and their names.

    Every cell must be a number without leading zeros; an empty cell is a missing number if any cell is one.
    Cells like 1e5 are numbers only beside one with a decimal point or a signed power. Columns in `keep` stay
    as they are; those in `exact` become numbers only where each is spelled as it will be (1.10 and 1e5 stay
    text).

    >>> rows = pa.table({"a": ["1", "", "3"], "b": ["007", "1", "2"], "c": ["1e5", "2", "3.5"]})
    >>> typed(rows)[0].to_pydict()
    {'a': [1, None, 3], 'b': ['007', '1', '2'], 'c': [100000.0, 2.0, 3.5]}
    """
    columns, changed = {}, []
    for name in table.column_names:
        columns[name] = table[name]
        kind = table.schema.field(name).type
        if name not in keep and (pa.types.is_large_string(kind) or pa.types.is_string(kind)):
            number = _number(table[name], name in exact)
            if number is not None:
                columns[name] = number
                changed.append(name)
    return (pa.table(columns) if changed else table), changed


def _number(column: pa.ChunkedArray, exact: bool) -> pa.ChunkedArray | None:
    filled = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    if filled.null_count == len(filled):
        return None
    for pattern, kind in ((WHOLE, pa.int64()), (DECIMAL, pa.float64()))[: 1 if exact else 2]:
        if pc.all(pc.match_substring_regex(filled, pattern)).as_py():
            if kind == pa.float64() and only_bare_powers(filled):
                return None
            return pc.cast(filled, kind)
    return None


def only_bare_powers(column: pa.ChunkedArray) -> bool:
    """Whether a column of numbers has cells like 1e5 and none that shows that numbers are meant."""
    powers = pc.any(pc.match_substring_regex(column, BARE_POWER)).as_py()
    return bool(powers) and not pc.any(pc.match_substring_regex(column, POINTED)).as_py()
