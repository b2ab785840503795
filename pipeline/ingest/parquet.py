"""Parquet: page checksums are verified, nested types kept, extension types and dictionaries resolved.

Codes of classes become their names where the file gives them as `datasets` does.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.ingest.source import File, InputError, Raw, Rejected, check_width


def read_parquet(file: File) -> Raw:
    """Read a Parquet file.

    Raises
    ------
    InputError : the file is damaged, encrypted or no Parquet file, or two columns have one name.
    """
    try:
        with pq.ParquetFile(file.path, page_checksum_verification=True) as parquet:
            check_width(len(parquet.schema_arrow), file.name)
            table = parquet.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        first = str(error).strip().split("\n")[0]
        raise InputError(f"{file.name}: not readable as Parquet: {first} (write it again)") from error
    metadata = table.schema.metadata or {}
    stated = metadata.get(b"huggingface", b"{}")
    names = table.column_names
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise InputError(f"{file.name}: two columns are called {twice[0]!r} (rename one)")
    table = pa.table({name: _stored(table[name]) for name in names}) if names else table
    table, rejected = _readable(table, file.name)
    table, named = _with_class_names(table.replace_schema_metadata(None), stated)
    told = [f"{file.name}: codes in {c!r} became the class names that the file gives" for c in named]
    return Raw(table, rejected, told, about=metadata.get(b"assay", b""))


def _with_class_names(table: pa.Table, stated: bytes) -> tuple[pa.Table, list[str]]:
    """Return the table with names in place of the codes of each ClassLabel of `datasets`, and which columns.

    A code of -1 is a missing label, as there. A column with any other code without a name stays as it is.
    """
    named = []
    for column, names in _class_names(stated).items():
        if column not in table.column_names or not pa.types.is_integer(table.schema.field(column).type):
            continue
        codes = table[column].cast(pa.int64())
        known = pc.and_(pc.greater_equal(codes, -1), pc.less(codes, len(names)))
        if pc.all(pc.fill_null(known, True)).as_py() is False:
            continue
        codes = pc.if_else(pc.equal(codes, -1), pa.scalar(None, pa.int64()), codes)
        cells = pa.chunked_array([pa.array(names, pa.large_string()).take(chunk) for chunk in codes.chunks],
                                 pa.large_string())  # fmt: skip
        table = table.set_column(table.column_names.index(column), column, cells)
        named.append(column)
    return table, named


def _class_names(stated: bytes) -> dict[str, list[str]]:
    """Return the classes by column that Hugging Face's schema metadata states, {} where it makes no sense."""
    try:
        features = json.loads(stated)["info"]["features"].items()
        found = {c: f["names"] for c, f in features if isinstance(f, dict) and f.get("_type") == "ClassLabel"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {c: names for c, names in found.items()
            if isinstance(names, list) and all(isinstance(n, str) for n in names)}  # fmt: skip


def _readable(table: pa.Table, name: str) -> tuple[pa.Table, list[Rejected]]:
    """Return the table without the rows that hold a cell no Python value can stand for, and those rows."""
    bad: dict[int, str] = {}
    for column in table.column_names:
        bad |= {row: f"column {column!r}: {why}" for row, why in _bad_cells(table[column]) if row not in bad}
    if not bad:
        return table, []
    keep = pa.array([row not in bad for row in range(table.num_rows)], pa.bool_())
    return table.filter(keep), [Rejected(name, row + 1, bad[row], "") for row in sorted(bad)]


def _bad_cells(column: pa.ChunkedArray) -> list[tuple[int, str]]:
    """Return the rows of texts that are not UTF-8 and of times that no calendar has, and why."""
    try:
        column.validate(full=True)
        if _holds_times(column.type):
            column.to_pylist()
        return []
    except (pa.ArrowException, ValueError, OverflowError, LookupError):
        pass  # one cell at a time says which
    out = []
    for row, cell in enumerate(column):
        try:
            cell.as_py()
        except (pa.ArrowException, ValueError, OverflowError, LookupError) as error:
            out.append((row, f"{error}"))
    return out


def _holds_times(kind: pa.DataType) -> bool:
    if kind.num_fields:
        return any(_holds_times(kind.field(k).type) for k in range(kind.num_fields))
    return pa.types.is_temporal(kind)


def _stored(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        return _stored(pa.chunked_array([c.storage for c in column.chunks], column.type.storage_type))
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
