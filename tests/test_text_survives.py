"""Text stays text: what others take for missing, a number, a time or a truth comes out as it went in."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile.front_door import Worker
from promises import record

from pipeline.dataset import Dataset, Roles
from pipeline.ingest import RoleNames, Source, ingest
from pipeline.store import Store

TRICKY = ["NA", "null", "None", "nan", "", "N/A", "TRUE", "007", "1e5", "2024-01-01", "12:30", "NO"]
MORE = [
    "NaN",
    "#N/A",
    "-",
    "?",
    "inf",
    "-0",
    "+1",
    "0x1F",
    "1_000",
    "1,5",
    "00",
    ".5",
    "1.",
    "True",
    "yes",
    "off",
    "~",
    "0777",
    "1.0",
    "1.10",
    "9007199254740993",
    "1E400",
    "\\N",
    "undefined",
    "[]",
    "{}",
    '"',
    "'",
    "=1+1",
    "é",
    "\ufeffx",
]
CELLS = [*TRICKY, *MORE]
FORMATS = ("csv", "tsv", "jsonl", "parquet")


def rows() -> list[dict[str, str]]:
    """Return a row for each cell, which is its text, its label and its metadata."""
    return [{"key": f"k{i:03d}", "text": cell, "label": cell, "note": cell} for i, cell in enumerate(CELLS)]


def write(folder: Path, kind: str, lines: list[dict[str, str]]) -> Path:
    path = folder / f"d.{kind}"
    if kind in ("csv", "tsv"):
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(lines[0]), delimiter="," if kind == "csv" else "\t")
            writer.writeheader()
            writer.writerows(lines)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        pq.write_table(pa.Table.from_pylist(lines), path)
    return path


def changed(
    table: pa.Table, wanted: list[dict[str, str]], columns: tuple[str, ...] = ("text", "label", "note")
) -> list[str]:
    """Return the cells that are not what went in. An empty label is a missing one, and said to be."""
    found = {row["row_id"]: row for row in table.to_pylist()}
    out = []
    for row in wanted:
        for column in columns:
            expected = None if column == "label" and row[column] == "" else row[column]
            if found[row["key"]][column] != expected:
                out.append(f"{column} {row[column]!r} is {found[row['key']][column]!r}")
    return out


@pytest.fixture(scope="module")
def tally():
    found: dict[str, list[str]] = {}
    yield found
    bad = sum(map(len, found.values()))
    record("text_survives", 3 * len(CELLS) * len(found) - bad, bad, strings=len(CELLS), ways=len(found))


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


@pytest.mark.parametrize("kind", FORMATS)
def test_ingest_changes_no_cell(kind, tmp_path, tally):
    path = write(tmp_path, kind, rows())
    done = ingest(
        [Source("", str(path))], RoleNames(content=("text",), label="label", id="key"), modality="text"
    )
    assert not done.quarantine.num_rows
    tally[f"ingest {kind}"] = changed(done.dataset.table, rows())
    assert not tally[f"ingest {kind}"]
    assert any("1 empty label" in note for note in done.notes)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_snapshot_changes_no_cell(kind, tmp_path, tally):
    path = write(tmp_path, kind, rows())
    done = ingest(
        [Source("", str(path))], RoleNames(content=("text",), label="label", id="key"), modality="text"
    )
    store = Store(tmp_path / "w")
    again = store.load(store.save(done.dataset))
    assert again.fingerprint == done.dataset.fingerprint
    tally[f"snapshot {kind}"] = changed(again.table, rows())
    assert not tally[f"snapshot {kind}"]


@pytest.mark.parametrize("kind", FORMATS)
def test_clean_with_its_defaults_changes_no_cell_that_is_fine(kind, tmp_path, worker, tally):
    """The written file is read back, once by Arrow and once by ourselves."""
    write(tmp_path, kind, lines := [r for r in rows() if "\ufeff" not in r["text"]])
    asked = ["--workers", "1", "--text-column", "text", "--label-column", "label", "--id-column", "key", "-q"]
    assert worker(["clean", f"d.{kind}", "-o", "out", "-w", "w", *asked], tmp_path).code == 0
    out = pq.read_table(tmp_path / "out" / "dataset.parquet")
    tally[f"clean {kind}"] = changed(out, lines)
    assert not tally[f"clean {kind}"]
    seen = worker(["clean", "out/dataset.parquet", "-o", "again", "-w", "w", *asked[:6], "-q"], tmp_path)
    assert seen.code == 0, seen.err
    again = pq.read_table(tmp_path / "again" / "dataset.parquet")
    tally[f"clean {kind} again"] = changed(again, lines)
    assert not tally[f"clean {kind} again"]


@pytest.mark.parametrize(
    "labels", [["007", "010"], ["1e5", "2e5"], ["1.0", "2.0"], ["TRUE", "FALSE"], ["NA", "NO"]]
)
def test_labels_and_metadata_of_a_table_of_numbers_keep_their_spelling(labels, tmp_path):
    lines = [
        {"key": f"k{i}", "x": f"{i}.5", "label": labels[i % 2], "note": labels[i % 2]} for i in range(20)
    ]
    done = ingest(
        [Source("", str(write(tmp_path, "csv", lines)))],
        RoleNames(content=("x",), label="label", id="key"),
        modality="tabular",
    )
    assert pa.types.is_floating(done.dataset.table["x"].type)
    assert not changed(done.dataset.table, lines, ("label", "note"))


def test_a_whole_number_is_the_same_label_from_every_format(tmp_path):
    lines = [{"key": f"k{i}", "x": f"{i}.5", "label": str(i % 2)} for i in range(20)]
    done = ingest(
        [Source("", str(write(tmp_path, "csv", lines)))],
        RoleNames(content=("x",), label="label", id="key"),
        modality="tabular",
    )
    assert set(done.dataset.labels) == {0, 1}


def test_a_dataset_built_in_python_keeps_its_strings():
    cells = dict(zip(map(str, range(len(CELLS))), CELLS, strict=True))
    data = Dataset.of({"row_id": list(cells), "text": list(cells.values())}, Roles(content=("text",)), "text")
    assert dict(zip(data.ids, data.table["text"].to_pylist(), strict=True)) == cells


def test_the_comparison_sees_a_lost_cell():
    """What pandas with its defaults makes of the same strings."""
    lines = [{"key": f"k{i:03d}", "text": cell} for i, cell in enumerate(TRICKY)]
    frame = pd.read_csv(io.StringIO("row_id,text\n" + "".join(f"{r['key']},{r['text']}\n" for r in lines)))
    lost = changed(pa.Table.from_pandas(frame), lines, ("text",))
    assert len(lost) == 6 and "text 'NA' is None" in lost
