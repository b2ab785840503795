"""`assay diff`: what it says of two snapshots adds up."""

from __future__ import annotations

import pytest
from pipelines import commit_run, random_rows

from pipeline.diff import diff, in_words
from pipeline.findings import Edit, Findings
from pipeline.stage import Stage
from pipeline.store import Store


class Repair(Stage):
    """Sets the texts of two rows."""

    name = "repair"
    actions = ("set",)

    def find(self, data, signals):
        rows = {r["row_id"]: r["text"] for r in data.table.to_pylist()}
        return Findings.of("repair", [Edit(i, "odd", 0, "set", "why not", "text", rows[i], "mended")
                                      for i in ("r001", "r002")])  # fmt: skip


class Weed(Stage):
    """Drops one of the rows that were repaired and one that was not."""

    name = "weed"
    actions = ("drop",)

    def find(self, data, signals):
        return Findings.of("weed", [Edit(i, "copy", 0, "drop", "a copy") for i in ("r002", "r003")])


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    data = random_rows(3)
    table = data.table.set_column(data.table.column_names.index("split"), "split", [["train"] * data.n_rows])
    commit_run(store, type(data).of(table, data.roles, data.modality), [Repair(), Weed()])
    return store


def test_a_row_that_was_repaired_and_then_dropped_counts_where_it_was_dropped(store):
    found = diff(store, "root", "1")
    assert (len(found["dropped"]), len(found["changed"])) == (2, 1)
    assert found["stages"] == {"repair": {"changed": 1}, "weed": {"dropped": 2}}
    assert diff(store, "1", "root")["stages"] == {"repair": {"changed": 1}, "weed": {"added": 2}}


def test_only_shares_are_told_in_points(store):
    metrics = {"test accuracy": (0.5, 0.6), "test log_loss": (0.9, 0.7)}
    lines = in_words({**diff(store, "root", "1"), "metrics": metrics})
    assert "test accuracy: 0.500 -> 0.600 (+10.0 points)" in lines
    assert "test log_loss: 0.900 -> 0.700 (-0.200, less is better)" in lines
