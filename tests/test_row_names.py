"""Rows that came from files can be found by their files' names."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pipelines import commit_run, random_rows
from report_page import Page
from test_diff import Repair, Weed
from test_report_images import pictures, record_of

from pipeline.dataset import Dataset
from pipeline.ledger import why
from pipeline.report.page import render
from pipeline.report.privacy import redacted
from pipeline.store import NotFound, Store
from pipeline.undo import undo


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    data = random_rows(3)
    files = [f"disc/{i}.txt" for i in data.ids[:-1]]
    table = data.table.append_column("file", pa.array([*files, files[-1]]))
    table = table.set_column(table.column_names.index("split"), "split", [["train"] * data.n_rows])
    commit_run(store, Dataset.of(table, data.roles, data.modality), [Repair(), Weed()])
    return store


def test_why_and_undo_find_a_row_by_its_file(store):
    assert why(store, "disc/r003.txt") == why(store, "r003")
    assert "file disc/r003.txt" in why(store, "r003")[0]
    done = undo(store, row="disc/r003.txt")
    assert done.edits == {"weed": 1}


def test_a_file_of_several_rows_and_one_of_none_are_refused(store):
    with pytest.raises(NotFound, match=r"2 rows are of file 'disc/r038.txt': r038, r039 \(name one"):
        why(store, "disc/r038.txt")
    with pytest.raises(NotFound, match=r"no row 'disc/x.txt'"):
        why(store, "disc/x.txt")


def test_the_report_names_the_files_of_pictures_unless_it_is_redacted():
    raw = pictures()
    files = pa.array([f"disc/{i}.jpg" for i in raw.ids])
    record = record_of(Dataset.of(raw.table.append_column("file_name", files), raw.roles, raw.modality))
    words = Page(render(record)).words
    assert "disc/p0001.jpg" in words and "disc/p0003.jpg" in words
    gone = redacted(record)
    assert "disc/" not in Page(render(gone)).words and "disc/" not in json.dumps(gone)
