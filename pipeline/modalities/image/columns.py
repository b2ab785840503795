"""Which column holds the pictures."""

from __future__ import annotations

import pyarrow as pa

from pipeline.dataset import OWN_COLUMNS
from pipeline.hashing import IMAGE

NAMES = ("image", "img", "picture", "photo")
SAMPLE = 20  # cells that are looked at
# How the files of each kind begin: (place, bytes).
MAGIC = {
    "JPEG": ((0, b"\xff\xd8\xff"),), "PNG": ((0, b"\x89PNG\r\n\x1a\n"),),
    "GIF": ((0, b"GIF87a"),), "GIF ": ((0, b"GIF89a"),), "BMP": ((0, b"BM"), (6, b"\0\0\0\0")),
    "WebP": ((0, b"RIFF"), (8, b"WEBP")), "TIFF": ((0, b"II*\0"),), "TIFF ": ((0, b"MM\0*"),),
}  # fmt: skip
KINDS = tuple(dict.fromkeys(name.strip() for name in MAGIC))
ENDINGS = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "BMP": "bmp", "WebP": "webp", "TIFF": "tif"}


def image_columns(table: pa.Table, taken: set[str]) -> tuple[str, ...]:
    r"""Return the first free column of image cells, structs with bytes, or bytes that begin as images do.

    One that is called image, or the like, comes before others.

    >>> image_columns(pa.table({"raw": [b"\xff\xd8\xff\xe0 ..."], "key": [b"123"]}), set())
    ('raw',)
    """
    free = [c for c in table.column_names if c not in taken and c not in OWN_COLUMNS]
    free.sort(key=lambda name: name.lower() not in NAMES)
    return next(((name,) for name in free if holds_pictures(table[name])), ())


def holds_pictures(column: pa.ChunkedArray) -> bool:
    """Return whether a column is one of image cells, of Hugging Face's {bytes, path}, or of image files."""
    kind = column.type
    if kind == IMAGE:
        return True
    if pa.types.is_struct(kind):
        names = {kind.field(k).name: kind.field(k).type for k in range(kind.num_fields)}
        return set(names) in ({"bytes", "path"}, {"bytes"}, {"sha256", "bytes"}) and _is_bytes(names["bytes"])
    if not _is_bytes(kind):
        return False
    sample = [body for body in column.slice(0, SAMPLE).to_pylist() if body]
    return 2 * sum(kind_of(body) is not None for body in sample) > len(sample) > 0


def kind_of(body: bytes) -> str | None:
    r"""Return what kind of image a file is by its first bytes, None for anything else.

    >>> kind_of(b"GIF89a..."), kind_of(b"%PDF-1.7")
    ('GIF', None)
    """
    for name, marks in MAGIC.items():
        if all(body[place : place + len(mark)] == mark for place, mark in marks):
            return name.strip()
    return None


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
