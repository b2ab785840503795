"""Files as the store keeps them: Parquet with page checksums, sizes and digests, contents forced to disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


class Corrupt(Exception):
    """A stored file is not what its manifest says."""


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table with page checksums; the same table gives the same bytes."""
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def read_parquet(path: Path) -> pa.Table:
    """Read a table, verifying page checksums. Raises `Corrupt`."""
    try:
        return pq.read_table(path, page_checksum_verification=True, memory_map=False, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise Corrupt(f"{path}: {error}") from None


def size_and_digest(path: Path) -> dict[str, Any]:
    """Return a file's size and SHA-256, as manifests hold them. Raises `Corrupt` when it is missing."""
    if not path.exists():
        raise Corrupt(f"{path}: missing; its manifest names it")
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def sync(path: Path) -> None:
    """Force a file's contents, or a folder's entries, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
