"""What each column of a table was read as, and why: a sentence for each kind of column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.numbers import DECIMAL, only_bare_powers

_NUMERIC = r"^\s*[-+]?[0-9]"
_DATE = r"^[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([ T].*)?$"
_PLACEHOLDERS = ("?", "-", "N/A", "n/a", "NA", "NaN", "nan", "null", "NULL", "None", "none")
_NAMED = 4  # columns of one reading that a sentence names


def column_lines(
    before: pa.Table, after: pa.Table, content: Sequence[str], renamed: Mapping[str, str] | None = None
) -> list[str]:
    """Return what the content columns were read as and why; equal readings share a sentence.

    before : as the file had them. after : as the dataset has them, some perhaps under another name.

    >>> rows = pa.table({"a": ["1", ""], "b": ["007", "8"], "c": ["x", "?"]})
    >>> column_lines(rows, pa.table({"a": [1, None], "b": ["007", "8"], "c": ["x", "?"]}), ["a", "b", "c"])
    ["column 'a': whole numbers, as every filled cell is one; 1 is empty", \
"column 'b': text, as '007' has leading zeros", "column 'c': text; 1 cell is '?'"]
    """
    columns: dict[str, list[str]] = {}
    for name in content:
        now = (renamed or {}).get(name, name)
        if name in before.column_names and now in after.column_names:
            columns.setdefault(_reading(before[name], after[now]), []).append(now)
    out = []
    for reading, names in columns.items():
        shown = ", ".join(repr(name) for name in names[:_NAMED])
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        out.append(f"column{'s' if len(names) > 1 else ''} {shown}{more}: {reading}")
    return out


def _reading(before: pa.ChunkedArray, after: pa.ChunkedArray) -> str:
    was_text = _is_text(before.type)
    if not _is_text(after.type):
        kind = "whole numbers" if pa.types.is_integer(after.type) else "numbers"
        if pa.types.is_boolean(after.type):
            kind = "true and false"
        if not was_text:
            return f"{kind}, as the file says"
        empty = f"; {after.null_count:,} {'is' if after.null_count == 1 else 'are'} empty"
        return f"{kind}, as every filled cell is one{empty if after.null_count else ''}"
    return f"text{_why_text(after)}{_placeholders(after)}"


def _why_text(column: pa.ChunkedArray) -> str:
    """Say what keeps a column text that looks like numbers or dates."""
    filled = pc.drop_null(column).filter(pc.not_equal(pc.drop_null(column), ""))
    if not len(filled):
        return ", as every cell is empty"
    looks = pc.sum(pc.match_substring_regex(filled, _NUMERIC)).as_py() or 0
    if 2 * looks < len(filled):
        return ""
    if pc.all(pc.match_substring_regex(filled, _DATE)).as_py():
        return f": dates such as {filled[0].as_py()!r} stay as they are"
    others = filled.filter(pc.invert(pc.match_substring_regex(filled, DECIMAL)))
    if not len(others):
        return ", as cells such as 1e5 may be codes" if only_bare_powers(filled) else ""
    first = str(others[0].as_py())
    if re.fullmatch(r"-?0[0-9]+", first):
        return f", as {first!r} has leading zeros"
    verb = "is no plain number" if len(others) == 1 else "are no plain numbers"
    return f", as {len(others):,} of {len(filled):,} cells {verb}, first {first!r}"


def _placeholders(column: pa.ChunkedArray) -> str:
    """Count the cells that may mean missing."""
    counts = pc.value_counts(pc.utf8_trim_whitespace(pc.drop_null(column)))
    found = {c["values"].as_py(): c["counts"].as_py() for c in counts}
    there = [(found[p], p) for p in _PLACEHOLDERS if p in found]
    told = [f"{n:,} {'cell is' if n == 1 else 'cells are'} {p!r}" for n, p in there]
    if n := found.get("", 0):
        told.append(f"{n:,} {'is' if n == 1 else 'are'} empty")
    return f"; {', '.join(told)}" if told else ""


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
