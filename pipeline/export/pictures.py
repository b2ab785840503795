"""Pictures as others read them: Hugging Face's {bytes, path}, and folders of files with a `metadata.csv`."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dataset import PARENTS, ROW_ID, SPLIT, SPLITS, Dataset
from pipeline.hashing import IMAGE, cell_json
from pipeline.modalities.image.columns import ENDINGS, kind_of
from pipeline.recipe import RecipeError

HF_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
NAMED = ("file_name", "file")  # columns that say what a picture's file was called
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def image_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that hold pictures."""
    return [field.name for field in schema if field.type == IMAGE]


def as_hf(table: pa.Table) -> pa.Table:
    """Return the table with its pictures as {bytes, path}; a path is the file's name, if a column says it."""
    names = next((c for c in NAMED if c in table.column_names and _is_text(table, c)), None)
    for k, column in enumerate(image_columns(table.schema)):
        cells = table[column].combine_chunks()
        bodies = pc.struct_field(cells, "bytes").cast(pa.binary())
        paths = table[names].combine_chunks() if names and not k else pa.nulls(len(cells))
        made = pa.StructArray.from_arrays(
            [bodies, paths.cast(pa.string())], fields=list(HF_IMAGE), mask=cells.is_null())
        table = table.set_column(table.column_names.index(column), column, made)
    return table


def hf_metadata(columns: list[str]) -> dict[str, str] | None:
    """Return the schema metadata by which `datasets` knows columns of images, None where there are none."""
    listed = {column: {"_type": "Image"} for column in columns}
    return {"huggingface": json.dumps({"info": {"features": listed}})} if listed else None


def write_imagefolder(data: Dataset, folder: Path) -> dict[str, list[str]]:
    """Write `<split>/<row id>.<ending>` and a `metadata.csv` for each split; returns the files by split.

    An id that is no plain name, or one that differs from another in case only, is replaced by its digest.
    The split is the folder; other cells that are no plain values stand as JSON.

    Raises
    ------
    RecipeError : the dataset has no column of pictures, or a row without one.
    """
    column = next(iter(image_columns(data.content.schema)), None)
    if column is None:
        raise RecipeError(f"an image folder needs pictures; this dataset holds {data.modality}")
    out: dict[str, list[str]] = {}
    for split in SPLITS:
        table = data.where(data.splits == split).table
        if not table.num_rows:
            continue
        (folder / split).mkdir(parents=True)
        names = _names(table, column)
        for name, cell in zip(names, table[column], strict=True):
            (folder / split / name).write_bytes(cell["bytes"].as_py())
        _write_metadata(folder / split / "metadata.csv", table, names)
        out[split] = [f"{split}/{name}" for name in (*names, "metadata.csv")]
    if not out:
        raise RecipeError("the dataset has no rows; there is nothing to export")
    return out


def _names(table: pa.Table, column: str) -> list[str]:
    taken: set[str] = set()
    names = []
    heads = pc.binary_slice(pc.struct_field(table[column], "bytes"), 0, 16).to_pylist()
    for row_id, head in zip(table[ROW_ID].to_pylist(), heads, strict=True):
        kind = kind_of(head or b"")
        if kind is None:
            raise RecipeError(f"row {row_id!r} has no picture, which an image folder cannot hold "
                              "(use --layout parquet, or drop such rows with: assay quality)")
        plain = _PLAIN.fullmatch(row_id) and row_id.casefold() not in taken
        stem = row_id if plain else hashlib.sha256(row_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        taken.add(stem.casefold())
        names.append(f"{stem}.{ENDINGS[kind]}")
    return names


def _write_metadata(path: Path, table: pa.Table, names: list[str]) -> None:
    kept = [c for c in table.column_names if c != SPLIT and table.schema.field(c).type != IMAGE]
    if PARENTS in kept and not any(table[PARENTS].to_pylist()):
        kept.remove(PARENTS)
    called = {c: f"{c}_was" if c in NAMED or c.endswith("_file_name") else c for c in kept}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file_name", *called.values()])
        for name, row in zip(names, table.select(kept).to_pylist(), strict=True):
            writer.writerow([name, *(_text(row[c]) for c in kept)])


def _text(value: Any) -> str:
    if value is None:
        return ""
    return cell_json(value) if isinstance(value, list | Mapping | bytes) else str(value)


def _is_text(table: pa.Table, column: str) -> bool:
    kind = table.schema.field(column).type
    return bool(pa.types.is_large_string(kind) or pa.types.is_string(kind))
