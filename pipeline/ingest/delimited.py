"""CSV and TSV: every cell stays the text it was; unreadable rows are quarantined, their neighbours kept."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pyarrow as pa

from pipeline.ingest.decode import BROKEN, not_utf8, read_text
from pipeline.ingest.source import (
    RAW_CHARS,
    ROW_CHARS,
    File,
    InputError,
    Raw,
    Rejected,
    check_width,
    too_long,
)

ROWS = 50_000  # rows held as Python strings at once
LINES = re.compile(r"[^\r\n]+(?:\r\n|\r|\n)?|\r\n|\r|\n")  # ends at \n, \r\n and \r only, and keeps them
NO_ROW = '"x"x\n'  # stands for a line that is too long: it ends any open quote and is no row itself
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
    text, notes = read_text(file)
    lines = LINES.findall(text)
    del text
    delimiter, guesses = _delimiter(file, lines)
    rows = _Lines(lines)
    raw = _read(file, rows, delimiter, csv.QUOTE_MINIMAL)
    if delimiter == "\t" and any("quot" in r.reason for r in raw.rejected):
        plain = _read(file, rows, delimiter, csv.QUOTE_NONE)
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


class _Lines:
    """A file's lines, those that are too long set aside, since no CSV reader must ever see them."""

    def __init__(self, lines: list[str]) -> None:
        long = [k for k, line in enumerate(lines) if len(line) > ROW_CHARS]
        self.reasons = {k: too_long(len(lines[k])) for k in long}
        self.begins = {k: lines[k][:RAW_CHARS] for k in long}
        for k in long:
            lines[k] = NO_ROW
        self.lines = lines
        self.broken = any(not line.isascii() and BROKEN.search(line) for line in lines)

    def raw(self, start: int, end: int) -> str:
        """Return the beginning of a row as it stands in the file."""
        some = self.lines[start : min(end, start + 9)]
        text = self.begins.get(start) or "".join(line[:RAW_CHARS] for line in some)
        return text[:RAW_CHARS].rstrip("\r\n")

    def wrong(self, start: int, cells: list[str]) -> str:
        """Return why a row that a CSV reader accepts is none, "" where it is one."""
        if start in self.reasons:
            return self.reasons[start]
        bad = BROKEN.search("\0".join(cells)) if self.broken else None
        return not_utf8(bad[0]) if bad else ""


def _read(file: File, lines: _Lines, delimiter: str, quoting: Quoting) -> Raw:
    limit = csv.field_size_limit(ROW_CHARS)
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


def _records(text: _Lines, delimiter: str, quoting: Quoting) -> Iterator[Record]:
    """Yield the header, then every record that is not an empty line."""
    lines = text.lines
    start, width, suspect_to = 0, 0, 0  # suspect_to: how far a broken quote was looked for
    reader, base = _reader(lines, 0, delimiter, quoting), 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            suspect_to = max(suspect_to, base + reader.line_num)
            reason = text.reasons.get(start, f"broken quoting: {error}")
            yield start + 1, [], reason, text.raw(start, start + 1)
            start += 1
            reader, base = _reader(lines, start, delimiter, quoting), start
            continue
        end = base + reader.line_num
        if cells:
            reason = text.wrong(start, cells)
            if not reason and width and len(cells) != width:
                reason = f"{len(cells)} cells where the header has {width}"
            elif not reason and start < suspect_to and sum(line.count('"') for line in lines[start:end]) % 2:
                reason = "unpaired quote near a row of broken quoting"
            yield start + 1, cells, reason, text.raw(start, end) if reason else ""
            width = width or len(cells)
        start = end


def _reader(lines: Sequence[str], start: int, delimiter: str, quoting: Quoting) -> Any:
    rest = (lines[i] for i in range(start, len(lines)))
    return csv.reader(rest, delimiter=delimiter, quoting=quoting, strict=True)


def _header(file: File, cells: list[str]) -> tuple[list[str], list[str]]:
    check_width(len(cells), f"{file.name}:1")
    if not any(cell.strip() for cell in cells):
        raise InputError(f"{file.name}:1: no header: the first line is blank (it must name the columns)")
    names: dict[str, None] = {}
    guesses = []
    for k, cell in enumerate(cells, 1):
        name = cell.strip() or f"column_{k}"
        if not cell.strip():
            guesses.append(f"{file.name}: column {k} has no name and is called {name!r}")
        if name in names:
            raise InputError(f"{file.name}:1: two columns are called {name!r} (rename one)")
        names[name] = None
    return list(names), guesses


def _table(names: list[str], rows: list[list[str]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table([pa.array(column, pa.large_string()) for column in columns], names=names)
