"""The report: one offline HTML page and its JSON twin, from one record.

`record.dataset_record` turns data and findings into the record's part about the data; the caller adds rounds
and evaluation; `write` makes the files. The page loads nothing and shows hostile text as text; its one script
is our own, allowed by its hash.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.report.record import dataset_record

__all__ = ["SCHEMA_VERSION", "dataset_record", "write", "write_as"]
SCHEMA_VERSION = 1


def write(record: Mapping[str, Any], folder: Path | str, redact: bool = False) -> Path:
    """Write `report.html` and `report.json` into the folder and return the page's path; see `write_as`."""
    return write_as(record, Path(folder) / "report.html", redact)


def write_as(record: Mapping[str, Any], path: Path, redact: bool = False) -> Path:
    """Write the page, and its JSON twin beside it under the same name, and return the page's path.

    Each file is complete or absent: written beside its name, then renamed. The page is at most 5 MB;
    examples are trimmed until it fits, and it says so. The JSON holds the whole record, numbers that are not
    finite as null. In texts that quote rows, e-mail addresses, phone numbers and keys are masked; with
    `redact` no cell's text or value is in either file.

    Raises `ValueError` when the record has no title or steps, or when the page cannot be made to fit.
    """
    from pipeline.report.page import render
    from pipeline.report.privacy import masked, redacted

    if missing := [k for k in ("title", "steps") if record.get(k) is None]:
        raise ValueError(f"the record has no {missing[0]!r}")
    plain = masked({**jsonable(record), "schema_version": SCHEMA_VERSION})
    if redact:
        plain = redacted(plain)
    twin = path.with_suffix(".json")
    text = json.dumps(plain, sort_keys=True, allow_nan=False, separators=(",", ":"))
    page = render(plain, twin=twin.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(twin, text + "\n")
    return _replace(path, page)


def jsonable(value: Any) -> Any:
    """Return the value as JSON can hold it: text keys, lists, and null for NaN and infinities.

    >>> jsonable({1: (float("nan"), {2})})
    {'1': [None, [2]]}
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return (value if math.isfinite(value) else None) if isinstance(value, float) else int(value)
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((jsonable(v) for v in value), key=str)
    if isinstance(value, list | tuple):
        if all(type(v) is int for v in value):  # a row of a big matrix
            return list(value)
        return [jsonable(v) for v in value]
    if hasattr(value, "tolist"):  # numpy's arrays and scalars
        return jsonable(value.tolist())
    return str(value)


def _replace(path: Path, text: str) -> Path:
    """Write a text file in one step: nobody ever sees half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path
