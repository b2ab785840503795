"""Bytes to text: as the user says, by the byte order mark, as UTF-8, or by their look, and it is said."""

from __future__ import annotations

import codecs
import re

from pipeline.ingest.looks import foreign, looks_western, utf16
from pipeline.ingest.source import File, InputError, read_bytes

# UTF-32 first: its little-endian mark begins with that of UTF-16.
MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
BROKEN = re.compile("[\ud800-\udfff]")  # how a byte without a meaning stands in a decoded text


def read_text(file: File) -> tuple[str, list[str]]:
    """Return a file's text and notes on how it was decoded. Raises `InputError`."""
    raw = read_bytes(file)
    if what := foreign(raw):
        raise InputError(f"{file.name}: this is {what[0]}, not text ({what[1]})")
    return decode(raw, file.name, file.encoding)


def not_utf8(lone: str) -> str:
    """Return why a row that holds a byte without a meaning was not read.

    >>> not_utf8(chr(0xDCFF))
    'byte 0xFF is no text in the encoding of the file'
    """
    return f"byte 0x{ord(lone) & 0xFF:02X} is no text in the encoding of the file"


def decode(raw: bytes, name: str, encoding: str | None = None) -> tuple[str, list[str]]:
    r"""Return the text of a file and notes on how it was decoded.

    encoding : what the user says it is; nothing else is tried then.

    Without a byte order mark a file is UTF-8, or UTF-16 if every other byte of it is zero. Where only some
    lines are no UTF-8 and look like Western European text, these are read as cp1252, each on its own. A byte
    that means nothing becomes a lone surrogate (U+DC80 to U+DCFF); by it readers know the row it is in.

    >>> decode("caf\u00e9".encode("cp1252"), "menu.txt")
    ('café', ['menu.txt: 1 line is not UTF-8 and was read as cp1252, the first is line 1'])
    >>> decode("\u732b".encode("gb18030"), "menu.txt", "gb18030")
    ('猫', [])

    Raises
    ------
    InputError : the file is not what its byte order mark or the user says, or its encoding cannot be told.
    """
    if encoding:
        return _strictly(raw, encoding, name, "as was asked for", "name another encoding"), []
    mark = next((kind for bom, kind in MARKS if raw.startswith(bom)), None)
    if mark in ("utf-16", "utf-32"):
        return _strictly(raw, mark, name, "though its first bytes say so", "save it as UTF-8"), []
    if kind := None if mark else utf16(raw):
        text = _strictly(raw, kind, name, "though every other byte is zero", "save it as UTF-8")
        return text, [f"{name}: read as {kind.upper()}, since every other byte is zero"]
    try:
        return raw.decode(mark or "utf-8"), []
    except UnicodeDecodeError:
        return _by_line(raw.removeprefix(codecs.BOM_UTF8), name)


def _strictly(raw: bytes, encoding: str, name: str, why: str, what_to_do: str) -> str:
    try:
        return raw.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw[: error.start].decode(encoding, "replace").count("\n") + 1
        what = f"not {encoding.upper()} at byte {error.start}, {why}"
        raise InputError(f"{name}:{line}: {what} ({what_to_do})") from error


def _by_line(raw: bytes, name: str) -> tuple[str, list[str]]:
    lines = raw.split(b"\n")
    text = [line.decode("utf-8", "surrogateescape") for line in lines]
    bad = [k for k, line in enumerate(text) if not line.isascii() and BROKEN.search(line)]
    if looks_western(b"\n".join(lines[k] for k in bad)):
        for k in bad:
            text[k] = lines[k].decode("cp1252", "surrogateescape")
        one = len(bad) == 1
        what = "1 line is not UTF-8 and was" if one else f"{len(bad):,} lines are not UTF-8 and were"
        return "\n".join(text), [f"{name}: {what} read as cp1252, the first is line {bad[0] + 1}"]
    whole = len(lines) - len(bad)  # lines of UTF-8, those of ASCII included
    if len(bad) <= 1 < whole or len(bad) < 0.1 * whole:
        return "\n".join(text), []
    start = sum(len(line) + 1 for line in lines[: bad[0]])
    start += len(text[bad[0]][: BROKEN.search(text[bad[0]]).start()].encode())  # type: ignore[union-attr]
    raise InputError(
        f"{name}:{bad[0] + 1}: byte {start} is not UTF-8, and {len(bad):,} of {len(lines):,} lines are not "
        "Western European text either (name the encoding, such as --encoding gb18030, shift_jis or cp1251)"
    )
