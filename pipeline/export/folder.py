"""A Hugging Face dataset folder: Parquet shards by split, a card, and a Croissant description beside it.

    DIR/data/train-00000-of-00002.parquet   ...
    DIR/README.md        the card; its YAML is what `datasets.load_dataset(DIR)` reads
    DIR/croissant.json

The folder is built under another name beside DIR and renamed when it is whole, so DIR is never half written.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dataset import SPLITS, Dataset
from pipeline.durable import sync
from pipeline.export.about import About
from pipeline.export.card import card
from pipeline.export.croissant import description, json_text
from pipeline.export.features import classes, published
from pipeline.export.origin import Origin
from pipeline.export.pictures import write_imagefolder
from pipeline.files import Corrupt, full_disk, read_parquet
from pipeline.recipe import RecipeError

Layout = Literal["parquet", "imagefolder"]
SHARD_BYTES = 500_000_000  # of Arrow memory a file, as `datasets` shards
GROUP_BYTES = 100_000_000  # of Arrow memory a row group, so that viewers can show a page without the file


@dataclass(frozen=True)
class Split:
    """One split's files. `n_bytes` is its size in memory as `datasets` counts it."""

    name: str
    n_rows: int
    n_bytes: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class Exported:
    """A folder that was written."""

    folder: Path
    splits: tuple[Split, ...]
    download_bytes: int


def export_hf(
    origin: Origin, folder: Path, about: About | None = None, shard_bytes: int = SHARD_BYTES,
    layout: Layout = "parquet",
) -> Exported:  # fmt: skip
    """Write the dataset into an empty or new folder and return what was written.

    layout : "parquet", or "imagefolder": files of pictures and a `metadata.csv` for each split, without a
        card, see `pictures.write_imagefolder`.

    Every column is kept, row ids and lineage too; labels are kept by name. Raises `RecipeError` when the
    folder is not empty or huggingface_hub, which writes the card's YAML, is missing,
    `OSError` naming the folder when the disk is full.
    """
    about = about or About()
    if not about.pretty_name:
        about = about.model_copy(update={"pretty_name": folder.resolve().name})
    _refuse_unless_empty(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.tmp"
    try:
        splits, size = _WRITERS[layout](origin, scratch, about, shard_bytes)
        for path in sorted(p for p in scratch.rglob("*")):
            sync(path)
        try:
            scratch.rename(folder)  # onto an empty folder or none, else the system refuses
        except OSError:
            _refuse_unless_empty(folder)  # somebody else wrote into it meanwhile
            raise
        sync(folder.parent)
    except OSError as error:
        raise full_disk(error, folder) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Exported(folder, splits, size)


def _write_parquet(
    origin: Origin, folder: Path, about: About, shard_bytes: int
) -> tuple[tuple[Split, ...], int]:
    splits = _write_splits(origin.dataset, folder, shard_bytes)
    size = _size(folder, splits)
    (folder / "README.md").write_text(card(origin, about, splits, size), "utf-8")
    (folder / "croissant.json").write_text(json_text(description(folder, about)), "utf-8")
    return splits, size


def _write_imagefolder(
    origin: Origin, folder: Path, about: About, shard_bytes: int
) -> tuple[tuple[Split, ...], int]:
    data, files = origin.dataset, write_imagefolder(origin.dataset, folder)
    tables = {split: data.where(data.splits == split).table for split in files}
    splits = tuple(Split(s, tables[s].num_rows, tables[s].nbytes, tuple(f)) for s, f in files.items())
    return splits, _size(folder, splits)


_WRITERS: dict[str, Callable[[Origin, Path, About, int], tuple[tuple[Split, ...], int]]] = {
    "parquet": _write_parquet, "imagefolder": _write_imagefolder,
}  # fmt: skip


def _size(folder: Path, splits: Sequence[Split]) -> int:
    return sum((folder / name).stat().st_size for split in splits for name in split.files)


def _refuse_unless_empty(folder: Path) -> None:
    if folder.resolve() == Path.cwd():
        raise RecipeError(f"{folder}: the current folder would be replaced (name a new one)")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RecipeError(f"{folder}: not a folder (name a new or an empty one)")
    if folder.is_dir() and any(os.scandir(folder)):
        raise RecipeError(f"{folder}: not empty (name a new or an empty folder, or delete it)")


def _write_splits(data: Dataset, folder: Path, shard_bytes: int) -> tuple[Split, ...]:
    (folder / "data").mkdir(parents=True)
    label = data.roles.label if classes(data) is not None else None
    out = []
    for split in SPLITS:
        table = data.where(data.splits == split).table
        n = table.num_rows
        if not n:
            continue
        shards = min(-(-table.nbytes // shard_bytes), n)
        files = [f"data/{split}-{k:05d}-of-{shards:05d}.parquet" for k in range(shards)]
        edges = [n * k // shards for k in range(shards + 1)]
        sizes = [
            _write_shard(folder / name, published(table.slice(start, end - start)), label)
            for name, start, end in zip(files, edges, edges[1:], strict=False)
        ]
        out.append(Split(split, n, sum(sizes), tuple(files)))
    if not out:
        raise RecipeError("the dataset has no rows; there is nothing to export")
    return tuple(out)


def _write_shard(path: Path, table: pa.Table, label: str | None) -> int:
    """Write a file, read it back, and return its size in memory as `datasets` counts it."""
    rows = max(table.num_rows * GROUP_BYTES // max(table.nbytes, GROUP_BYTES), 1)
    pq.write_table(table, path, compression="zstd", row_group_size=rows, write_page_checksum=True,
                   write_page_index=True)  # fmt: skip
    read = read_parquet(path)
    if not read.equals(table):
        raise Corrupt(f"{path}: reads back other rows than were written; export again")
    return (read if label is None else _coded(read, label)).nbytes


def _coded(table: pa.Table, label: str) -> pa.Table:
    """Return the table with codes in place of class names: what `datasets` holds in memory."""
    codes = table[label].dictionary_encode().combine_chunks()
    indices = codes.indices if isinstance(codes, pa.DictionaryArray) else codes
    return table.set_column(table.column_names.index(label), label, indices.cast(pa.int64()))
