"""CSV and TSV: every cell stays the text it was; unreadable rows are quarantined, their neighbours kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pyarrow as pa

from pipeline.ingest.decode import decode
from pipeline.ingest.source import File, InputError, Raw, Rejected, read_bytes

ROWS = 50_000  # rows held as Python strings at once
CELL_CHARS = 2**31 - 1
Quoting = Literal[0, 3]  # csv.QUOTE_MINIMAL, csv.QUOTE_NONE
Record = tuple[int, list[str], str, str]  # first line, cells, reason when unreadable, raw text then


def read_delimited(file: File) -> Raw:
    """Read a CSV or TSV file; all columns are text, nothing is taken for missing.

    A row with another number of cells than the header, or with broken quoting, is quarantined with its line
    number. After broken quoting reading goes on with the next line, so an unclosed quote costs one row, not
    the rest of the file. Cost: about 5 s a million short rows; the text is in memory once.

    Raises
    ------
    InputError : no header, or two columns of one name.
    """
    text, notes = decode(read_bytes(file), file.name)
    lines = list(io.StringIO(text, newline=""))  # split at \n, \r\n and \r only
    del text
    delimiter, guesses = _delimiter(file, lines)
    raw = _read(file, lines, delimiter, csv.QUOTE_MINIMAL)
    if delimiter == "\t" and any("quot" in r.reason for r in raw.rejected):
        plain = _read(file, lines, delimiter, csv.QUOTE_NONE)
        if not plain.rejected:
            raw = plain
            notes.append(f"{file.name}: quotes are part of the text, since no line can be read otherwise")
    return Raw(raw.table, raw.rejected, [*guesses, *raw.guesses], [*notes, *raw.notes])


def _delimiter(file: File, lines: Sequence[str]) -> tuple[str, list[str]]:
    if file.path.suffix.lower() in (".tsv", ".tab"):
        return "\t", []
    first = lines[0] if lines else ""
    if "," not in first:
        for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if mark in first:
                return mark, [f"{file.name}: cells are separated by {word}"]
    return ",", []


def _read(file: File, lines: Sequence[str], delimiter: str, quoting: Quoting) -> Raw:
    limit = csv.field_size_limit(CELL_CHARS)
    try:
        return _collect(file, _records(lines, delimiter, quoting))
    finally:
        csv.field_size_limit(limit)


def _collect(file: File, records: Iterator[Record]) -> Raw:
    line, cells, reason, _ = next(records, (1, [], "the file is empty", ""))
    if reason:
        raise InputError(f"{file.name}:{line}: no header: {reason} (the first line must name the columns)")
    names, guesses = _header(file, cells)
    rows: list[list[str]] = []
    tables: list[pa.Table] = []
    rejected: list[Rejected] = []
    for line, cells, reason, raw in records:
        if not reason:
            rows.append(cells)
        else:
            rejected.append(Rejected(file.name, line, reason, raw))
        if len(rows) == ROWS:
            tables.append(_table(names, rows))
            rows = []
    return Raw(pa.concat_tables([*tables, _table(names, rows)]), rejected, guesses)


def _records(lines: Sequence[str], delimiter: str, quoting: Quoting) -> Iterator[Record]:
    """Yield the header, then every record that is not an empty line."""
    start, width, suspect_to = 0, 0, 0  # suspect_to: how far a broken quote was looked for
    reader, base = _reader(lines, 0, delimiter, quoting), 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            suspect_to = max(suspect_to, base + reader.line_num)
            yield start + 1, [], f"broken quoting: {error}", lines[start].rstrip("\r\n")
            start += 1
            reader, base = _reader(lines, start, delimiter, quoting), start
            continue
        end = base + reader.line_num
        if cells:
            reason, raw = "", ""
            if width and len(cells) != width:
                reason = f"{len(cells)} cells where the header has {width}"
            elif start < suspect_to and sum(line.count('"') for line in lines[start:end]) % 2:
                reason = "unpaired quote near a row of broken quoting"
            if reason:
                raw = "".join(lines[start:end]).rstrip("\r\n")
            yield start + 1, cells, reason, raw
            width = width or len(cells)
        start = end


def _reader(lines: Sequence[str], start: int, delimiter: str, quoting: Quoting) -> Any:
    rest = (lines[i] for i in range(start, len(lines)))
    return csv.reader(rest, delimiter=delimiter, quoting=quoting, strict=True)


def _header(file: File, cells: list[str]) -> tuple[list[str], list[str]]:
    names, guesses = [], []
    for k, cell in enumerate(cells, 1):
        name = cell.strip() or f"column_{k}"
        if not cell.strip():
            guesses.append(f"{file.name}: column {k} has no name and is called {name!r}")
        if name in names:
            raise InputError(f"{file.name}:1: two columns are called {name!r} (rename one)")
        names.append(name)
    return names, guesses


def _table(names: list[str], rows: list[list[str]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table([pa.array(column, pa.large_string()) for column in columns], names=names)
