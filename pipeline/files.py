"""Files as the store keeps them: Parquet with page checksums, sizes and digests; what a full disk says."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SETTLED_NS = 1_000_000_000  # a change so soon after the last one may leave a file's times as they were
_seen: dict[str, tuple[object, ...]] = {}  # what this process has hashed: path -> state and digest


class Corrupt(Exception):
    """A stored file is not what its manifest says."""


class DiskFull(OSError):
    """Disk, quota or a limit on file sizes leaves no room; names the path and the bytes that are free."""


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table with page checksums; the same table gives the same bytes, computed or read back."""
    alike = pa.schema([f.with_type(_named_alike(f.type)) for f in table.schema], table.schema.metadata)
    table = table.cast(alike).combine_chunks()
    try:
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)
    except OSError as error:
        raise full_disk(error, path, table.nbytes) from None


def _named_alike(kind: pa.DataType) -> pa.DataType:
    """Return the type with the items of its lists named as Parquet names them when it gives them back."""
    if pa.types.is_large_list(kind):
        return pa.large_list(pa.field("element", _named_alike(kind.value_type)))
    if pa.types.is_list(kind):
        return pa.list_(pa.field("element", _named_alike(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([f.with_type(_named_alike(f.type)) for f in kind])
    return kind


def read_parquet(path: Path) -> pa.Table:
    """Read a table, verifying page checksums. Raises `Corrupt`."""
    try:
        return pq.read_table(path, page_checksum_verification=True, memory_map=False, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise Corrupt(f"{path}: {error}") from None


def size_and_digest(path: Path) -> dict[str, Any]:
    """Return a file's size and SHA-256, as manifests hold them. Raises `Corrupt` when it is missing."""
    try:
        with path.open("rb") as file:
            return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    except FileNotFoundError:
        raise Corrupt(f"{path}: missing; its manifest names it") from None


def verify(path: Path, known: dict[str, Any], afresh: bool = False) -> bool:
    """Return whether a file is the one that its manifest describes.

    A file that this process has hashed before is not hashed again while its inode, size and times stay as
    they were; `afresh` hashes it all the same. Raises `Corrupt` when it is missing.
    """
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise Corrupt(f"{path}: missing; its manifest names it") from None
    state = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, known["sha256"])
    name = os.path.abspath(path)
    if not afresh and _seen.get(name) == state:
        return stat.st_size == known["bytes"]
    same = size_and_digest(path) == known
    if same and time.time_ns() - stat.st_ctime_ns > SETTLED_NS:
        _seen[name] = state
    return same


def full_disk(error: OSError, path: Path, needed_bytes: int | None = None) -> OSError:
    """Return the error, as `DiskFull` with the bytes needed and free where it means that there is no room."""
    if isinstance(error, DiskFull) or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return error
    near = next((p for p in path.parents if p.exists()), Path("."))
    free = f"{shutil.disk_usage(near).free:,} bytes are free"
    needed = "" if needed_bytes is None else f"up to {needed_bytes:,} bytes to write, "
    return DiskFull(error.errno, f"{os.strerror(error.errno)}: {needed}{free}", str(path))
