"""Parquet: page checksums are verified, nested types kept, extension types and dictionaries resolved."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.ingest.source import File, InputError, Raw


def read_parquet(file: File) -> Raw:
    """Read a Parquet file.

    Raises
    ------
    InputError : the file is damaged, encrypted or no Parquet file, or two columns have one name.
    """
    try:
        with pq.ParquetFile(file.path, page_checksum_verification=True) as parquet:
            table = parquet.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        first = str(error).strip().split("\n")[0]
        raise InputError(f"{file.name}: not readable as Parquet: {first} (write it again)") from error
    names = table.column_names
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise InputError(f"{file.name}: two columns are called {twice[0]!r} (rename one)")
    table = pa.table({name: _stored(table[name]) for name in names}) if names else table
    return Raw(table.replace_schema_metadata(None))


def _stored(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        return _stored(pa.chunked_array([c.storage for c in column.chunks], column.type.storage_type))
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
