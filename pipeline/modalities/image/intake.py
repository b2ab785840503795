"""Intake: files and bytes become image cells, and every picture is decoded once to see that it can be."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.hashing import IMAGE
from pipeline.modalities import Intake
from pipeline.modalities.image.columns import KINDS, kind_of
from pipeline.modalities.image.pillow import FORMATS, MOST_PIXELS, pillow
from pipeline.progress import advance

MOST_SCANS = 100  # of a progressive JPEG; each costs a pass over all pixels, cameras and tools write about 10
_PART = 64  # pictures a thread takes at once
_OTHERS = ((b"%PDF-", "a PDF"), (b"<svg", "an SVG drawing"), (b"<?xml", "XML"), (b"<!DOCTYPE", "a web page"),
           (b"<html", "a web page"), (b"PK\x03\x04", "a ZIP archive"), (b"{", "JSON text"))  # fmt: skip


class Seen(NamedTuple):
    """What decoding a picture told: why it cannot be read, "" when it can; whether it has more frames."""

    fault: str
    frames: bool = False


def intake(table: pa.Table, content: tuple[str, ...]) -> Intake:
    """Turn bytes and Hugging Face's {bytes, path} into image cells and check that each can be decoded.

    A row whose picture is cut short, hostile or no picture at all is unreadable; a missing picture stays a
    missing cell. Where {bytes, path} names files and the table has no column `file_name`, that becomes one.
    Raises `Missing` without pillow. Cost: one decode of each different file, a JPEG at an eighth of its size,
    on every core; see `benchmarks/pictures.json`.
    """
    unreadable: dict[int, str] = {}
    notes: list[str] = []
    for name in content:
        cells, names, bad = _cells(table[name])
        table = _with_names(table, names).set_column(table.column_names.index(name), name, cells)
        seen = _look_at_all(cells)
        digests = pc.struct_field(cells, "sha256").to_pylist()
        bad |= {i: seen[d].fault for i, d in enumerate(digests) if d is not None and seen[d].fault}
        unreadable |= {i: f"column {name!r}: {reason}" for i, reason in bad.items() if i not in unreadable}
        if n := sum(seen[d].frames for d in digests if d is not None):
            what = "picture has" if n == 1 else "pictures have"
            notes.append(f"{name}: {n:,} {what} several frames or pages, of which the first one counts")
    return Intake(table, content, unreadable, tuple(notes))


def look(body: bytes) -> Seen:
    """Decode a picture in the cheapest way that meets every byte of it.

    >>> look(b"no picture").fault
    'no picture: its first bytes are b"no picture" (JPEG, PNG, GIF, BMP, WebP, TIFF are read)'
    """
    kind = kind_of(body)
    if kind is None:
        return Seen(_foreign(body))
    if kind == "JPEG" and (scans := body.count(b"\xff\xda")) > MOST_SCANS:
        return Seen(f"a JPEG of {scans:,} scans; at most {MOST_SCANS} are read")
    Image = pillow()
    try:
        picture = Image.open(io.BytesIO(body), formats=FORMATS)
        width, height = picture.size
        if width * height > MOST_PIXELS:
            return Seen(f"{width:,} x {height:,} px; at most {MOST_PIXELS:,} px are read")
        if width < 1 or height < 1:
            return Seen(f"{width} x {height} px: there is nothing in it")
        if kind == "JPEG":
            picture.draft("L", (max(width // 8, 1), max(height // 8, 1)))
        picture.load()
        return Seen("", kind != "JPEG" and _has_more(picture))
    except Image.DecompressionBombError:
        return Seen(f"more than {MOST_PIXELS:,} px, which is as many as are read")
    except MemoryError:
        return Seen(f"a {kind} file that asks for more memory than there is")
    except Image.UnidentifiedImageError:  # its message tells an address in memory
        return Seen(f"a {kind} file whose header is broken")
    except Exception as error:  # what a decoder raises on hostile bytes is anybody's guess
        told = " ".join(str(error).split())[:160] or type(error).__name__
        return Seen(f"a {kind} file that cannot be decoded: {told}")


def _cells(column: pa.ChunkedArray) -> tuple[pa.Array, pa.Array | None, dict[int, str]]:
    """Return a column as image cells, the files' names where it has some, and what is wrong by position."""
    kind, bad = column.type, {}
    cells = column.combine_chunks()
    cells = cells.chunk(0) if isinstance(cells, pa.ChunkedArray) else cells
    inner = {kind.field(k).name for k in range(kind.num_fields)} if pa.types.is_struct(kind) else set()
    if "bytes" in inner:
        bodies = cells.field("bytes") if not cells.null_count else pc.struct_field(cells, "bytes")
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        bodies = cells
    else:
        reason = f"{kind}, not the bytes of a picture (for files named in a column, use --image-column)"
        return pa.nulls(len(cells), IMAGE), None, dict.fromkeys(range(len(cells)), reason)
    bodies = bodies.cast(pa.large_binary())
    digests = [None if body is None else hashlib.sha256(body).hexdigest() for body in map(_buffer, bodies)]
    names = pc.struct_field(cells, "path") if "path" in inner else None
    if names is not None and bodies.null_count:
        away = zip(range(len(cells)), names.to_pylist(), digests, strict=True)
        bad = {i: f"only the name of a file: {name[:200]!r} (put its bytes into the data)"
               for i, name, digest in away if name and digest is None}  # fmt: skip
    if "sha256" in inner:
        stated = pc.struct_field(cells, "sha256").to_pylist()
        bad |= {i: "the picture is not the one its sha256 is of"
                for i, (one, two) in enumerate(zip(stated, digests, strict=True)) if one != two}  # fmt: skip
    if kind == IMAGE and not bad and not pc.any(pc.and_(cells.is_valid(), bodies.is_null())).as_py():
        return cells, None, bad
    sha256 = pa.array(digests, pa.large_string())
    made = pa.StructArray.from_arrays([sha256, bodies], fields=list(IMAGE), mask=bodies.is_null())
    return made, names, bad


def _with_names(table: pa.Table, names: pa.Array | None) -> pa.Table:
    """Return the table with the files' own names as metadata, if they have some and it has no such column."""
    if names is None or names.null_count == len(names) or {"file_name", "file"} & set(table.column_names):
        return table
    short = [None if name is None else PurePosixPath(name).name for name in names.to_pylist()]
    return table.append_column("file_name", pa.array(short, pa.large_string()))


def _look_at_all(cells: pa.Array) -> dict[str, Seen]:
    """Return what decoding tells of each different picture, by its digest."""
    first = {d: i for i, d in enumerate(pc.struct_field(cells, "sha256").to_pylist()) if d is not None}
    bodies = pc.struct_field(cells, "bytes")
    parts = [list(first.values())[k : k + _PART] for k in range(0, len(first), _PART)]
    pillow()
    seen: list[Seen] = []
    with warnings.catch_warnings(), ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool:
        warnings.simplefilter("ignore")  # pillow warns of what is refused here
        for part in pool.map(lambda part: [look(bodies[i].as_py()) for i in part], parts):
            seen += part
            advance("pictures decoded", len(seen), len(first))
    return dict(zip(first, seen, strict=True))


def _has_more(picture: Any) -> bool:
    """Return whether a file holds a second frame or page, without decoding it or counting the others."""
    try:
        picture.seek(1)
    except EOFError:
        return False
    return True


def _foreign(body: bytes) -> str:
    """Return what a file is that is no picture of a kind that is read."""
    if not body:
        return "no picture: the file is empty"
    if body[4:8] == b"ftyp":
        return f"no picture of a kind that is read, but HEIC or AVIF; save it as one of {', '.join(KINDS)}"
    start = body[:200].lstrip().lower()
    what = next((name for mark, name in _OTHERS if start.startswith(mark.lower())), None)
    what = what or f"its first bytes are {_quoted(body[:12])}"
    return f"no picture: {what} ({', '.join(KINDS)} are read)"


def _quoted(head: bytes) -> str:
    return f'b"{repr(head)[2:-1]}"'


def _buffer(cell: Any) -> Any:
    return cell.as_buffer()
