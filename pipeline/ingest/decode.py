"""Bytes to text: by the byte order mark, else UTF-8, else line by line cp1252, and it is said."""

from __future__ import annotations

import codecs

from pipeline.ingest.source import InputError

# UTF-32 first: its little-endian mark begins with that of UTF-16.
MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decode(raw: bytes, name: str) -> tuple[str, list[str]]:
    r"""Return the text of a file and notes on how it was decoded.

    Without a byte order mark a file is UTF-8. Lines that are not are read as cp1252 (as latin-1 where a byte
    has no meaning there), each on its own, so that one bad line does not spoil a good file.

    >>> decode("caf\u00e9".encode("cp1252"), "menu.txt")
    ('café', ['menu.txt: 1 line is not UTF-8 and was read as cp1252, the first is line 1'])

    Raises
    ------
    InputError : the file says by its byte order mark what it is, and is not.
    """
    mark = next((encoding for bom, encoding in MARKS if raw.startswith(bom)), None)
    if mark in ("utf-16", "utf-32"):
        try:
            return raw.decode(mark), []
        except UnicodeDecodeError as error:
            what = f"not {mark.upper()} at byte {error.start}, though its first bytes say so"
            raise InputError(f"{name}: {what} (save it as UTF-8)") from error
    try:
        return raw.decode(mark or "utf-8"), []
    except UnicodeDecodeError:
        return _by_line(raw.removeprefix(codecs.BOM_UTF8), name)


def _by_line(raw: bytes, name: str) -> tuple[str, list[str]]:
    lines, bad = raw.split(b"\n"), []
    text = []
    for number, line in enumerate(lines, 1):
        try:
            text.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            bad.append(number)
            text.append(_single_byte(line))
    what = "1 line is not UTF-8 and was" if len(bad) == 1 else f"{len(bad):,} lines are not UTF-8 and were"
    return "\n".join(text), [f"{name}: {what} read as cp1252, the first is line {bad[0]}"]


def _single_byte(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")
