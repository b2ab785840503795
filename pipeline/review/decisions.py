"""Decisions: one line a row, `keep`, `drop` or `relabel`, with who said so, as CSV or Parquet."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.durable import sync
from pipeline.files import Corrupt, read_parquet, write_parquet
from pipeline.hashing import cell_json
from pipeline.ingest import InputError
from pipeline.label_types import canonical, shape_of_type
from pipeline.review.cells import csv_text, read_csv

VERBS = ("keep", "drop", "relabel")


class Decision(NamedTuple):
    """What people decided about one row.

    new_label : the label as text (see `label_text`), for `relabel`; else empty.
    source : who or what it came from. votes : how many said what, as JSON, where several people looked.
    """

    row_id: str
    decision: str
    new_label: str = ""
    note: str = ""
    source: str = ""
    votes: str = ""


def label_text(label: Any) -> str:
    """Return a label cell as the text that people see and type; empty where it is missing.

    >>> label_text("pos"), label_text(3), label_text(["a", "b"]), label_text(None)
    ('pos', '3', '["a", "b"]', '')
    """
    return "" if label is None else label if isinstance(label, str) else cell_json(label)


def label_cell(text: str, kind: pa.DataType) -> Any:
    """Return the label cell that a text stands for. Raises `ValueError` when the column cannot hold it.

    Where labels are lists or votes, the name of one class stands for it alone.

    >>> label_cell("3", pa.int64()), label_cell("3", pa.large_string())
    (3, '3')
    >>> label_cell('["b", "a"]', pa.large_list(pa.large_string()))
    ['a', 'b']
    >>> label_cell("b", pa.struct({"a": pa.float64(), "b": pa.float64()}))
    {'a': 0.0, 'b': 1.0}
    """
    if _is_text(kind):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    shape = shape_of_type(kind)
    if shape == "set":
        value = value if isinstance(value, list) else [text if _is_text(kind.value_type) else value]
    elif shape == "votes":
        value = value if isinstance(value, dict) else {text: 1.0}
        if strange := sorted(set(value) - {f.name for f in kind}):
            raise ValueError(f"{strange[0]!r} is no class of the votes, which are {kind}")
    try:
        return canonical(pa.chunked_array([pa.array([value], kind)]))[0].as_py()
    except (ValueError, TypeError, pa.ArrowException):
        raise ValueError(f"{text!r} is no {kind}, which the labels are") from None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def read_decisions(path: Path) -> list[Decision]:
    """Read a decisions file, or a review CSV that a person filled in; undecided lines are passed over.

    Raises `InputError` naming file and line: an unknown decision, a relabel without a label, a row decided
    twice.
    """
    found: dict[str, Decision] = {}
    for line, cells in _lines(path):
        where = f"{path}:{line}"
        verb = cells.get("decision", "").strip().lower()
        label = cells.get("new_label", "")
        if not verb and not label.strip():
            continue
        if verb not in VERBS:
            hint = f"to change the label, write relabel beside {label!r}" if not verb else ", ".join(VERBS)
            raise InputError(f"{where}: decision {verb!r} is none of keep, drop, relabel ({hint})")
        if (verb == "relabel") != bool(label.strip()):
            need = "needs a new_label" if verb == "relabel" else f"goes with no new_label, has {label!r}"
            raise InputError(f"{where}: {verb} {need} (row {cells['row_id']})")
        source = cells.get("source") or path.name
        one = Decision(cells["row_id"], verb, label, cells.get("note", ""), source, cells.get("votes", ""))
        before = found.setdefault(one.row_id, one)
        if before[1:3] != one[1:3]:
            raise InputError(f"{where}: row {one.row_id} is decided twice, as {before[1]} and as {one[1]}")
    return list(found.values())


def write_decisions(path: Path, decisions: Iterable[Decision]) -> None:
    """Write a decisions file (Parquet by its name, else CSV) in one step: whole, or as it was before."""
    rows = [one._asdict() for one in decisions]
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        if path.suffix == ".parquet":
            schema = pa.schema([(name, pa.large_string()) for name in Decision._fields])
            write_parquet(scratch, pa.Table.from_pylist(rows, schema=schema))
        else:
            scratch.write_text(csv_text(Decision._fields, rows), "utf-8", newline="")
        sync(scratch)
        os.replace(scratch, path)
        sync(path.parent)
    finally:
        scratch.unlink(missing_ok=True)


def checked(
    decisions: Sequence[Decision],
    known: Mapping[str, str],
    labels: Sequence[str],
    new_labels: bool,
    where: str,
) -> None:
    """Refuse decisions on unknown rows, and labels that nobody has unless `new_labels`.

    known : split by row id. Raises `InputError`, listing them all.
    """
    from pipeline.recipe_faults import meant

    strange = [d.row_id for d in decisions if d.row_id not in known]
    if strange:
        listed = ", ".join(strange[:20]) + (f" and {len(strange) - 20} more" if len(strange) > 20 else "")
        raise InputError(
            f"{where}: {len(strange)} of {len(decisions)} row ids are not in the data: {listed} (is it "
            "another run's file? a spreadsheet may have changed ids that look like numbers)"
        )
    odd = [d for d in decisions if d.new_label and d.new_label not in labels]
    if odd and not new_labels:
        lines = [
            f"row {d.row_id}: {d.new_label!r} is no label of the data{meant(d.new_label, labels)}"
            for d in odd[:10]
        ]
        raise InputError(f"{where}: {'; '.join(lines)} (--new-labels allows labels that no row has yet)")


def _lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    if path.suffix == ".parquet":
        try:
            table = read_parquet(path)
        except Corrupt as error:
            raise InputError(str(error)) from None
        rows = [{k: label_text(v) for k, v in row.items()} for row in table.to_pylist()]
        lines, names = list(enumerate(rows, 1)), table.column_names
    else:
        lines = read_csv(path)
        names = list(lines[0][1]) if lines else ["row_id", "decision"]
    if missing := [n for n in ("row_id", "decision") if n not in names]:
        raise InputError(f"{path}: no column {missing[0]!r}; it has {', '.join(names)}")
    return lines
