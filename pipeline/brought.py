"""Tables that users bring: embeddings and predicted probabilities, checked and put into a signal's form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.dataset import ROW_ID
from pipeline.hashing import cell_json
from pipeline.ingest import InputError
from pipeline.ingest.parquet import read_parquet
from pipeline.ingest.row_ids import own
from pipeline.ingest.source import files_of


def pred_probs_table(table: pa.Table, where: str) -> pa.Table:
    """Return probabilities, given as `row_id` plus a column a class (by name), as a `pred_probs` signal.

    Raises `InputError` when a row does not sum to 1 or `row_id` is missing.
    """
    _need_ids(table, where)
    names = sorted(c for c in table.column_names if c != ROW_ID)
    probs = _numbers(table, names, where)
    bad = np.flatnonzero(
        ~(np.isfinite(probs).all(axis=1) & (np.abs(probs.sum(axis=1) - 1) < 1e-3) & (probs >= 0).all(axis=1))
    )
    if len(bad):
        raise InputError(
            f"{where}: row {str(table[ROW_ID][int(bad[0])])!r}: probabilities must be in [0, 1] and sum to 1 "
            f"over the columns {', '.join(map(repr, names[:8]))} (drop what is no class)"
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
    kind = table.schema.field("vector").type
    inner = kind.value_type if hasattr(kind, "value_type") and kind.num_fields == 1 else None
    if inner is None or not (pa.types.is_floating(inner) or pa.types.is_integer(inner)):
        raise InputError(f"{where}: column 'vector' holds {kind} (it needs lists of numbers)")
    rows = table["vector"].to_pylist()
    width = {len(r) if r is not None else 0 for r in rows}
    if len(width) != 1 or 0 in width:
        raise InputError(
            f"{where}: column 'vector' has lists of lengths {sorted(width)[:3]} (it needs one length)"
        )
    flat = np.asarray(rows, dtype=np.float32).ravel()
    if len(bad := np.flatnonzero(~np.isfinite(flat))):
        row_id = str(table[ROW_ID][int(bad[0]) // len(rows[0])])
        what = "a number of its vector is missing or infinite"
        raise InputError(f"{where}: row {row_id!r}: {what} (fill it in)")
    return pa.table(
        {
            ROW_ID: table[ROW_ID].cast(pa.large_string()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), width.pop()),
        }
    )


def brought_table(path: str) -> pa.Table:
    """Return the table of a Parquet file that the user names. Raises `InputError`."""
    files, _ = files_of(path)
    if [file.path for file in files] != [Path(path)]:
        raise InputError(f"{path}: a folder (name one Parquet file)")
    raw = read_parquet(files[0])
    if raw.rejected:
        raise InputError(f"{path}: row {raw.rejected[0].line}: {raw.rejected[0].reason} (write it again)")
    return raw.table


def _need_ids(table: pa.Table, where: str) -> None:
    if ROW_ID not in table.column_names:
        what = f"no column {ROW_ID!r}; it must name each row as the audit's issues.parquet does"
        raise InputError(f"{where}: {what} (there are {', '.join(map(repr, table.column_names[:8]))})")
    if not table.num_rows:
        raise InputError(f"{where}: no rows (it needs one for each row of the data)")
    own(table[ROW_ID], ROW_ID, where)


def _numbers(table: pa.Table, names: list[str], where: str) -> np.ndarray:
    """(n, k) float64, a missing cell as NaN."""
    if not names:
        raise InputError(f"{where}: no column beside {ROW_ID!r} (it needs one for each class, by its name)")
    for name in names:
        kind = table.schema.field(name).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise InputError(f"{where}: column {name!r} holds {kind}, not probabilities (write numbers)")
    return np.column_stack([table[name].cast(pa.float64(), safe=False).to_numpy() for name in names])
