"""Tables that users bring: embeddings and predicted probabilities, checked and put into a signal's form."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.dataset import ROW_ID
from pipeline.hashing import cell_json
from pipeline.ingest import InputError


def pred_probs_table(table: pa.Table, where: str) -> pa.Table:
    """Return probabilities, given as `row_id` plus a column a class (by name), as a `pred_probs` signal.

    Raises `InputError` when a row does not sum to 1 or `row_id` is missing.
    """
    _need_ids(table, where)
    names = sorted(c for c in table.column_names if c != ROW_ID)
    probs = np.column_stack([table[c].to_numpy() for c in names]).astype(np.float64)
    bad = np.flatnonzero(
        ~(np.isfinite(probs).all(axis=1) & (np.abs(probs.sum(axis=1) - 1) < 1e-3) & (probs >= 0).all(axis=1))
    )
    if len(bad):
        raise InputError(
            f"{where}: row {table[ROW_ID][int(bad[0])]}: probabilities must be in [0, 1] and sum to 1"
        )
    flat = pa.array(probs.ravel())
    return pa.table({
        ROW_ID: table[ROW_ID].cast(pa.large_string()),
        "probs": pa.FixedSizeListArray.from_arrays(flat, len(names)),
        "classes": pa.array([cell_json(names)] * len(probs), pa.large_string()),
    })  # fmt: skip


def embeddings_table(table: pa.Table, where: str) -> pa.Table:
    """Return embeddings given as `row_id`, `vector` as an `embeddings` signal. Raises `InputError`."""
    _need_ids(table, where)
    if "vector" not in table.column_names:
        raise InputError(f"{where}: no column 'vector' (a list of numbers a row)")
    rows = table["vector"].to_pylist()
    width = {len(r) if r is not None else 0 for r in rows}
    if len(width) != 1 or 0 in width:
        raise InputError(
            f"{where}: column 'vector' needs lists of one length, has lengths {sorted(width)[:3]}"
        )
    flat = np.asarray(rows, dtype=np.float32).ravel()
    return pa.table(
        {
            ROW_ID: table[ROW_ID].cast(pa.large_string()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), width.pop()),
        }
    )


def _need_ids(table: pa.Table, where: str) -> None:
    if ROW_ID not in table.column_names:
        raise InputError(
            f"{where}: no column {ROW_ID!r}; it must name each row as the audit's issues.parquet does"
        )
