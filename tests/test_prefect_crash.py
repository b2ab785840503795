"""A flow killed with -9: the next start marks it Crashed and goes on where it stopped."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from flow_data import write_table_recipe
from prefect_server import end, until
from promises import count, record

from flows.improve import run_recipe
from flows.journal import FOLDER, Entry, at_work, dead

FLOW = "import sys; from flows.curate import improve; improve(sys.argv[1], sys.argv[2], 1)"


def start(recipe, workspace, server):
    """Start a flow in a process of its own."""
    command = [sys.executable, "-c", FLOW, str(recipe), str(workspace)]
    return subprocess.Popen(command, env=server.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            start_new_session=True)


def at_work_in(workspace):
    return {path.stem for path in (workspace / FOLDER).glob("*.json")}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    recipe = write_table_recipe(folder)
    return recipe, run_recipe(recipe, folder / "w", [], 1, lambda line: None).facts["curated"]


def crash(server, recipe, workspace, seconds):
    """Kill one of two runs `seconds` after it began, run again; returns what happened and the killed run."""
    from flows.curate import improve

    live, killed = start(recipe, workspace, server), None
    try:
        until(lambda: len(at_work_in(workspace)) == 1, 60, "the live run to begin")
        (live_run,) = at_work_in(workspace)
        os.killpg(live.pid, signal.SIGSTOP)  # alive, and still so when the other has died
        killed = start(recipe, workspace, server)
        until(lambda: len(at_work_in(workspace)) == 2, 60, "the run to be killed to begin")
        (killed_run,) = at_work_in(workspace) - {live_run}
        time.sleep(seconds)
        before = server.states()[killed_run]
        end(killed)
        done = improve(str(recipe), str(workspace), 1)
        after = server.states()
        alone = after[live_run] == "RUNNING" and at_work_in(workspace) == {live_run}
        os.killpg(live.pid, signal.SIGCONT)
        completed = live.wait(120) == 0 and server.states()[live_run] == "COMPLETED"
        assert not at_work_in(workspace)
        return (before, after[killed_run]), done["curated"], alone and completed, (killed_run, killed.pid)
    finally:
        end(live, killed)


def test_a_killed_run_is_marked_crashed_and_the_next_one_goes_on(prefect_server, uninterrupted, tmp_path):
    recipe, fingerprint = uninterrupted
    kills, rng = count(1, 10), random.Random(5)
    seen = [crash(prefect_server, recipe, tmp_path / str(k), rng.uniform(0, 3)) for k in range(kills)]
    crashed = sum(states == ("RUNNING", "CRASHED") for states, *_ in seen)
    resumed = sum(curated == fingerprint for _, curated, *_ in seen)
    untouched = sum(live for _, _, live, _ in seen)
    passed = sum(s == ("RUNNING", "CRASHED") and c == fingerprint and live for s, c, live, _ in seen)
    record("prefect_crash", passed, kills - passed, kills=kills, marked_crashed=crashed,
           same_fingerprint=resumed, live_runs_untouched=untouched)
    assert (crashed, resumed, untouched) == (kills, kills, kills), seen
    run, pid = seen[-1][-1]
    message = prefect_server.ask("flow_runs", flow_runs={"id": {"any_": [run]}})[0]["state"]["message"]
    assert str(pid) in message and "goes on from there" in message
    tasks = prefect_server.ask("task_runs", flow_runs={"id": {"any_": [run]}})
    assert all(task["state_type"] in ("COMPLETED", "CRASHED") for task in tasks)


def test_a_run_counts_as_dead_only_when_its_lock_and_its_process_are_gone(tmp_path):
    with at_work(tmp_path, "live", "assay-improve", "127.0.0.1:4200"):
        (path,) = (tmp_path / FOLDER).glob("*.json")
        entry = Entry(**json.loads(path.read_text()))
        with dead(tmp_path) as found:
            assert found == []  # lock held, process here

        def left(name, **facts):
            text = json.dumps(vars(replace(entry, run=name, **facts)))
            (tmp_path / FOLDER / f"{name}.json").write_text(text)

        left("same process, no lock")
        left("other host", host="elsewhere", pid=1, started=0)
        left("reused pid", started=entry.started - 1)
        left("before the reboot", boot="another boot")
        left("locked", started=entry.started - 1)
        (tmp_path / FOLDER / "from a newer version.json").write_text('{"format": 2}')
        with (tmp_path / FOLDER / "locked.json").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with dead(tmp_path) as found:
                assert {e.run for e, _ in found} == {"reused pid", "before the reboot"}
                with dead(tmp_path) as again:
                    assert again == []  # another start deals with them
    assert not path.exists()


def test_runs_of_another_server_and_runs_that_ended_are_left_as_they_are(prefect_server, tmp_path):
    from prefect import flow

    from flows.left_behind import mark_left_behind, server_name

    @flow(name="somebody-elses", persist_result=False)
    def ended():
        from prefect.runtime import flow_run

        return flow_run.id

    run = ended()
    with at_work(tmp_path, run, "assay-improve", server_name()):
        (path,) = (tmp_path / FOLDER).glob("*.json")
        text = path.read_text()
    gone = json.loads(text) | {"started": 0}
    path.write_text(json.dumps(gone))
    other = path.with_name("other.json")
    other.write_text(json.dumps(gone | {"run": "other", "api": "127.0.0.1:1"}))
    assert mark_left_behind(tmp_path) == []
    assert prefect_server.states()[run] == "COMPLETED"
    assert other.exists() and not path.exists()
