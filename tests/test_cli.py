"""The command line as a stranger meets it: real processes, their output, their exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import text_rows
from loop_data import write_recipe

ASSAY = str(Path(sys.executable).parent / "assay")


def assay(*arguments, cwd, ok=True, **env):
    done = subprocess.run([ASSAY, *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env={**os.environ, "HF_HUB_OFFLINE": "1", **env})
    if ok:
        assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a CSV of the text fixture and a workspace that the tests share."""
    import csv

    folder = tmp_path_factory.mktemp("cli")
    rows = text_rows()
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["row_id", "text", "label", "split", "site"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_help_opens_at_once_and_begins_with_examples(tmp_path):
    times = []
    for _ in range(3):
        started = time.monotonic()
        done = assay("--help", cwd=tmp_path)
        times.append(time.monotonic() - started)
    assert "assay demo" in done.stdout and "assay audit" in done.stdout
    assert min(times) < 1.0  # 0.3 s on an idle machine; here the other tests run beside it


def test_help_imports_nothing_heavy(tmp_path):
    heavy = ("numpy", "pandas", "pyarrow", "torch", "prefect", "sklearn", "pydantic", "rich")
    code = f"import sys, flows.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_audit_writes_a_report_and_says_what_it_guessed(folder):
    done = assay("audit", "rows.csv", "-o", "out", "-w", "w", cwd=folder)
    assert "label" in done.stderr and "report: out/report.html" in done.stdout
    issues = pq.read_table(folder / "out" / "issues.parquet")
    assert issues.num_rows == len(text_rows())
    for issue in ("label", "near_duplicate", "exact_duplicate", "outlier"):
        assert f"is_{issue}_issue" in issues.column_names and f"{issue}_score" in issues.column_names
    edits = pq.read_table(folder / "out" / "findings.parquet").to_pylist()
    named = {(e["row_id"], e["issue"]) for e in edits if e["row_id"]}
    for row in issues.to_pylist():
        for issue in ("label", "near_duplicate", "outlier"):
            assert row[f"is_{issue}_issue"] == ((row["row_id"], issue) in named)
    assert "Content-Security-Policy" in (folder / "out" / "report.html").read_text()
    before = pq.read_table(folder / "out" / "dataset.parquet")
    assert before.num_rows == len(text_rows())  # an audit changes nothing


@pytest.mark.parametrize(
    "stage", ["clean", "quality", "duplicates", "label-noise", "anomalies", "rebalance", "augment"]
)
def test_every_stage_runs_alone(stage, folder):
    done = assay(stage, "rows.csv", "-o", f"out-{stage}", "-w", "w", "--json", "-q", cwd=folder)
    facts = json.loads(done.stdout)
    assert done.stderr == ""
    table = pq.read_table(folder / f"out-{stage}" / "dataset.parquet")
    assert table.num_rows == facts["rows_out"]
    made = f"out-{stage}/dataset.parquet"
    again = assay(stage, made, "-o", f"again-{stage}", "-w", "w", "--json", "-q", cwd=folder)
    assert json.loads(again.stdout)["rows_in"] == facts["rows_out"]  # what it writes, it reads


def test_a_stage_takes_settings(folder):
    asked = ("duplicates", "rows.csv", "-o", "d1", "-w", "w", "--json", "-q", "--set", "near=flag")
    strict = json.loads(assay(*asked, cwd=folder).stdout)
    assert strict["issues"]["near_duplicate"] == {"flag": 1}


def test_run_why_report_finetune_and_evaluate(tmp_path):
    recipe = write_recipe(tmp_path, rounds=1)
    done = assay("run", recipe, "-w", "w", cwd=tmp_path)
    assert "report: w/runs/1/report.html" in done.stdout
    told = r"curated - raw on test: \w+ (\S+) points .* replicates?: ([\d.]+) -> ([\d.]+), "
    points, raw, curated = map(float, re.search(told, done.stdout).groups())
    assert points == pytest.approx(100 * (curated - raw), abs=0.16)  # the two means explain the difference
    again = assay("run", recipe, "-w", "w", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["run"] == 1 and "computing" not in again.stderr
    assert "dropped it as exact_duplicate" in assay("why", "sport-train-0", "-w", "w", cwd=tmp_path).stdout
    assert assay("report", "-w", "w", cwd=tmp_path).stdout.strip() == "w/runs/1/report.html"
    more = json.loads(assay("improve", recipe, "-w", "w", "--json", "-q", cwd=tmp_path).stdout)
    assert more["run"] == 2 and more["rounds"] == 2
    model = assay("finetune", "rows.jsonl", "-o", "model", "-w", "w", cwd=tmp_path)
    assert "probe of minilm" in model.stdout
    done = assay("evaluate", "model", "rows.jsonl", "-w", "w", "--json", "-q", cwd=tmp_path)
    scored = json.loads(done.stdout)
    assert scored["n"] == 60 and scored["metrics"]["accuracy"]["value"] > 0.9


def test_stages_and_schema_are_complete(tmp_path):
    listed = json.loads(assay("stages", "--json", cwd=tmp_path).stdout)
    schema = json.loads(assay("schema", cwd=tmp_path).stdout)
    choices = schema["properties"]["stages"]["items"]["oneOf"]
    named = {choice["properties"]["use"]["const"] for choice in choices}
    assert named == set(listed) and len(named) >= 7
    assert "threshold" in listed["duplicates"]["settings"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("audit", "nowhere.csv"), 65, "nowhere.csv"),
        (("run", "nowhere.toml"), 2, "nowhere.toml"),
        (("run", "bad.toml"), 2, "bad.toml:2: data.pth: unknown key, did you mean path?"),
        (("duplicates", "rows.csv", "--set", "treshold=0.9"), 2, "did you mean threshold?"),
        (("audit", "rows.csv", "--label-column", "lable"), 65, "lable"),
        (("why", "r000", "-w", "empty"), 2, "no run yet"),
        (("report", "-w", "empty"), 2, "no run yet"),
        (("evaluate", "no-model", "rows.csv"), 2, "no model folder"),
        (("demo", "--variant", "odd"), 2, "choose faulty, as-is or both"),
        (("audit", "empty.csv"), 65, "empty.csv"),
        (("audit", "rows.csv", "--pred-probs", "nowhere.parquet"), 65, "nowhere.parquet"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(arguments, code, says, folder):
    (folder / "bad.toml").write_text('[data]\npth = "rows.csv"\npath = "rows.csv"\n')
    (folder / "empty.csv").write_text("")
    done = assay(*arguments, cwd=folder, ok=False)
    assert done.returncode == code, done.stderr
    assert says in done.stderr and "Traceback" not in done.stderr and done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 or arguments[0] == "run"


def test_a_mistyped_command_is_told_what_was_meant(tmp_path):
    done = assay("duplicate", "x.csv", cwd=tmp_path, ok=False)
    assert done.returncode == 2 and "duplicates" in done.stderr


def test_two_lines_of_python_audit_a_frame(tmp_path):
    import numpy as np
    import pandas as pd

    import pipeline as assay_

    rows = [r for r in text_rows() if r["split"] == "train" and r["label"] != "opera"]
    frame = pd.DataFrame(rows).drop(columns=["split", "row_id"])
    classes = sorted(set(frame["label"]))
    probabilities = np.full((len(frame), len(classes)), 0.05)
    for i, label in enumerate(frame["label"]):
        probabilities[i, classes.index(label)] = 0.9
    probabilities[5] = [0.96, 0.02, 0.02] if frame["label"][5] != classes[0] else [0.02, 0.96, 0.02]
    for _ in range(2):  # the second look-up of `audit` once gave the module
        audit = assay_.audit(frame, label="label", pred_probs=probabilities)
    issues = audit.issues.set_index("row_id")
    assert bool(issues.loc["5", "is_label_issue"]) and issues["is_label_issue"].sum() == 1
    assert audit.report(tmp_path / "page.html").stat().st_size > 10_000
    with pytest.raises(ValueError, match="3 classes"):
        assay_.audit(frame, label="label", pred_probs=probabilities[:, :2])
