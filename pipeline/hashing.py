"""Hashing of cells and columns: equal values give equal text, keys and digests."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def hash_array(array: pa.Array, h: Any) -> None:
    """Feed an array's values to `h`, blind to chunking, offsets and what lies under a null."""
    h.update(np.packbits(array.is_valid().to_numpy(zero_copy_only=False)).tobytes())
    kind = array.type
    if pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        h.update(lengths.astype("<i8").tobytes())
        hash_array(pc.list_flatten(array), h)
    elif pa.types.is_struct(kind):
        for i, field in enumerate(kind):
            h.update(field.name.encode())
            hash_array(pc.struct_field(array, i), h)
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        h.update(
            pc.fill_null(pc.binary_length(array), 0).to_numpy(zero_copy_only=False).astype("<i8").tobytes()
        )
        _, offsets, values = array.buffers()
        if values is not None and len(array):
            edges = np.frombuffer(offsets, dtype="<i8")[array.offset : array.offset + len(array) + 1]
            filled = (
                array
                if not array.null_count
                else pc.fill_null(array, "" if pa.types.is_large_string(kind) else b"")
            )
            if filled is not array:
                _, offsets, values = filled.buffers()
                edges = np.frombuffer(offsets, dtype="<i8")[filled.offset : filled.offset + len(filled) + 1]
            if values is not None:
                h.update(memoryview(values)[int(edges[0]) : int(edges[-1])])
    elif pa.types.is_boolean(kind):
        h.update(np.packbits(pc.fill_null(array, False).to_numpy(zero_copy_only=False)).tobytes())
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        h.update(np.ascontiguousarray(pc.fill_null(array, 0).to_numpy(zero_copy_only=False)).tobytes())
    else:  # dates, times, decimals: few and small, so their text will do
        h.update(json.dumps([str(v) for v in array.to_pylist()]).encode())


def content_keys(content: pa.Table) -> list[str]:
    """Return one key for each row's content cells: equal cells, equal key.

    What `row` signals are cached by.
    """
    columns = [content[name].to_pylist() for name in content.column_names]
    head = json.dumps(content.column_names)
    return [
        hashlib.blake2b(
            cell_json([head, *cells]).encode("utf-8", "surrogatepass"), digest_size=16
        ).hexdigest()
        for cells in zip(*columns, strict=True)
    ]


def cell_json(value: Any) -> str:
    """Encode a cell as JSON with sorted keys, so that equal cells give equal text.

    >>> cell_json({"b": 1, "a": None})
    '{"a": null, "b": 1}'
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_cell_default)


def _cell_default(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes_sha256": hashlib.sha256(value).hexdigest()}
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)
