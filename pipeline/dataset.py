"""Dataset: rows sorted by `row_id`, the roles of their columns, and a fingerprint.

Rows are sorted, so the same rows are the same dataset whatever the number of workers that made them.
In memory an Arrow-backed pandas frame; on disk Parquet (see `store`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from pipeline.hashing import IMAGE, hash_array

ROW_ID, SPLIT, WEIGHT, SOURCE, PARENTS = "row_id", "split", "weight", "source", "parents"
SPLITS = ("train", "validation", "test")
OWN_COLUMNS = (ROW_ID, SPLIT, SOURCE, PARENTS)  # every dataset has these four; `weight` is optional


class Roles(BaseModel, frozen=True, extra="forbid"):
    """Which of the user's columns does what. Columns named in no role are metadata."""

    content: tuple[str, ...]
    label: str | None = None
    group: str | None = None
    time: str | None = None
    annotators: tuple[str, ...] = ()  # columns of which the label counts the votes


@dataclass(frozen=True, eq=False)
class Dataset:
    """An immutable table of rows.

    Parameters
    ----------
    frame : DataFrame of (n, columns), Arrow dtypes, sorted by `row_id`; build it with `Dataset.of`.
    roles : which columns are content, label, group and time.
    modality : name of a module in `pipeline.modalities`.

    >>> rows = {"row_id": ["b", "a"], "text": ["two", "one"], "y": ["n", "p"]}
    >>> data = Dataset.of(rows, Roles(content=("text",), label="y"), "text")
    >>> list(data.ids), list(data.labels), data.n_rows
    (['a', 'b'], ['p', 'n'], 2)
    """

    frame: pd.DataFrame
    roles: Roles
    modality: str

    @classmethod
    def of(cls, rows: pa.Table | pd.DataFrame | Mapping[str, Any], roles: Roles, modality: str) -> Dataset:
        """Sort, complete the own columns (split train, no parents) and normalise the types.

        Raises `ValueError` when a `row_id` is missing or repeats, or a role names no column.
        """
        table = _as_table(rows)
        n = table.num_rows
        for name, default in (
            (SPLIT, pa.array(["train"] * n, pa.large_string())),
            (SOURCE, pa.array([""] * n, pa.large_string())),
            (PARENTS, pa.array([[]] * n, pa.large_list(pa.large_string()))),
        ):
            if name not in table.column_names:
                table = table.append_column(name, default)
        table = pa.table({name: _normal(table[name]) for name in _column_order(table.column_names)})
        single = (roles.label, roles.group, roles.time)
        named = [*roles.content, *(c for c in single if c), *roles.annotators]
        if missing := [c for c in named if c not in table.column_names]:
            raise ValueError(f"no column {missing[0]!r}; the columns are {sorted(table.column_names)}")
        ids = table[ROW_ID]
        if ids.null_count:
            raise ValueError("a row has no row_id")
        if not _ascending(ids):  # a stored snapshot is in order, and pictures are not copied for nothing
            table = table.take(pc.sort_indices(ids))
        ids = table[ROW_ID].to_pylist()
        for one, two in pairwise(ids):
            if one == two:
                raise ValueError(f"row_id {one!r} repeats")
        if unknown := set(table[SPLIT].unique().to_pylist()) - set(SPLITS):
            raise ValueError(f"split {sorted(map(str, unknown))[0]!r} is none of {', '.join(SPLITS)}")
        return cls(_as_frame(table), roles, modality)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.frame)

    @cached_property
    def table(self) -> pa.Table:
        """The same rows as an Arrow table, without copying, columns in their stored order."""
        table = pa.Table.from_pandas(self.frame, preserve_index=False)
        return table.replace_schema_metadata(None)

    @cached_property
    def ids(self) -> np.ndarray:
        """Row ids, (n,) of str, ascending."""
        return np.array(self.table[ROW_ID].to_pylist(), dtype=object)

    @cached_property
    def position(self) -> dict[str, int]:
        """Where each row id stands."""
        return {row_id: i for i, row_id in enumerate(self.ids)}

    @cached_property
    def content(self) -> pa.Table:
        """The content columns only."""
        return self.table.select(list(self.roles.content))

    @cached_property
    def labels(self) -> np.ndarray:
        """Label cells, (n,) of Python objects, None where missing. A cell may be a list or a mapping."""
        if self.roles.label is None:
            return np.full(self.n_rows, None, dtype=object)
        return objects(self.table[self.roles.label].to_pylist())

    @cached_property
    def splits(self) -> np.ndarray:
        """Split of each row, (n,) of str."""
        return np.array(self.table[SPLIT].to_pylist(), dtype=object)

    @cached_property
    def parents(self) -> np.ndarray:
        """Parents of each row, (n,) of lists of row ids, empty for rows that were ingested."""
        return objects(self.table[PARENTS].to_pylist())

    @cached_property
    def weights(self) -> np.ndarray:
        """Row weights, (n,) float64, 1 where none is given."""
        if WEIGHT not in self.table.column_names:
            return np.ones(self.n_rows)
        return pc.fill_null(self.table[WEIGHT], 1.0).to_numpy().copy()

    @property
    def is_train(self) -> np.ndarray:
        """(n,) bool."""
        return self.splits == "train"

    def where(self, mask: np.ndarray) -> Dataset:
        """Return the rows where `mask` (n,) is true; the dataset itself where all are."""
        if np.all(mask):
            return self
        rows = self.table.filter(pa.array(np.asarray(mask, dtype=bool)))
        return Dataset(_as_frame(rows.combine_chunks()), self.roles, self.modality)

    @cached_property
    def roots(self) -> Dataset:
        """Return the rows that were ingested: what signals and detectors may see."""
        is_root = np.array([not p for p in self.parents], dtype=bool)
        return self if is_root.all() else self.where(is_root)

    def rows(self, ids: Iterable[str]) -> list[dict[str, Any]]:
        """Return whole rows as mappings, in the order asked for."""
        positions = pa.array([self.position[i] for i in ids], pa.int64())
        return self.table.take(positions).to_pylist()

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits over every cell, name, type and role; the same rows give the same one."""
        return self.digest(self.table.column_names)

    def digest(self, columns: Iterable[str]) -> str:
        """Return a fingerprint over some of the columns (names, types and cells) and the roles.

        >>> data = Dataset.of({"row_id": ["a"], "text": ["x"]}, Roles(content=("text",)), "text")
        >>> data.digest(["text"]) == data.digest(["row_id"])
        False
        """
        unused = None if self.roles.annotators else {"annotators"}
        roles = self.roles.model_dump_json(exclude=unused)
        h = hashlib.sha256(f"{self.modality}\0{roles}\0{self.n_rows}".encode())
        for name in sorted(columns):
            column = self.table[name]
            column = column if column.type == IMAGE else column.combine_chunks()
            h.update(json.dumps([name, str(column.type)]).encode())
            hash_array(column, h)
        return h.hexdigest()[:32]


def objects(values: list[Any]) -> np.ndarray:
    """Return a one-dimensional object array, also where the values are lists of equal length."""
    out = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        out[i] = value
    return out


def _as_table(rows: pa.Table | pd.DataFrame | Mapping[str, Any]) -> pa.Table:
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pd.DataFrame):
        return pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    return pa.table({name: pa.array(values) for name, values in rows.items()})


def _as_frame(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def _ascending(ids: pa.ChunkedArray) -> bool:
    ids = ids.combine_chunks()
    pairs = pc.less_equal(ids.slice(0, max(len(ids) - 1, 0)), ids.slice(1))
    return not pc.any(pc.invert(pairs)).as_py()


def _column_order(names: list[str]) -> list[str]:
    own = [c for c in (ROW_ID, SPLIT, WEIGHT, SOURCE, PARENTS) if c in names]
    return (
        [own[0], *sorted(c for c in names if c not in own), *own[1:]]
        if own[:1] == [ROW_ID]
        else _no_id(names)
    )


def _no_id(names: list[str]) -> list[str]:
    raise ValueError(f"no column {ROW_ID!r}; the columns are {sorted(names)}")


def _normal(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = _normal_type(column.type)  # types are compared as text: Parquet renames the items of lists
    return column if str(column.type) == str(kind) else column.cast(kind)


def _normal_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _normal_type(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_null(kind) or pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary(kind):
        return pa.large_binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_normal_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _normal_type(f.type)) for f in kind])
    return kind
