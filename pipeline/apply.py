"""apply: findings -> a new dataset. The only writer, and the place where the rulings are enforced."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from pipeline.dataset import OWN_COLUMNS, PARENTS, ROW_ID, SPLIT, WEIGHT, Dataset
from pipeline.findings import Findings
from pipeline.hashing import IMAGE, cell_json, light_cells


class Refused(Exception):
    """An edit breaks a ruling: it names the stage, the row and the ruling."""


def apply(data: Dataset, findings: Findings, touches: Literal["train", "all", "human"] = "train") -> Dataset:
    """Carry out the edits and return a new dataset; the old one is untouched.

    Dropping a row drops the rows made from it. Raises `Refused` when an edit names an unknown row, changes a
    held-out row it may not, finds another cell than the one it saw, or when rows in + added is not
    rows out + dropped, by ids.
    """
    edits = findings.rows()
    drops: set[str] = set()
    sets: dict[tuple[str, str], dict[str, Any]] = {}
    for edit in edits:
        if edit["action"] in ("flag", "add"):
            continue
        row_id = edit["row_id"]
        if row_id not in data.position:
            raise Refused(f"{edit['stage']}: there is no row {row_id!r} to {edit['action']}")
        _check_fence(data, edit, touches)
        if edit["action"] == "drop":
            drops.add(row_id)
        else:
            cell = (row_id, edit["column"])
            if cell in sets and cell_json(sets[cell]["value"]) != cell_json(edit["value"]):
                raise Refused(
                    f"{edit['stage']}: row {row_id!r}, column {edit['column']!r} is set twice, differently"
                )
            sets[cell] = edit
    drops |= {i for i, parents in zip(data.ids, data.parents, strict=True) if drops.intersection(parents)}
    table = _with_sets(data, list(sets.values()))
    table = kept_rows(table, np.array([i not in drops for i in data.ids], dtype=bool))
    added = _checked_added(data, findings, edits, drops)
    if added is not None:
        table = pa.concat_tables([table, added.select(table.column_names).cast(table.schema)])
    out = Dataset.of(table, data.roles, data.modality)
    conserve(
        data.ids, out.ids, dropped=drops, added=set() if added is None else set(added[ROW_ID].to_pylist())
    )
    return out


def kept_rows(table: pa.Table, keep: np.ndarray) -> pa.Table:
    """Return the rows where `keep` (n,) is true; pictures are not copied, they stay where they are.

    >>> kept_rows(pa.table({"x": [1, 2, 3]}), np.array([True, False, True]))["x"].to_pylist()
    [1, 3]
    """
    if keep.all():
        return table
    edges = np.flatnonzero(np.diff(np.concatenate([[0], keep, [0]])))
    runs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    mask = pa.array(keep)
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.type == IMAGE:
            chunks = [chunk for start, end in runs for chunk in column.slice(start, end - start).chunks]
            columns[name] = pa.chunked_array(chunks, IMAGE)
        else:
            columns[name] = column.filter(mask)
    return pa.table(columns)


def conserve(before: Collection[str], after: Collection[str], dropped: set[str], added: set[str]) -> None:
    """Check rows in + added = rows out + dropped, by ids. Raises `Refused`."""
    was, now = set(before), set(after)
    if (was | added) != (now | dropped) or was & added or now & dropped or len(now) != len(after):
        odd = sorted(((was | added) ^ (now | dropped)) | (was & added) | (now & dropped))[:3]
        raise Refused(f"rows in + added is not rows out + dropped; see rows {odd}")


def child_id(parents: Sequence[str], stage: str, settings: str, k: int) -> str:
    """Return the id of the k-th row a stage makes from these parents.

    >>> child_id(["b", "a"], "augment", "{}", 0) == child_id(["a", "b"], "augment", "{}", 0)
    True
    """
    key = json.dumps([sorted(parents), stage, settings, k])
    return f"{stage}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def make_children(data: Dataset, rows: Sequence[dict[str, Any]], stage: str, settings: str) -> pa.Table:
    """Return rows to add, in the dataset's schema.

    Each mapping names its `parents` and the cells it has of its own. Cells it does not give are copied from
    the first parent; the split is train.
    """
    firsts = data.table.take([data.position[row[PARENTS][0]] for row in rows]).to_pylist()
    counts: dict[tuple[str, ...], int] = {}
    out = []
    for row, first in zip(rows, firsts, strict=True):
        parents = tuple(sorted(set(row[PARENTS])))
        k = counts[parents] = counts.get(parents, -1) + 1
        out.append(
            {
                **first,
                **row,
                PARENTS: list(parents),
                SPLIT: "train",
                ROW_ID: child_id(parents, stage, settings, k),
            }
        )
    return pa.Table.from_pylist(out, schema=data.table.schema)


def _check_fence(data: Dataset, edit: dict[str, Any], touches: str) -> None:
    row_id, action, column = edit["row_id"], edit["action"], edit["column"]
    held_out = data.splits[data.position[row_id]] != "train"
    who = f"{edit['stage']}: row {row_id!r}"
    if action == "set":
        if column in OWN_COLUMNS:
            raise Refused(f"{who}: column {column!r} is Assay's own and is never set")
        if column != WEIGHT and column not in data.table.column_names:
            raise Refused(f"{who}: there is no column {column!r}")
        if touches == "all" and column in (data.roles.label, WEIGHT):
            raise Refused(f"{who}: a stage that touches all splits never sets {column!r}")
    if held_out and touches == "train":
        raise Refused(f"{who} is held out; {action} is not allowed on it")
    if touches == "all" and action == "drop":
        raise Refused(f"{who}: a stage that touches all splits may only set cells")


def _with_sets(data: Dataset, sets: list[dict[str, Any]]) -> pa.Table:
    """Return the table with the cells replaced.

    Weights multiply; every other cell must be what the stage saw.
    """
    table = data.table
    for column in sorted({edit["column"] for edit in sets}):
        of_column = [e for e in sets if e["column"] == column]
        if column == WEIGHT:
            weights = data.weights.copy()
            for edit in of_column:
                weights[data.position[edit["row_id"]]] *= float(edit["value"])
            cells, kind = weights.tolist(), pa.float64()
        else:
            cells, kind = light_cells(table[column]), table.schema.field(column).type
            for edit in of_column:
                i = data.position[edit["row_id"]]
                if cell_json(cells[i]) != cell_json(edit["before"]):
                    raise Refused(
                        f"{edit['stage']}: row {edit['row_id']!r}, column {column!r} holds "
                        f"{cells[i]!r}, not {edit['before']!r} as when the edit was found"
                    )
                cells[i] = edit["value"]
        try:
            if kind == IMAGE:
                new = {data.position[e["row_id"]]: e["value"] for e in of_column}
                array = _with_pictures(table[column], new)
            else:
                array = pa.array(cells, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise Refused(f"{of_column[0]['stage']}: column {column!r} is {kind}: {error}") from None
        if column in table.column_names:
            table = table.set_column(table.column_names.index(column), column, array)
        else:
            table = table.append_column(column, array)
    return table


def _with_pictures(column: pa.ChunkedArray, new: dict[int, Any]) -> pa.ChunkedArray:
    """Return a column of pictures with some replaced; the others are not copied."""
    made = pa.array(list(new.values()), IMAGE)
    place = {row: k for k, row in enumerate(new)}
    chunks, start = [], 0
    for row in [*sorted(new), len(column)]:
        chunks += column.slice(start, row - start).chunks
        if row in place:
            chunks.append(made.slice(place[row], 1))
        start = row + 1
    return pa.chunked_array(chunks, IMAGE)


def _checked_added(
    data: Dataset, findings: Findings, edits: list[dict[str, Any]], drops: set[str]
) -> pa.Table | None:
    named = {e["row_id"]: set(e["related"]) for e in edits if e["action"] == "add"}
    added = findings.added
    ids = [] if added is None else added[ROW_ID].to_pylist()
    if set(ids) != set(named) or len(ids) != len(named):
        raise Refused(f"added rows and add edits differ: {sorted(set(ids) ^ set(named))[:3]}")
    if added is None or not ids:
        return None
    missing = [c for c in data.table.column_names if c not in added.column_names]
    if missing:  # a weight set by the same findings
        raise Refused(f"added rows have no column {missing[0]!r}")
    is_train_root = dict(
        zip(data.ids, data.is_train & np.array([not p for p in data.parents], bool), strict=True)
    )
    for row_id, parents, split in zip(ids, added[PARENTS].to_pylist(), added[SPLIT].to_pylist(), strict=True):
        if row_id in data.position:
            raise Refused(f"row {row_id!r} is already there; this stage has made its rows before")
        if split != "train" or not parents or set(parents) != named[row_id]:
            raise Refused(f"added row {row_id!r} must be a train row that names its parents")
        if bad := [p for p in parents if not is_train_root.get(p) or p in drops]:
            raise Refused(f"added row {row_id!r}: parent {bad[0]!r} is not a train row of the dataset")
    return added
