"""Which of some copies is kept, and that none of them is overlooked."""

from __future__ import annotations

import pyarrow as pa

from pipeline.dataset import Dataset, Roles
from pipeline.run import step_key
from pipeline.signals.engine import Engine, Signals
from pipeline.stages.duplicates import Duplicates

LONG = "the river runs from the hills past the mill and the old stone bridge down to the wide grey sea"
NEAR = LONG + " today"


def texts(*rows: tuple[str, str, str]) -> Dataset:
    """Rows r0, r1, ... of (text, label, split)."""
    table = pa.table({"row_id": [f"r{k}" for k in range(len(rows))], "text": [t for t, _, _ in rows],
                      "label": [y for _, y, _ in rows], "split": [s for _, _, s in rows]})
    return Dataset.of(table, Roles(content=("text",), label="label"), "text")


def found(data: Dataset, **settings: object) -> dict[str, set[tuple[str, str]]]:
    """(issue, action) of each row."""
    out: dict[str, set[tuple[str, str]]] = {}
    for row in Duplicates(**settings).find(data, Signals(data, Engine())).rows():
        out.setdefault(row["row_id"], set()).add((row["issue"], row["action"]))
    return out


def test_all_equal_rows_are_near_copies_of_what_the_first_of_them_copies():
    rows = [(LONG, "a", "train"), *[(NEAR, "a", "train")] * 3]
    assert found(texts(*rows)) == {f"r{k}": {("near_duplicate", "drop")} for k in (1, 2, 3)}


def test_all_equal_rows_leak_that_copy_a_held_out_row():
    rows = [(LONG, "a", "test"), *[(NEAR, "a", "train")] * 3]
    assert found(texts(*rows)) == {f"r{k}": {("leakage", "drop")} for k in (1, 2, 3)}


def test_of_copies_with_different_labels_one_with_most_votes_is_left():
    rows = [(LONG, "a", "train"), (LONG, "b", "train"), (LONG, "b", "train")]
    edits = found(texts(*rows), conflicting="drop")
    assert edits["r0"] == {("conflicting_labels", "drop")}
    assert {i for i, said in edits.items() if any(action == "drop" for _, action in said)} == {"r0", "r2"}
    assert not any(action == "drop" for said in found(texts(*rows[:2]), conflicting="drop").values()
                   for _, action in said)  # fmt: skip


def test_an_edit_of_how_twins_are_told_serves_no_old_result():
    key = step_key(texts((LONG, "a", "train")), Duplicates(), Engine())
    assert "pipeline.twins" in key.parts["code"]
