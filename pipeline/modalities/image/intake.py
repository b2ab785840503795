"""Bring a column of picture files into image cells."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipeline.hashing import IMAGE, image_cell
from pipeline.modalities import Intake
from pipeline.modalities.image.decode import Unreadable, decode


def intake(table: pa.Table, content: tuple[str, ...]) -> Intake:
    """Turn bytes, and structs with bytes, into image cells; files that cannot be decoded go to quarantine."""
    unreadable: dict[int, str] = {}
    for name in content:
        if table.schema.field(name).type == IMAGE:
            continue
        cells = []
        for i, cell in enumerate(table[name].to_pylist()):
            body = _body(cell)
            try:
                decode(body or b"")
            except Unreadable as error:
                unreadable[i] = f"{name}: {error}"
            cells.append(None if body is None else image_cell(body))
        table = table.set_column(table.column_names.index(name), name, pa.array(cells, IMAGE))
    return Intake(table, content, unreadable)


def _body(cell: Any) -> bytes | None:
    return cell.get("bytes") if isinstance(cell, dict) else cell
