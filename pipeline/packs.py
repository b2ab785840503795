"""Packs: files of pictures' bytes in the store, each picture once, found by its SHA-256.

`blobs/<digest>/` holds index.parquet (sha256, file, bytes) and pack-*.parquet (sha256, bytes). Immutable.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.commit import MANIFEST, commit, unsealed
from pipeline.files import Corrupt, read_parquet, verify, write_parquet

if TYPE_CHECKING:
    from pipeline.store import Store

PACKS = "blobs"
INDEX = "index.parquet"
FILE_BYTES = 16_000_000  # of pictures in one file; loading holds a few times this beside what is asked for

Met = Mapping[str, tuple[pa.ChunkedArray, int]]  # by digest: a column of bytes, and a row in it


class Place(NamedTuple):
    """Where a picture is."""

    pack: Path
    file: str
    row: int
    n_bytes: int


def packs_of(root: Path) -> list[Path]:
    """Return the folders of all packs."""
    return sorted(p for p in (root / PACKS).glob("*") if p.is_dir())


def keep(store: Store, met: Met) -> list[str]:
    """Commit the pictures that no pack holds as a new pack; returns the names of all packs that hold one.

    A damaged pack is set aside and what was wanted of it is stored again. Call it under the lock of `blobs`.
    """
    found = _places(packs_of(store.root), met)
    for pack in {place.pack for place in found.values()}:
        try:
            store.manifest(pack)
            os.utime(pack)  # gc goes by it
        except Corrupt:
            aside = store.root / "damaged" / f"{pack.name}-{uuid.uuid4().hex[:8]}"
            aside.parent.mkdir(exist_ok=True)
            pack.rename(aside)
            found = {digest: place for digest, place in found.items() if place.pack != pack}
    names = {place.pack.name for place in found.values()}
    if missing := [digest for digest in met if digest not in found]:
        name = hashlib.sha256("\n".join(missing).encode()).hexdigest()[:32]
        facts = {"kind": PACKS, "pictures": len(missing)}
        commit(store.root, Path(PACKS) / name, lambda folder: _write(folder, missing, met), facts)
        names.add(name)
    return sorted(names)


def fetch(store: Store, names: Sequence[str], digests: Sequence[str | None]) -> pa.Array:
    """Return the bytes of pictures in the order asked for, empty for None; the packs named are tried first.

    Raises `Corrupt`. Memory: what is returned, and one file of a pack.
    """
    rows: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        if digest is not None:
            rows.setdefault(digest, []).append(row)
    named = [store.root / PACKS / name for name in names]
    found = _places(named, rows)
    if len(found) < len(rows):  # a pack was deleted, and what it held was stored again in others
        others = [pack for pack in packs_of(store.root) if pack not in named]
        found |= _places(others, {digest: 1 for digest in rows if digest not in found})
    if lost := [digest for digest in rows if digest not in found]:
        gone = next((pack for pack in named if not (pack / MANIFEST).exists()), store.root / PACKS)
        what = f"in no pack: {len(lost):,} of {len(rows):,} pictures, such as {lost[0][:12]}"
        raise Corrupt(f"{gone}: missing or damaged: {what}; delete {gone} and run again")
    sizes = [0 if digest is None else found[digest].n_bytes for digest in digests]
    return _joined(sizes, _read(store, found, rows))


def check(folder: Path, files: Iterable[str]) -> None:
    """Hash every picture of a pack. Raises `Corrupt` naming the file and the row."""
    for name in sorted(set(files) - {INDEX}):
        table = read_parquet(folder / name)
        pairs = zip(table["sha256"].to_pylist(), table["bytes"], strict=True)
        for row, (digest, body) in enumerate(pairs, 1):
            if hashlib.sha256(body.as_buffer()).hexdigest() != digest:
                raise Corrupt(f"{folder / name}: picture {row} is not the one its sha256 is of")


def _places(packs: Sequence[Path], wanted: Mapping[str, Any]) -> dict[str, Place]:
    """Return where the wanted pictures are. A pack without a whole manifest and index holds nothing."""
    found: dict[str, Place] = {}
    for pack in packs:
        with suppress(Corrupt):
            known = unsealed(pack / MANIFEST)["files"][INDEX]
            if not verify(pack / INDEX, known):
                continue
            next_row: dict[str, int] = {}
            lines = zip(*(column.to_pylist() for column in read_parquet(pack / INDEX).columns), strict=True)
            for digest, file, n_bytes in lines:
                row = next_row.get(file, 0)
                next_row[file] = row + 1
                if digest in wanted:
                    found.setdefault(digest, Place(pack, file, row, n_bytes))
    return found


def _read(
    store: Store, found: Mapping[str, Place], rows: Mapping[str, Sequence[int]]
) -> Iterator[tuple[int, Any]]:
    """Yield (row asked for, bytes), one file of a pack after the other, each checked."""
    by_file: dict[tuple[Path, str], list[tuple[int, str]]] = {}
    for digest, place in found.items():
        by_file.setdefault((place.pack, place.file), []).append((place.row, digest))
    for pack in sorted({pack for pack, _ in by_file}):
        store.manifest(pack)
        with suppress(OSError):  # a workspace that may only be read is read all the same
            os.utime(pack)
    for (pack, file), places in sorted(by_file.items()):
        bodies = read_parquet(pack / file)["bytes"]
        for row, digest in places:
            body = bodies[row].as_buffer()
            for wanted in rows[digest]:
                yield wanted, body


def _write(folder: Path, digests: Sequence[str], met: Met) -> None:
    """Write pictures in files of about FILE_BYTES, and the index over them."""
    index: list[tuple[str, str, int]] = []
    for k, part in enumerate(_parts(digests, met)):
        name, sizes = f"pack-{k:05d}.parquet", [len(body) for _, body in part]
        cells = _joined(sizes, ((row, body) for row, (_, body) in enumerate(part)))
        sha256 = pa.array([digest for digest, _ in part], pa.large_string())
        write_parquet(folder / name, pa.table({"sha256": sha256, "bytes": cells}))
        index += [(digest, name, len(body)) for digest, body in part]
    columns = [pa.array(list(values)) for values in zip(*index, strict=True)]
    write_parquet(folder / INDEX, pa.table(columns, names=["sha256", "file", "bytes"]))


def _parts(digests: Sequence[str], met: Met) -> Iterator[list[tuple[str, Any]]]:
    part: list[tuple[str, Any]] = []
    n_bytes = 0
    for digest in digests:
        column, row = met[digest]
        body = column[row].as_buffer()
        if part and n_bytes + len(body) > FILE_BYTES:
            yield part
            part, n_bytes = [], 0
        part.append((digest, body))
        n_bytes += len(body)
    if part:
        yield part


def _joined(sizes: Sequence[int], bodies: Iterable[tuple[int, Any]]) -> pa.Array:
    """Return bytes as one column, given the size of each row and, in any order, what it holds."""
    edges = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=edges[1:])
    values = np.empty(int(edges[-1]), np.uint8)
    for row, body in bodies:
        values[edges[row] : edges[row + 1]] = np.frombuffer(body, np.uint8)
    buffers = [None, pa.py_buffer(edges), pa.py_buffer(values)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(sizes), buffers)
