"""Given: a signal table that was not computed here."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property

import pyarrow as pa

from pipeline.dataset import ROW_ID, Dataset
from pipeline.hashing import hash_array


class Given:
    """A signal table brought by the user, or learnt in training.

    It stands in for the computed one where its row ids match, and, when it has a `labels` column,
    where the labels match too.
    """

    def __init__(self, name: str, table: pa.Table, origin: str) -> None:
        self.name, self.table, self.origin = name, table, origin

    @cached_property
    def digest(self) -> str:
        """Return a digest over the table."""
        h = hashlib.sha256(self.name.encode())
        for name in sorted(self.table.column_names):
            h.update(name.encode())
            hash_array(self.table[name].combine_chunks(), h)
        return h.hexdigest()[:32]

    def fits(self, data: Dataset) -> bool:
        """Return whether every row of `data` is there, with the label it had."""
        return self.rows_for(data) is not None

    def rows_for(self, data: Dataset) -> pa.Table | None:
        """Return the table's rows in the order of `data`, or None when a row or a label differs."""
        where = {row_id: i for i, row_id in enumerate(self.table[ROW_ID].to_pylist())}
        if any(i not in where for i in data.ids):
            return None
        rows = self.table.take(pa.array([where[i] for i in data.ids], pa.int64()))
        if "labels" in rows.column_names and rows["labels"].to_pylist() != [
            json.dumps(v, default=str) for v in data.labels
        ]:
            return None
        return rows
