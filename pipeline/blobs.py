"""Blobs: pictures are stored once, however many snapshots and steps hold them.

A snapshot's shards hold the SHA-256 of each picture and its manifest names the packs that hold the bytes
(see `packs`). What no pack holds is committed as a new one before the snapshot that needs it, so what is
visible is whole, whenever a process is killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.commit import MANIFEST, unsealed
from pipeline.files import Corrupt
from pipeline.hashing import IMAGE, cell_json, from_value_json, value_json
from pipeline.locks import hold
from pipeline.packs import PACKS, fetch, keep, packs_of

if TYPE_CHECKING:
    from pipeline.store import Store

EDITS = "findings"  # the table of edits, whose values are JSON that may hold pictures
WAIT_SECONDS = 60.0  # for another process that stores pictures just now
_WITH_BYTES, _WITHOUT = '"base64"', '"bytes_sha256"'  # what the JSON of a picture holds

Tables = Mapping[str, pa.Table]


@contextmanager
def apart(store: Store, tables: Tables) -> Iterator[tuple[Tables, dict[str, Any]]]:
    """Give the tables with a digest in place of each picture, the bytes being in packs by then, and facts.

    The facts belong into the manifest of what is committed inside; no pack is removed meanwhile. Tables
    without pictures are given as they are, with no facts.
    """
    columns = {name: _columns(name, table) for name, table in tables.items()}
    columns = {name: found for name, found in columns.items() if found}
    if not columns:
        yield tables, {}
        return
    with hold(store.root, PACKS, WAIT_SECONDS):
        packs = keep(store, _met(tables, columns))
        light = {name: _light(name, table, columns.get(name, ())) for name, table in tables.items()}
        yield light, {"pictures": columns, "packs": packs}


def whole(store: Store, facts: Mapping[str, Any], name: str, table: pa.Table) -> pa.Table:
    """Return a table that `apart` took apart with its pictures. Raises `Corrupt`."""
    for column in facts.get("pictures", {}).get(name, ()):
        at = table.column_names.index(column)
        if name == EDITS:
            cells = _values(store, facts["packs"], table[column].to_pylist())
        else:
            cells = _cells(store, facts["packs"], table[column].to_pylist())
        table = table.set_column(at, column, cells)
    return table


def light_edits(edits: pa.Table) -> pa.Table:
    """Return edits whose values tell pictures by digest, as `before` does: for people, and for shards."""
    if not _columns(EDITS, edits):
        return edits
    values = edits["value"].to_pylist()
    for row, value in enumerate(values):
        if (picture := _picture(value)) is not None:
            values[row] = cell_json(picture)
    cells = pa.array(values, edits.schema.field("value").type)
    return edits.set_column(edits.column_names.index("value"), "value", cells)


def needed(store: Store, kept: Iterable[Path]) -> set[Path]:
    """Return the packs that committed folders name, or all packs where that cannot be told for certain."""
    packs, named = set(packs_of(store.root)), set[Path]()
    for folder in kept:
        try:
            facts = unsealed(folder / MANIFEST)
        except Corrupt:
            return packs
        named |= {store.root / PACKS / name for name in facts.get("packs", ())}
    return named if named <= packs else packs


def holds(store: Store, fingerprint: str) -> bool:
    """Return whether a snapshot is there, and every pack that it names."""
    manifest = store.root / "datasets" / fingerprint / MANIFEST
    return manifest.exists() and not gone(store, unsealed(manifest))


def gone(store: Store, facts: Mapping[str, Any]) -> str:
    """Return the place of a pack that a manifest names and that is not there, "" when all are."""
    places = (f"{PACKS}/{name}" for name in facts.get("packs", ()))
    return next((place for place in places if not (store.root / place / MANIFEST).exists()), "")


def _columns(name: str, table: pa.Table) -> list[str]:
    """Return the columns that hold pictures: of edits `value`, else all of image cells that are whole."""
    if name == EDITS:
        has = table.num_rows and pc.any(pc.match_substring(table["value"], _WITH_BYTES)).as_py()
        return ["value"] if has else []
    return [f.name for f in table.schema if f.type == IMAGE and _is_whole(table[f.name])]


def _is_whole(column: pa.ChunkedArray) -> bool:
    """Return whether every cell has digest and bytes, or neither; another column is stored as any other."""
    there = column.is_valid()
    return all(pc.struct_field(column, half).is_valid().equals(there) for half in ("sha256", "bytes"))


def _met(tables: Tables, columns: Mapping[str, Sequence[str]]) -> dict[str, tuple[pa.ChunkedArray, int]]:
    """Return each picture once, in the order of the rows: where its bytes are."""
    met: dict[str, tuple[pa.ChunkedArray, int]] = {}
    for name, column in ((name, column) for name, found in columns.items() for column in found):
        cells = tables[name][column]
        if name == EDITS:
            found = [p for p in map(_picture, cells.to_pylist()) if p is not None]
            cells = pa.chunked_array([pa.array(found, IMAGE)])
        bodies = pc.struct_field(cells, "bytes")
        for row, digest in enumerate(pc.struct_field(cells, "sha256").to_pylist()):
            if digest is not None:
                met.setdefault(digest, (bodies, row))
    return met


def _picture(value: str | None, mark: str = _WITH_BYTES) -> dict[str, Any] | None:
    """Return the image cell that JSON holds, None for anything else."""
    if not value or mark not in value:
        return None
    cell = from_value_json(value)
    return cell if isinstance(cell, dict) and set(cell) == {"sha256", "bytes"} else None


def _light(name: str, table: pa.Table, columns: Sequence[str]) -> pa.Table:
    if name == EDITS:
        return light_edits(table)
    for column in columns:
        digests = pc.struct_field(table[column], "sha256")
        table = table.set_column(table.column_names.index(column), column, digests)
    return table


def _cells(store: Store, packs: Sequence[str], digests: Sequence[str | None]) -> pa.Array:
    bodies, sha256 = fetch(store, packs, digests), pa.array(digests, pa.large_string())
    if not sha256.null_count:
        return pa.StructArray.from_arrays([sha256, bodies], fields=list(IMAGE))
    missing = sha256.is_null()
    bodies = pc.if_else(missing, pa.scalar(None, pa.large_binary()), bodies)
    return pa.StructArray.from_arrays([sha256, bodies], fields=list(IMAGE), mask=missing)


def _values(store: Store, packs: Sequence[str], values: list[str | None]) -> pa.Array:
    pictures = {row: cell for row, value in enumerate(values) if (cell := _picture(value, _WITHOUT))}
    bodies = fetch(store, packs, [cell["sha256"] for cell in pictures.values()]).to_pylist()
    for (row, cell), body in zip(pictures.items(), bodies, strict=True):
        values[row] = value_json({**cell, "bytes": body})
    return pa.array(values, pa.large_string())
