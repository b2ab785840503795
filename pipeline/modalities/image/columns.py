"""Guess which column holds the pictures."""

from __future__ import annotations

import pyarrow as pa

from pipeline.dataset import OWN_COLUMNS


def image_columns(table: pa.Table, taken: set[str]) -> tuple[str, ...]:
    """Return the first free column of bytes or of structs with bytes."""
    for field in table.schema:
        kind = field.type
        holds = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or (
            pa.types.is_struct(kind) and "bytes" in [f.name for f in kind])
        if holds and field.name not in taken and field.name not in OWN_COLUMNS:
            return (field.name,)
    return ()
