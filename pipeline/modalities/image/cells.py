"""The bytes of the pictures in a content table, and what runs over them on every core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.cpu import physical_cores
from pipeline.hashing import IMAGE

T = TypeVar("T")
_PART = 64  # pictures that a thread takes at once


def column(content: pa.Table) -> pa.Array:
    """Return the one image column. Raises `ValueError` where there is none or more than one."""
    if content.num_columns != 1:
        raise ValueError(f"an image dataset has one image column, not {content.column_names}; name one")
    chunks = content.column(0).chunks
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks) if chunks else pa.nulls(0)


def encoded(content: pa.Table) -> pa.Array:
    """Return the encoded files, null where there is none, without copying them."""
    cells = column(content)
    return pc.struct_field(cells, "bytes") if cells.type == IMAGE else pa.nulls(len(cells), pa.large_binary())


def bodies(content: pa.Table) -> list[bytes]:
    """Return the encoded file of each row, b"" where there is none."""
    return [body or b"" for body in encoded(content).to_pylist()]


def digests(content: pa.Table) -> list[str]:
    """Return the SHA-256 of each row's file, "" where there is none."""
    cells = column(content)
    if cells.type != IMAGE:
        return [""] * len(cells)
    return [digest or "" for digest in pc.struct_field(cells, "sha256").to_pylist()]


def in_threads(function: Callable[[Any], T], items: Sequence[Any], what: str | None = None) -> list[T]:
    """Apply a function that spends its time in C without the interpreter's lock, in order."""
    from pipeline.progress import advance

    parts = [items[start : start + _PART] for start in range(0, len(items), _PART)]
    out: list[T] = []
    with ThreadPoolExecutor(physical_cores()) as pool:
        for part in pool.map(lambda part: [function(item) for item in part], parts):
            out += part
            if what:
                advance(what, len(out), len(items))
    return out
