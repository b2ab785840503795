"""The demo of tables: the same bytes from a seed, faults where the truth says, and most of them found."""

from __future__ import annotations

import json

import pytest

from pipeline.demo.cancer import make
from pipeline.demo.planted import score_planted
from pipeline.ingest import RoleNames, Source, ingest
from pipeline.recipe import build_stage
from pipeline.run import run_stage
from pipeline.signals.engine import Engine

ROLES = RoleNames(label="diagnosis", id="id", split="split")


def read(folder, **how):
    path = make(folder / "data", folder / "truth", **how)
    truth = json.loads((folder / "truth" / "truth.json").read_text("utf-8"))
    return ingest([Source("", str(path))], ROLES, modality="tabular"), truth


def test_a_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    bodies = [make(tmp_path / name, tmp_path / f"{name}-truth", faults=True, seed=seed).read_bytes()
              for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    assert bodies[0] == bodies[1] != bodies[2]


def test_the_table_as_it_is_has_569_rows_and_nothing_planted(tmp_path):
    done, truth = read(tmp_path, faults=False)
    assert done.dataset.n_rows == 569 and truth["planted"] == []
    shares = [round(float((done.dataset.splits == s).mean()), 2) for s in ("train", "validation", "test")]
    assert shares == [0.6, 0.1, 0.3]


def test_planted_cells_are_repaired_and_copies_named(tmp_path):
    done, truth = read(tmp_path, faults=True)
    data, edits, scores = done.dataset, [], []
    for name, own in (("clean", {"fill": "iterative"}), ("cells", {}), ("duplicates", None)):
        settings = {"threshold": 0.85} if own is None else {"tabular": own}
        step = run_stage(data, build_stage(name, settings, "tabular"), Engine())
        edits.append(step.findings.edits)
        scores.append(step.findings.scores)
        data = step.after
    import pyarrow as pa

    lines = {line["fault"]: line for line in
             score_planted(truth, pa.concat_tables(edits), pa.concat_tables(scores))}
    for fault in ("exact copies", "missing cells", "a unit behind the number"):
        assert lines[fault]["recall"] == 1.0 and lines[fault]["precision"] == 1.0, fault
    assert lines["fuzzy copies"]["recall"] >= 0.9
    assert lines["numbers a thousand times too large"]["recall"] >= 0.9
    assert lines["numbers a thousand times too large"]["average_precision"] >= 0.7


@pytest.mark.parametrize("fault", ["wrong labels", "fuzzy copies"])
def test_only_train_rows_are_copied_or_mislabelled(tmp_path, fault):
    done, truth = read(tmp_path, faults=True)
    rows = next(line["rows"] for line in truth["planted"] if line["fault"] == fault)
    assert rows and {done.dataset.splits[done.dataset.position[i]] for i in rows} == {"train"}
