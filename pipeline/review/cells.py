"""Cells of a CSV for spreadsheets: nothing in them is a formula, and every text comes back as it was."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.ingest import InputError

# What makes a spreadsheet read a cell as a formula (OWASP, CSV injection), full-width forms included, and the
# prefix itself, so that taking it off again is exact.
_TRIGGERS = frozenset("=+-@\t\r\n'＝＋－＠")


def escaped(text: str) -> str:
    """Return the text with `'` before it where a spreadsheet would read it as a formula.

    >>> escaped("=1+1"), escaped("plain"), escaped("'quoted'")
    ("'=1+1", 'plain', "''quoted'")
    """
    return f"'{text}" if text[:1] in _TRIGGERS and text else text


def unescaped(cell: str) -> str:
    """Return the text that `escaped` was given; a cell that a person typed stays as it is.

    >>> unescaped("'=1+1"), unescaped("'tis"), unescaped("-5")
    ('=1+1', "'tis", '-5')
    """
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _TRIGGERS and len(cell) > 1 else cell


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Return a CSV, every cell quoted and escaped."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([escaped(row.get(name, "")) for name in columns])
    return out.getvalue()


def read_csv(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return (line, cells by lower-case column name) of a CSV, split at comma, semicolon or tab.

    Raises `InputError` naming the file, and the line or byte.
    """
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {error.start} is not UTF-8 (in the spreadsheet, save as CSV UTF-8)"
        ) from None
    header = text[: len(text) if (end := text.find("\n")) < 0 else end]
    delimiter = max(",;\t", key=header.count)
    limit = csv.field_size_limit(sys.maxsize)  # the module's own limit is 128 KiB a cell
    try:
        return list(_rows(path, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)))
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV: {error} (save it again as CSV UTF-8)") from None
    finally:
        csv.field_size_limit(limit)


def _rows(path: Path, reader: Any) -> Iterable[tuple[int, dict[str, str]]]:
    names = [name.strip().lower() for name in next(reader, [])]
    line = reader.line_num + 1
    for cells in reader:
        if cells:
            if len(cells) > len(names):
                raise InputError(f"{path}:{line}: {len(cells)} cells, but the header names {len(names)}")
            yield line, {n: unescaped(c) for n, c in zip(names, cells, strict=False)}
        line = reader.line_num + 1
