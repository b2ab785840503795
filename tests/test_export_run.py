"""`assay export croissant -w`: a run's curated data, described."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from front_door import assay
from pipelines import commit_run, random_rows
from test_diff import Repair, Weed

from pipeline.dataset import Dataset
from pipeline.store import Store


@pytest.fixture
def folder(tmp_path):
    data = random_rows(3)
    table = data.table.set_column(data.table.column_names.index("split"), "split", [["train"] * data.n_rows])
    commit_run(Store(tmp_path / "w"), Dataset.of(table, data.roles, data.modality), [Repair(), Weed()])
    return tmp_path


def test_a_runs_curated_data_are_written_and_described(folder, capsys):
    code, _, said = assay(capsys, "export", "croissant", folder / "out", "-w", folder / "w", "--json")
    assert code == 0, said
    rows = pq.read_table(folder / "out" / "dataset.parquet")
    assert rows.num_rows == 38 and "mended" in rows["text"].to_pylist()
    stated = json.loads((folder / "out" / "croissant.json").read_text("utf-8"))
    assert stated["distribution"][0]["contentUrl"] == "dataset.parquet" and "38 rows" in stated["description"]


def test_a_folder_that_holds_something_is_left_alone(folder, capsys):
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("mine")
    code, _, said = assay(capsys, "export", "croissant", folder / "out", "-w", folder / "w")
    assert code == 2 and "there already" in said
    assert [p.name for p in (folder / "out").iterdir()] == ["mine.txt"]
