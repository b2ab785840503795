"""JSON: one array of objects, as Alpaca's and ShareGPT's sets come; or objects a line, read as JSONL."""

from __future__ import annotations

import json
from typing import Any

from pipeline.ingest.decode import BROKEN, not_utf8, read_text
from pipeline.ingest.jsonl import DECODER, DEPTH, depth, json_table, kind_of, read_jsonl
from pipeline.ingest.source import (
    RAW_CHARS,
    ROW_CHARS,
    File,
    InputError,
    Raw,
    Rejected,
    check_width,
    too_long,
)  # fmt: skip


def read_json(file: File) -> Raw:
    """Read a JSON file, in memory. What is no object is quarantined, by the number of its place.

    Raises `InputError` when the file is neither an array nor objects a line.
    """
    text, notes = read_text(file)
    start = text.lstrip("\ufeff \t\r\n")[:1]
    if start == "{":
        return _lines_or_refuse(file)
    if start != "[":
        raise InputError(f"{file.name}: no array of objects (write [{{...}}, {{...}}], or one object a line)")
    items = _items(file.name, text.lstrip("\ufeff \t\r\n"))
    rows: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    names: dict[str, None] = {}
    for number, item in enumerate(items, 1):
        if wrong := _wrong(item):
            raw = json.dumps(item, ensure_ascii=True, default=str)[:RAW_CHARS] if depth(item) <= DEPTH else ""
            rejected.append(Rejected(file.name, number, wrong, raw))
            continue
        rows.append(item)
        names.update(dict.fromkeys(item))
        check_width(len(names), f"{file.name}:{number}")
    return Raw(json_table(rows, names, file, notes), rejected, [], notes)


def _lines_or_refuse(file: File) -> Raw:
    """Read a file that begins with an object: one a line, or a mistake."""
    raw = read_jsonl(file)
    if raw.table.num_rows:
        return raw
    raise InputError(
        f"{file.name}: one object, no array of objects (write [{{...}}, {{...}}], or one object a line)")


def _items(name: str, text: str) -> list[Any]:
    try:
        items = DECODER.decode(text.rstrip())
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, character {error.colno}"
        raise InputError(f"{name}: not JSON: {error.msg} at {where} (mend it there)") from error
    except (RecursionError, ValueError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else f"not JSON: {str(error)[:80]!r}"
        raise InputError(f"{name}: {what} (write one object a line as .jsonl)") from error
    return items if isinstance(items, list) else [items]


def _wrong(item: Any) -> str | None:
    """Return why an item is no row, or None."""
    if not isinstance(item, dict):
        return f"not a JSON object but {kind_of(item)}"
    if depth(item) > DEPTH:
        return "nested too deeply"
    text = json.dumps(item, ensure_ascii=False)
    if bad := None if text.isascii() else BROKEN.search(text):
        return not_utf8(bad[0])
    return too_long(len(text)) if len(text) > ROW_CHARS else None
