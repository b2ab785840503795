"""What bytes look like: another kind of file, UTF-16 without a mark, or Western European text."""

from __future__ import annotations

import codecs
import re

# Beginnings of files that are no text: what it is, and what to do.
_UNPACK = "unpack it first"
MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet", f"{_UNPACK}, or export it as .csv"),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", _UNPACK),
    (b"PAR1", "a Parquet file", "rename it to end in .parquet"),
    (b"ARROW1", "an Arrow file", "save it as .parquet"),
    (b"SQLite format 3\0", "a SQLite database", "export a table as .csv"),
    (b"%PDF-", "a PDF", "extract its text first"),
    (b"\x89PNG", "an image", "give a table of texts"),
    (b"\xff\xd8\xff", "an image", "give a table of texts"),
    (b"GIF8", "an image", "give a table of texts"),
    (b"\xd0\xcf\x11\xe0", "an old Office file", "export it as .csv"),
    (b"\x93NUMPY", "a NumPy array", "save a table as .parquet"),
)
_LOOKED_AT_BYTES = 4096
# Bytes above 0x7f that Western European text in cp1252 is made of: letters, quotes, dashes, signs of money.
_WESTERN = frozenset((*range(0xC0, 0xD7), *range(0xD8, 0xF7), *range(0xF8, 0x100), *b"\x80\x85\x8a\x8c\x8e"
                      b"\x91\x92\x93\x94\x95\x96\x97\x99\x9a\x9c\x9e\x9f\xa0\xa1\xa3\xa7\xa9\xaa\xab\xae"
                      b"\xb0\xb4\xb7\xba\xbb\xbc\xbd\xbe\xbf"))
_HIGH = re.compile(rb"[\x80-\xff]+")
_ENOUGH_FRACTION = 0.8
COMMON = ("utf-8", "utf-16", "gb18030", "gbk", "big5", "shift_jis", "euc_jp", "euc_kr", "latin-1", "koi8-r",
          *(f"cp{n}" for n in range(1250, 1259)))  # what is suggested first
NO_TEXT = ("unicode_escape", "raw_unicode_escape", "undefined", "idna", "punycode", "utf_7")


def foreign(raw: bytes) -> tuple[str, str] | None:
    """Return what a file is that is no text, and what to do, or None.

    >>> foreign(b"PK" + bytes([3, 4]) + b"...")
    ('a ZIP archive or a spreadsheet', 'unpack it first, or export it as .csv')
    """
    for start, what, advice in MAGIC:
        if raw.startswith(start):
            return what, advice
    return ("a tar archive", _UNPACK) if raw[257:262] == b"ustar" else None


def utf16(raw: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark: all but a few bytes at odd, or even, places are zero.

    >>> utf16("text,label".encode("utf-16-be")), utf16(b"text,label")
    ('utf-16-be', None)
    """
    head = raw[:_LOOKED_AT_BYTES]
    even, odd = head[::2], head[1::2]
    if len(head) < 4 or head.count(0) < len(head) // 4:
        return None
    for kind, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros.count(0) > 0.6 * len(zeros) and others.count(0) < 0.1 * len(others):
            return kind
    return None


def looks_western(raw: bytes) -> bool:
    r"""Return whether bytes that are no UTF-8 look like cp1252: single accented letters between plain ones.

    At least four of five high bytes must be letters or punctuation of Western Europe and stand at most two
    in a row; in Chinese, Japanese, Korean, Cyrillic and Greek text most stand in longer runs.

    >>> looks_western("naïve, déjà vu, 5 €".encode("cp1252")), looks_western("погода".encode("cp1251"))
    (True, False)
    """
    runs = _HIGH.findall(raw)
    high = sum(map(len, runs))
    fine = sum(len(run) for run in runs if len(run) <= 2 and _WESTERN.issuperset(run))
    return fine >= _ENOUGH_FRACTION * high


def text_encoding(name: str) -> str:
    """Return an encoding's name as it was given.

    Raises `ValueError` for one that Python does not know, is no text encoding or interprets escapes.

    >>> text_encoding("GB18030")
    'GB18030'
    """
    try:
        codec = codecs.lookup(name).name
        "".encode(name)  # refuses codecs from bytes to bytes
    except (LookupError, ValueError):
        codec = ""
    if not codec or codec.replace("-", "_") in NO_TEXT:
        from encodings.aliases import aliases

        from pipeline.recipe_faults import meant

        near = meant(name.lower(), COMMON) or meant(name.lower(), sorted(aliases))
        instead = near or f"; use one such as {', '.join(COMMON[:8])}"
        raise ValueError(f"{name!r} is no text encoding{instead}")
    return name
