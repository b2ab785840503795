"""Review from end to end, by the commands: audit, export, a person's pen, import, run, why."""

from __future__ import annotations

import json
from contextlib import chdir

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import WORDS
from loop_data import write_recipe
from typer.testing import CliRunner

from flows.cli import app
from flows.manners import _exit_code
from pipeline.review.cells import csv_text, read_csv
from pipeline.review.export import CSV_COLUMNS
from pipeline.review.items import origin
from pipeline.review.nearby import nearby
from pipeline.store import Store

WRONG = {"sport-train-5": "money", "sport-train-6": "money", "sport-train-7": "film", "sport-train-8": "film",
         "film-train-9": "money"}  # fmt: skip
HELD_OUT = "sport-test-3"
RECIPE = """
[data]
path = "rows.jsonl"
text = "text"
label = "label"
id = "id"
split = "split"

[[stages]]
use = "review"
decisions = "decisions.csv"
[[stages]]
use = "clean"
[[stages]]
use = "duplicates"

[loop]
rounds = 2
replicates = 5
"""


def assay(*arguments, cwd, code=0):
    """Run a command in this process, so that heavy imports are paid once; returns its result."""
    with chdir(cwd):
        done = CliRunner().invoke(app, [*map(str, arguments)])
    assert (_exit_code(done.exception) if done.exception else 0) == code, done.exception
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, its audit with brought probabilities that contradict five labels, and the review CSV."""
    folder = tmp_path_factory.mktemp("review")
    write_recipe(folder)
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    classes = sorted(WORDS)
    probs = np.full((len(rows), len(classes)), 0.02)
    for i, row in enumerate(rows):
        probs[i, classes.index(WRONG.get(row["id"], row["label"]))] = 0.96
    columns = {name: probs[:, k] for k, name in enumerate(classes)}
    pq.write_table(pa.table({"row_id": [r["id"] for r in rows], **columns}), folder / "probs.parquet")
    assay("audit", "rows.jsonl", "--pred-probs", "probs.parquet", "-o", "out", "-w", "w", "-q", cwd=folder)
    asked = ("--issue", "label", "--issue", "exact_duplicate", "-o", "review.csv", "-w", "w")
    done = assay("review", "export", "out", *asked, cwd=folder)
    assert "next: assay review import review.csv out" in done.stdout
    return folder


def fill_in(folder, **said):
    rows = [row for _, row in read_csv(folder / "review.csv")]
    for row in rows:
        row |= said.get(row["row_id"], {})
    (folder / "filled.csv").write_text(csv_text(CSV_COLUMNS, rows), "utf-8", newline="")
    return rows


def test_a_persons_decisions_stand_in_the_next_run(folder):
    decided = {
        "sport-train-5": {"decision": "keep", "note": "=a match report"},
        "sport-train-6": {"decision": "relabel", "new_label": "money"},
        "sport-train-7": {"decision": "drop"},
        "sport-train-0": {"decision": "keep"},
    }
    rows = fill_in(folder, **decided)
    assert {r["row_id"] for r in rows if r["issue"] == "label"} == set(WRONG)
    assert {r["row_id"]: r["suggested_label"] for r in rows if r["issue"] == "label"} == WRONG
    assert [r["row_id"] for r in rows if r["issue"] == "exact_duplicate"] == ["sport-train-0", "copy"]
    asked = ("review", "import", "filled.csv", "out", "-o", "decisions.csv", "-w", "w", "--json")
    facts = json.loads(assay(*asked, cwd=folder).stdout)
    assert facts == {"decisions": "decisions.csv", "keep": 2, "relabel": 1, "drop": 1}
    assert json.loads(assay(*asked, cwd=folder).stdout) == facts  # the same again is no harm
    with (folder / "decisions.csv").open("a") as file:  # and one by hand: the label of a held-out row
        file.write(f"{HELD_OUT},relabel,money\n")
    (folder / "r.toml").write_text(RECIPE)
    assay("run", "r.toml", "-w", "w", "-q", cwd=folder)
    store = Store(folder / "w")
    facts = store.run_facts(1)["facts"]
    raw, curated = store.load(facts["root"]), store.load(facts["curated"])
    for row_id in ("sport-train-5", "sport-train-0"):
        assert curated.rows([row_id]) == raw.rows([row_id])
    assert curated.labels[curated.position["sport-train-6"]] == "money"
    assert "sport-train-7" not in curated.position
    life = {row: assay("why", row, "-w", "w", cwd=folder).stdout for row in decided}
    assert 'kept by review: filled.csv; "=a match report"' in life["sport-train-5"]
    assert "set label from 'sport' to 'money' as review_relabel" in life["sport-train-6"]
    assert "dropped it as review_drop" in life["sport-train-7"] and "is not in" in life["sport-train-7"]
    assert "kept by review: duplicates would have dropped it (exact copy of row copy" in life["sport-train-0"]
    assert curated.labels[curated.position[HELD_OUT]] == "money"
    scored = json.loads((store.root / "runs" / "1" / "evaluation.json").read_text())
    support = [{c["class"]: c["support"] for c in scored[side]["per_class"]} for side in ("raw", "curated")]
    assert support[0] == support[1] == {"film": 20, "money": 21, "sport": 19}


def test_decisions_apply_to_a_dataset_by_themselves(folder):
    (folder / "one.csv").write_text("row_id;decision\nsport-train-1;drop\nsport-train-2;keep\n")
    done = assay("review", "apply", "rows.jsonl", "one.csv", "-o", "applied", "-w", "w", "-q", cwd=folder)
    assert "1 review_drop (drop), 1 review_keep (flag)" in done.stdout
    ids = pq.read_table(folder / "applied" / "dataset.parquet")["row_id"].to_pylist()
    assert "sport-train-1" not in ids and "sport-train-2" in ids


def test_a_rows_neighbours_are_at_hand_where_a_stage_has_looked(folder):
    store = Store(folder / "w")
    found = origin(folder / "out", folder / "w", None)
    near = nearby(found, store)("film-train-3")
    assert len(near) == 3 and {label for _, label in near} == {"film"}
    assert nearby(found, Store(folder / "elsewhere"))("film-train-3") == []


def test_unknown_rows_are_listed_and_nothing_is_written(folder):
    (folder / "typos.csv").write_text("row_id,decision\nsport-train-1,keep\nnobody,keep\nnothing,drop\n")
    done = assay("review", "import", "typos.csv", "out", "-o", "t.csv", "-w", "w", cwd=folder, code=65)
    assert "2 of 3 row ids are not in the data: nobody, nothing" in str(done.exception)
    assert done.stdout == ""
    assert not (folder / "t.csv").exists()


def test_other_decisions_are_not_written_over(folder):
    (folder / "a.csv").write_text("row_id,decision\nsport-train-1,keep\n")
    (folder / "b.csv").write_text("row_id,decision\nsport-train-1,drop\n")
    asked = ("out", "-o", "kept.csv", "-w", "w")
    assay("review", "import", "a.csv", *asked, cwd=folder)
    before = (folder / "kept.csv").read_bytes()
    assert "--replace" in str(assay("review", "import", "b.csv", *asked, cwd=folder, code=2).exception)
    assert (folder / "kept.csv").read_bytes() == before
    assay("review", "import", "b.csv", *asked, "--replace", cwd=folder)
    assert (folder / "kept.csv").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("export", "nowhere"), 2, "give the folder of: assay audit DATA -o OUT"),
        (("export", "-w", "empty"), 2, "no run yet in empty"),
        (("export", "out", "--to", "excel"), 2, "choose csv, label-studio, argilla"),
        (("export", "out", "--issue", "blurry"), 2, "nothing was found of issue 'blurry'; there is"),
        (("import", "nowhere.csv", "out"), 65, "nowhere.csv: no such file"),
        (("import", "review.csv", "out"), 65, "nobody decided anything yet"),
        (("apply", "rows.jsonl", "nowhere.csv"), 2, "nowhere.csv: no such file"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(arguments, code, says, folder):
    done = assay("review", *arguments, cwd=folder, code=code)
    assert says in str(done.exception) and "\n" not in str(done.exception) and done.stdout == ""
