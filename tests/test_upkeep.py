"""What a workspace holds, whether it is whole, what nothing needs; and what is different between
snapshots."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pipelines import Whim, commit_run, random_rows
from promises import count, record

from pipeline.dataset import Dataset
from pipeline.diff import diff, in_words
from pipeline.history import History
from pipeline.recipe import build_stage
from pipeline.run import curate, run_stage
from pipeline.signals.engine import Engine
from pipeline.store import Store
from pipeline.undo import restore, undo
from pipeline.upkeep import gc, snapshots, verify


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    stages = [build_stage("clean", {}, "text"), build_stage("duplicates", {}, "text"), Whim(seed=1, n=10)]
    commit_run(store, random_rows(5), stages, Engine(cache=store))
    return store


def age(store, days):
    for folder in store.folders():
        os.utime(folder, (time.time() - days * 86_400,) * 2)


def test_snapshots_say_what_they_are_to_the_runs(store):
    undo(store, stage="duplicates", cascade=True)
    listed = {s["snapshot"]: s for s in snapshots(store)}
    head = [s for s in listed.values() if s["head"]]
    assert [s["is"] for s in head] == [["curated by run 2"]]
    history = History.of(store, 1)
    assert listed[history.root.fingerprint]["is"] == ["root of run 1", "root of run 2"]
    assert len(listed) >= 4 and any(s["is"] == ["what one stage left"] for s in listed.values())
    assert all(s["rows"] == store.load(name).n_rows for name, s in listed.items())


def test_verify_finds_every_fault_and_only_those(store):
    checked, faults = verify(store)
    assert faults == [] and checked == len(list(store.folders())) >= 8
    history = History.of(store, 1)
    shutil.rmtree(store.root / "steps" / history.entries[0].key)
    flipped = store.root / "datasets" / history.root.fingerprint / "shard-00000.parquet"
    flipped.chmod(0o644)
    bytes_ = bytearray(flipped.read_bytes())
    bytes_[100] ^= 4
    flipped.write_bytes(bytes(bytes_))
    faults = verify(store)[1]
    assert len(faults) == 2
    assert history.entries[0].key in "".join(faults) and "shard-00000.parquet" in "".join(faults)


def test_gc_removes_what_no_run_stands_on_and_nothing_used(store):
    other = run_stage(random_rows(6), build_stage("clean", {}, "text"), Engine(cache=store), store)
    stood_on = {f for f in store.folders() if f.parent.name == "runs"}
    for entry in History.of(store, 1).entries:
        stood_on.add(store.root / "steps" / entry.key)
    assert gc(store, 1).folders == {}  # all of it is new
    age(store, 2)
    store.load(other.after.fingerprint)  # was used just now
    tried, before = gc(store, 1, dry_run=True), set(store.folders())
    assert set(store.folders()) == before
    done = gc(store, 1)
    assert done == tried and done.bytes > 0 and {"steps", "signals", "datasets"} <= set(done.folders)
    left = set(store.folders())
    assert stood_on <= left and store.root / "datasets" / other.after.fingerprint in left
    assert verify(store)[1] == [] and History.of(store, 1).curated.fingerprint == store.head()["snapshot"]
    assert list((store.root / "tmp").iterdir()) == []


def test_the_same_run_goes_on_after_gc_and_after_a_snapshot_was_deleted(store):
    stages = [build_stage("clean", {}, "text"), build_stage("duplicates", {}, "text"), Whim(seed=1, n=10)]
    curated = store.head()["snapshot"]
    gc(store, 0)
    steps = curate(random_rows(5), stages, Engine(cache=store), store)
    assert steps[-1].after.fingerprint == curated and all(step.cached for step in steps)
    for step in steps:
        shutil.rmtree(store.root / "datasets" / step.after.fingerprint, ignore_errors=True)
    steps = curate(random_rows(5), stages, Engine(cache=store), store)
    assert steps[-1].after.fingerprint == curated and verify(store)[1] == []


def test_a_missing_package_is_not_remembered(store):
    stage = Whim(seed=77, needs_a_package=True)
    first, again = (run_stage(random_rows(5), stage, None, store) for _ in range(2))
    assert "not installed" in first.skipped and not again.cached


def graph(store, rng):
    """A random history of runs, undoings and restorings; returns the snapshots that runs stand on."""
    for _ in range(rng.randrange(1, 4)):
        stages = [Whim(seed=rng.randrange(1000), n=6) for _ in range(rng.randrange(1, 3))]
        commit_run(store, random_rows(rng.randrange(1000), 15), stages)
        if rng.random() < 0.6:
            undo(store, stage="whim", cascade=True)
        if rng.random() < 0.4:
            restore(store, str(rng.choice(store.runs())))
    return {store.run_facts(n)["facts"][k] for n in store.runs() for k in ("root", "curated")}


def test_gc_never_removes_what_a_run_reaches(tmp_path):
    n, wrong = count(6, 200), []
    for seed in range(n):
        store, rng = Store(tmp_path / str(seed)), random.Random(seed)
        needed = graph(store, rng)
        marks = {
            p: p.stat().st_mtime_ns for name in needed for p in (store.root / "datasets" / name).iterdir()
        }
        age(store, 30)
        gc(store, 7)
        same = all(
            p.exists() and p.stat().st_mtime_ns == at and not p.stat().st_mode & 0o222
            for p, at in marks.items()
        )
        gone = {p.name for p in (store.root / "datasets").iterdir()} - needed
        if (
            not same
            or gone
            or verify(store)[1]
            or any(not History.of(store, r).curated for r in store.runs())
        ):
            wrong.append(seed)
    record("gc", n - len(wrong), len(wrong))
    assert wrong == []


def test_a_difference_adds_up_and_names_the_stages(store):
    number = store.runs()[-1]
    facts = diff(store, "root", str(number))
    root, curated = History.of(store, number).root, store.load(store.head()["snapshot"])
    assert set(facts["dropped"]) == set(root.ids) - set(curated.ids) and facts["dropped"]
    assert set(facts["added"]) == set(curated.ids) - set(root.ids) and facts["added"]
    assert facts["rows"][0] + len(facts["added"]) == facts["rows"][1] + len(facts["dropped"])
    for row_id, columns in facts["changed"].items():
        one, two = root.rows([row_id])[0], curated.rows([row_id])[0]
        assert {c for c in one if one[c] != two[c]} == set(columns) != set()
    assert set(facts["stages"]) == {"clean", "duplicates", "whim"} and "other ways" not in facts["stages"]
    assert sum(y - x for x, y in facts["classes"]["train"].values()) == facts["rows"][1] - facts["rows"][0]
    assert "dropped" in in_words(facts)[1]
    commit_run(store, random_rows(6), [Whim(seed=2)])
    assert diff(store, "root", str(number))["a"] == root.fingerprint  # of that run, not of the newest
    done = undo(store, stage="duplicates", run=number, cascade=True)
    back = diff(store, str(number), str(done.run))
    assert "duplicates" in back["stages"] and "clean" not in back["stages"]
    weighed = Dataset.of(
        root.table.append_column("weight", [[2.0] + [1.0] * (root.n_rows - 1)]), root.roles, "text"
    )
    store.save(weighed)
    assert diff(store, root.fingerprint, weighed.fingerprint)["changed"] == {root.ids[0]: ["weight"]}
    nothing = diff(store, str(number), str(number))
    assert nothing["added"] == nothing["dropped"] == [] and nothing["changed"] == nothing["stages"] == {}
    table = root.table.set_column(0, "row_id", [[f"x{i}" for i in root.ids]]).append_column(
        "n", root.table["text"]
    )
    store.save(other := type(root).of(table, root.roles, root.modality))
    rows = diff(store, root.fingerprint, other.fingerprint)["rows"]
    assert rows == [root.n_rows, root.n_rows]  # no row in common


def test_the_commands_go_back_and_forth(store):
    assay = [str(Path(sys.executable).parent / "assay")]

    def run(*arguments, code=0):
        done = subprocess.run([*assay, *arguments, "-w", str(store.root)], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    first = store.head()["snapshot"]
    assert "take it back: assay restore 1" in run("undo", "--stage", "duplicates", "--cascade").stdout
    assert json.loads(run("diff", "1", "2", "--json").stdout)["added"]
    assert "run 3 is snapshot" in run("restore", "1").stdout and store.head()["snapshot"] == first
    assert "HEAD, " in run("snapshots").stdout
    assert " 0 faults" in run("verify").stdout
    assert "removed" in run("gc", "--older-than", "0").stdout and " 0 faults" in run("verify").stdout
    assert "give --rule, --stage or --row" in run("undo", code=2).stderr
    for name in ("nowhere", "/nowhere/a.csv", "**", "²"):
        assert "no snapshot" in run("diff", "1", name, code=2).stderr
    shard = next((store.root / "datasets").glob("*/shard-00000.parquet"))
    shard.chmod(0o644)
    shard.write_bytes(shard.read_bytes()[:-1])
    assert "shard-00000.parquet" in run("verify", code=74).stderr
