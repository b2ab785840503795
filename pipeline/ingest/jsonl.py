"""JSONL: one JSON object a line. A line that is none is quarantined; types are JSON's own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from pipeline.ingest.decode import BROKEN, not_utf8, read_text
from pipeline.ingest.source import RAW_CHARS, ROW_CHARS, File, Raw, Rejected, check_width, too_long

EXACT = 2**53  # integers up to here are exact as float64
DEPTH = 100  # levels of nesting; deeper ones are nobody's data and more than Parquet and JSON writers take
DEPTH_OF_TYPE = 20  # columns nested deeper stay JSON text
KEYS = 1000  # objects with more different keys than this in one column stay JSON text


def read_jsonl(file: File) -> Raw:
    """Read a JSONL file: text stays text, numbers stay numbers, an absent key is a missing cell.

    A column that mixes text with other types becomes text, the others written as JSON, and it is said.
    """
    text, notes = read_text(file)
    rows: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    names: dict[str, None] = {}
    for number, line in enumerate(text.split("\n" if "\n" in text else "\r"), 1):
        if not line or line.isspace():
            continue
        row = _row(line.removeprefix("\ufeff"))  # files that were put together keep their marks
        if isinstance(row, str):
            rejected.append(Rejected(file.name, number, row, line[:RAW_CHARS].rstrip("\r")))
        else:
            rows.append(row)
            names.update(dict.fromkeys(row))
            check_width(len(names), f"{file.name}:{number}")
    return Raw(json_table(rows, names, file, notes), rejected, [], notes)


def json_table(rows: list[dict[str, Any]], names: Iterable[str], file: File, notes: list[str]) -> pa.Table:
    """Return objects as a table with these columns; notes say which only fit together as text."""
    columns = {}
    for name in names:
        columns[name], mixed = json_column([row.get(name) for row in rows])
        if mixed:
            notes.append(f"{file.name}: column {name!r} is kept as text, because it holds {mixed}")
    return pa.table(columns)


def json_column(values: list[Any]) -> tuple[pa.Array, str]:
    """Return values as one Arrow column, and, where they only fit together as text, why.

    >>> json_column([1, None, 2.5])[0].type, json_column(["a", 1])[1]
    (DataType(double), 'int and str')
    """
    kinds = {type(v) for v in values if v is not None}
    numbers = [v for v in values if type(v) is int] if int in kinds else []
    if kinds <= {str}:
        return pa.array(values, pa.large_string()), ""
    if kinds == {bool}:
        return pa.array(values, pa.bool_()), ""
    if kinds == {int} and all(-(2**63) <= v < 2**63 for v in numbers):
        return pa.array(values, pa.int64()), ""
    if kinds <= {int, float} and float in kinds and all(-EXACT <= v <= EXACT for v in numbers):
        return pa.array(values, pa.float64()), ""
    why = " and ".join(sorted(k.__name__ for k in kinds))
    if kinds == {list} or (kinds == {dict} and len({k for v in values if v for k in v}) <= KEYS):
        try:
            if str((array := pa.array(values)).type).count("<") <= DEPTH_OF_TYPE:
                return array, ""
            why = f"{why}s nested deeply"
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            why = f"{why}s of different types"
    elif kinds == {int}:
        why = "integers beyond 64 bits"
    texts = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
    return pa.array(texts, pa.large_string()), why


def _row(line: str) -> dict[str, Any] | str:
    """Return the object, or why there is none."""
    if len(line) > ROW_CHARS:
        return too_long(len(line))
    if bad := None if line.isascii() else BROKEN.search(line):
        return not_utf8(bad[0])
    try:
        row = DECODER.decode(line)
        if line.count("[") + line.count("{") > DEPTH and depth(row) > DEPTH:
            return "nested too deeply"
        if "\\u" in line:  # escapes can spell half a surrogate pair, which no text can hold
            json.dumps(row, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at character {error.pos + 1}"
    except _Twice as error:
        return f"key {str(error)[:80]!r} stands twice"
    except UnicodeEncodeError:
        return "half a surrogate pair, which is no character"
    except RecursionError:
        return "nested too deeply"
    except ValueError as error:
        return f"not JSON: {error}"
    return row if isinstance(row, dict) else f"not a JSON object but {kind_of(row)}"


class _Twice(ValueError):
    """An object names a key twice; which of the two was meant nobody knows."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(next(key for key in keys if keys.count(key) > 1))
    return row


DECODER = json.JSONDecoder(object_pairs_hook=_object)


def depth(value: Any) -> int:
    """Return how many levels a value has, without recursion."""
    level, depth = [value], 0
    while level := [v for v in level if isinstance(v, dict | list)]:
        level = [v for parent in level for v in (parent.values() if isinstance(parent, dict) else parent)]
        depth += 1
    return depth


def kind_of(value: Any) -> str:
    """Return what a JSON value is, in words."""
    names = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
