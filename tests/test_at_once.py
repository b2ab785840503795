"""Several processes on one workspace: no update is lost, a busy workspace says who holds it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crash_job import run_job, served, start, write_rows
from loop_data import write_recipe
from promises import count, record

from pipeline.locks import Busy
from pipeline.store import Store

ASSAY = str(Path(sys.executable).parent / "assay")


def commit_rounds(workspace: Path, who: int, rounds: int) -> None:
    store = Store(workspace)
    for k in range(rounds):

        def write(folder: Path, number: int, k: int = k) -> dict:
            (folder / "who.txt").write_text(f"{who}")
            return {"who": who, "round": k, "number": number}

        store.save_run(f"{who}/{k}", write, f"{who}/{k}")


def run_until_free(source: Path, workspace: Path, threshold: float) -> None:
    said = []
    while True:
        try:
            run_job(source, workspace, threshold)
            break
        except Busy as busy:
            said.append(str(busy))
            time.sleep(0.05)
    workspace.with_name(f"said-{threshold}.json").write_text(json.dumps(said))


def test_no_run_is_lost_when_four_processes_commit_at_once(tmp_path):
    rounds = count(5, 20)
    processes = [served(commit_rounds, tmp_path / "w", who, rounds) for who in range(4)]
    for process in processes:
        process.join()
    store = Store(tmp_path / "w")
    facts = [store.run_facts(n)["facts"] for n in store.runs()]
    committed = {(f["who"], f["round"]) for f in facts}
    missing = 4 * rounds - len(committed)
    in_order = [f["round"] for who in range(4) for f in facts if f["who"] == who] == [*range(rounds)] * 4
    head_is_newest = store.head()["run"] == 4 * rounds
    failed = missing + (not in_order) + (not head_is_newest)
    record("two_at_once", len(committed), failed, processes=4, rounds=rounds)
    assert [p.exitcode for p in processes] == [0] * 4
    assert store.runs() == [f["number"] for f in facts] == [*range(1, 4 * rounds + 1)]
    assert not failed


def test_whole_runs_take_turns_and_the_one_that_waits_is_told_by_whom(tmp_path):
    source, workspace = write_rows(tmp_path), tmp_path / "w"
    thresholds = [0.55, 0.8, 0.9, 1.0][: count(3, 4)]
    processes = [served(run_until_free, source, workspace, t) for t in thresholds]
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0] * len(processes)
    store = Store(workspace)
    assert store.runs() == [*range(1, len(thresholds) + 1)] and store.head()["run"] == len(thresholds)
    said = [line for t in thresholds for line in json.loads((tmp_path / f"said-{t}.json").read_text())]
    holders = {int(m.group(1)) for line in said if (m := re.search(r"pid (\d+) has held it since 20", line))}
    assert holders and holders <= {p.pid for p in processes}
    for folder in store.folders():
        store.check(folder)


def test_the_same_run_started_twice_at_once_is_committed_once(tmp_path):
    source, workspace = write_rows(tmp_path, 1), tmp_path / "w"
    processes = [served(run_until_free, source, workspace, t) for t in (0.55, 0.55)]
    for process in processes:
        process.join()
    assert Store(workspace).runs() == [1]


def test_a_command_that_finds_the_workspace_busy_exits_75_and_reading_goes_on(tmp_path):
    recipe, store = write_recipe(tmp_path, rounds=1), Store(tmp_path / "w")
    store.save_run("older", lambda folder, n: {"page": (folder / "report.html").write_text("<p>")}, "abc")

    def assay(*arguments):
        asked = [ASSAY, *map(str, arguments), "-w", str(store.root)]
        return subprocess.run(asked, capture_output=True, text=True)

    with store.lock():
        done = assay("run", recipe, "-q")
        assert assay("report").returncode == 0
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 75 and len(lines) == 1 and done.stdout == ""
    assert f"pid {os.getpid()} has held it since 20" in lines[0]


@pytest.mark.parametrize("moment", ["contents-written:4", "head-written:1"])
def test_a_killed_holder_frees_the_workspace(moment, tmp_path):
    source, workspace = write_rows(tmp_path, 1), tmp_path / "w"
    process = start(source, workspace, moment)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with Store(workspace).lock():
        pass
    assert run_job(source, workspace) == 1


