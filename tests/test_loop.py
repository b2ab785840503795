from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from loop_data import write_recipe

from finetune.loop import improve
from finetune.record import commit, summarize
from finetune.settings import Training
from pipeline.history import History
from pipeline.ledger import why
from pipeline.recipe import load_recipe
from pipeline.run import replay
from pipeline.signals.engine import Engine
from pipeline.store import NotFound, Store

HARMFUL = """{body}
[[stages]]
use = "duplicates"
[[stages]]
use = "anomalies"
cut = 0.05
action = "drop"

[loop]
rounds = 1
replicates = 5
"""


def loop(recipe, store, workers=1, **more):
    plan = load_recipe(recipe, (), Training)
    engine = Engine(plan.signals, store, workers)
    return improve(plan, store, engine, **more), engine


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Store and outcome of one run in which the class film is spoilt."""
    folder = tmp_path_factory.mktemp("loop")
    recipe, store = write_recipe(folder, weak="film"), Store(folder / "workspace")
    outcome, _ = loop(recipe, store)
    return recipe, store, outcome, commit(outcome, store)


def focus(turn):
    return {s.name: s.focus for s in turn.stages if hasattr(s, "focus")}


def test_a_blank_evaluation_changes_nothing(shared):
    recipe, store, _, _ = shared
    blank, _ = loop(recipe, store, blank_evaluation=True)
    first, second = ([s.model_dump() for s in turn.stages] for turn in blank.rounds[:2])
    assert first == second
    assert blank.rounds[1].changes == []


@pytest.mark.parametrize(("weak", "other"), [("film", "money"), ("money", "film")])
def test_a_weak_slice_names_itself_and_changes_the_next_round(weak, other, shared, tmp_path):
    recipe = write_recipe(tmp_path, weak=weak)
    store = shared[1]
    outcome, _ = loop(recipe, store)
    blank, _ = loop(recipe, store, blank_evaluation=True)
    one, two = outcome.rounds
    assert all(f == () for f in focus(one).values())
    assert any(f"label={weak}" in f for f in focus(two).values())
    assert not any(f"label={other}" in f for f in focus(two).values())
    assert any(f"label={weak}" in line for line in two.changes)
    steps = {s.stage.name: s for s in two.steps}
    blanked = {s.stage.name: s for s in blank.rounds[1].steps}
    assert steps["augment"].findings.edits.num_rows > 0 == blanked["augment"].findings.edits.num_rows
    assert not steps["rebalance"].findings.edits.equals(blanked["rebalance"].findings.edits)
    one, two = (s["label_noise"].findings.metrics["probabilities"] for s in (steps, blanked))
    assert one != two


def test_the_same_run_twice_computes_nothing(shared):
    recipe, store, _, number = shared
    started = time.monotonic()
    again, engine = loop(recipe, store)
    assert engine.computed == []
    assert all(s.cached for r in again.rounds for s in r.steps)
    assert commit(again, store) == number and store.runs()[-1] == number
    assert time.monotonic() - started < 10


def test_replaying_the_accepted_edits_gives_the_curated_data(shared):
    _, _, outcome, _ = shared
    root, last = outcome.opened.dataset, outcome.rounds[-1]
    kept = [s for r in outcome.rounds[:-1] if r.accepted for s in r.steps if not s.stage.rebuilt]
    assert last.accepted
    assert replay(root, [*kept, *last.steps], rebuilt=True).fingerprint == outcome.curated.fingerprint


def test_the_history_of_the_run_gives_the_curated_data(shared):
    _, store, outcome, number = shared
    history = History.of(store, number)
    assert history.root.fingerprint == outcome.opened.dataset.fingerprint
    assert history.curated.fingerprint == outcome.curated.fingerprint
    assert {e.stage for e in history.entries if e.ids} >= {"duplicates", "rebalance", "augment"}


def test_every_stage_adds_up_by_ids(shared):
    for turn in shared[2].rounds:
        for step in turn.steps:
            f = step.facts
            assert f["rows_in"] + f["added"] == f["rows_out"] + f["dropped"]


def test_the_run_folder_holds_everything(shared):
    _, store, outcome, number = shared
    folder = store.root / "runs" / str(number)
    for name in (
        "dataset.parquet",
        "ledger.parquet",
        "issues.parquet",
        "evaluation.json",
        "report.html",
        "report.json",
    ):
        assert (folder / name).stat().st_size > 100, name
    about = json.loads((folder / "model" / "assay_dataset.json").read_text())
    assert about["fingerprint"] == outcome.curated.fingerprint
    facts = summarize(store, number)
    assert facts["run"] == number and "report.html" in facts["text"]
    assert store.head()["run"] == number


def test_the_ledger_holds_what_the_evaluation_found(shared):
    _, store, _, number = shared
    ledger = pq.read_table(store.root / "runs" / str(number) / "ledger.parquet").to_pylist()
    said = [row for row in ledger if row["stage"] == "evaluation"]
    assert any(row["round"] == 1 and "label=film" in row["because"] for row in said)
    assert all(row["issue"] == "underperforming_group" and row["row_id"] is None for row in said)


def test_a_harmful_round_keeps_only_hygiene_edits(tmp_path, shared, monkeypatch):
    worse = {
        "metric": "macro_f1",
        "raw": 0.9,
        "curated": 0.7,
        "replicates": 5,
        "method": "probe",
        "difference": -0.2,
        "low": -0.3,
        "high": -0.1,
        "verdict": "harmful",
    }
    monkeypatch.setattr("finetune.loop.compare_by_probe", lambda *_: worse)
    recipe = write_recipe(tmp_path, rounds=1)
    recipe.write_text(HARMFUL.format(body=recipe.read_text().split("[[stages]]")[0]))
    outcome, _ = loop(recipe, shared[1])
    assert not outcome.rounds[0].accepted and "rejected" in outcome.rounds[0].because
    gone = set(outcome.opened.dataset.ids) - set(outcome.curated.ids)
    assert len(gone) == 1 and gone <= {"copy", "sport-train-0"}  # the exact copy; the outliers are back
    number = commit(outcome, shared[1])
    outliers = outcome.rounds[0].steps[1].findings.rows()
    assert History.of(shared[1], number).curated.fingerprint == outcome.curated.fingerprint
    row_id = next(edit["row_id"] for edit in outliers if edit["action"] == "drop")
    told = "\n".join(why(shared[1], row_id, number))
    assert "proposed, not applied: dropped it as outlier" in told and "it is in the curated dataset" in told


def test_why_tells_a_rows_life(shared):
    _, store, outcome, _ = shared
    dropped = sorted(set(outcome.opened.dataset.ids) - set(outcome.curated.ids))
    told = "\n".join(why(store, dropped[0]))
    assert "read from" in told and "dropped it as exact_duplicate" in told and "is not in the curated" in told
    with pytest.raises(NotFound, match="no row"):
        why(store, "nobody")


@pytest.mark.parametrize("how", ["two workers", "another hash seed"])
def test_the_fingerprint_is_the_same_however_it_is_run(how, tmp_path):
    recipe = write_recipe(tmp_path, rounds=1)
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_loop import loop\nfrom pipeline.store import NotFound, Store\n"
        "if __name__ == '__main__':\n"
        "    print(loop(sys.argv[1], Store(sys.argv[2]), int(sys.argv[3]))[0].curated.fingerprint)\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)

    def fingerprint(name, workers, seed):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()}
        command = [sys.executable, str(script), str(recipe), str(tmp_path / name), workers]
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.strip()

    other = ("2", "1") if how == "two workers" else ("1", "2")
    assert fingerprint("a", "1", "1") == fingerprint("b", *other)


def test_the_layers_keep_their_distance():
    code = "import sys, {}; print(sorted(m for m in sys.modules if m.split('.')[0] in {}))"
    for module, banned in (
        ("pipeline", ("prefect", "torch", "transformers", "finetune", "flows", "sklearn")),
        (
            "pipeline.run, pipeline.auditing, pipeline.signals.engine",
            ("prefect", "torch", "transformers", "finetune", "flows"),
        ),
        ("finetune.loop, finetune.train, finetune.record", ("prefect", "flows")),
    ):
        command = [sys.executable, "-c", code.format(module, banned)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert done.stdout.strip() == "[]", f"{module} imports {done.stdout}"
