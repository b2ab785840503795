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
from uuid import uuid4

import pytest
from flow_data import write_table_recipe
from prefect_server import end, until
from promises import count, record

from flows import journal
from flows.improve import run_recipe
from flows.journal import FOLDER, Entry, dead

FLOW = "import sys, flows.curate as f; getattr(f, sys.argv[1])(sys.argv[2], sys.argv[3], 1)"


def start(flow, recipe, workspace, server):
    """Start a flow in a process of its own."""
    command = [sys.executable, "-c", FLOW, flow, str(recipe), str(workspace)]
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

    live, killed = start("curate", recipe, workspace, server), None
    try:
        until(lambda: len(at_work_in(workspace)) == 1, 200, "the live run to begin")
        (live_run,) = at_work_in(workspace)
        os.killpg(live.pid, signal.SIGSTOP)  # alive, and still so when the other has died
        killed = start("improve", recipe, workspace, server)
        until(lambda: len(at_work_in(workspace)) == 2, 200, "the run to be killed to begin")
        (killed_run,) = at_work_in(workspace) - {live_run}
        time.sleep(seconds)
        before = server.states()[killed_run]
        end(killed)
        done = improve(str(recipe), str(workspace), 1)
        after = server.states()
        alone = after[live_run] == "RUNNING" and at_work_in(workspace) == {live_run}
        os.killpg(live.pid, signal.SIGCONT)
        completed = live.wait(300) == 0 and server.states()[live_run] == "COMPLETED"
        assert not at_work_in(workspace)
        return (before, after[killed_run]), done["curated"], alone and completed, (killed_run, killed.pid)
    finally:
        end(live, killed)


@pytest.mark.timeout(count(600, 3600))
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


def left_in(workspace, entry, **facts):
    """Write the file of a run like `entry`, with no process behind it."""
    left = replace(entry, **facts)
    (workspace / FOLDER / f"{left.run}.json").write_text(json.dumps(vars(left)))


def entry_of(workspace, run, api="127.0.0.1:4200"):
    """Return the entry that a run of this process writes."""
    journal.begin(workspace, run, "assay-improve", api)
    entry = Entry(**json.loads((workspace / FOLDER / f"{run}.json").read_text()))
    journal.end(run)
    return entry


def test_a_run_counts_as_dead_only_when_its_lock_and_its_process_are_gone(tmp_path):
    entry = entry_of(tmp_path, "run")
    assert not at_work_in(tmp_path)
    journal.begin(tmp_path, "live", "assay-improve", "127.0.0.1:4200")
    with dead(tmp_path) as found:
        assert found == []
    left_in(tmp_path, entry, run="same process, no lock")
    left_in(tmp_path, entry, run="other host", host="elsewhere", boot="another boot", pid=1, started=0)
    left_in(tmp_path, entry, run="other container", host="elsewhere")
    left_in(tmp_path, entry, run="reused pid", started=entry.started - 1)
    left_in(tmp_path, entry, run="before the reboot", boot="another boot")
    left_in(tmp_path, entry, run="locked", started=entry.started - 1)
    (tmp_path / FOLDER / "from a newer version.json").write_text('{"format": 2}')
    with (tmp_path / FOLDER / "locked.json").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with dead(tmp_path) as found:
            assert {e.run for e, _ in found} == {"reused pid", "before the reboot", "other container"}
            with dead(tmp_path) as again:
                assert again == []  # another start deals with them
    journal.end("live")


def test_runs_of_another_server_and_runs_that_ended_are_left_as_they_are(prefect_server, tmp_path):
    from prefect import flow
    from prefect.runtime import flow_run

    from flows.left_behind import mark_left_behind, server_name

    @flow(name="somebody-elses", persist_result=False)
    def ended():
        return flow_run.id

    run = ended()
    gone = replace(entry_of(tmp_path, run, server_name()), started=0)
    left_in(tmp_path, gone)
    left_in(tmp_path, gone, run="other", api="127.0.0.1:1")
    left_in(tmp_path, gone, run=str(uuid4()))  # the server knows of no such run
    assert mark_left_behind(tmp_path) == []
    assert prefect_server.states()[run] == "COMPLETED"
    assert at_work_in(tmp_path) == {"other"}


def test_a_run_that_died_and_is_started_again_does_not_take_itself_for_dead(prefect_server, tmp_path):
    from prefect import flow
    from prefect.runtime import flow_run

    from flows.left_behind import ended, our_run, server_name

    @flow(name="again", persist_result=False, on_completion=[ended])
    def again():
        left_in(tmp_path, replace(entry_of(tmp_path, flow_run.id, server_name()), started=0))
        with our_run(tmp_path):
            assert prefect_server.states()[flow_run.id] == "RUNNING"
            with dead(tmp_path) as found:
                assert found == [] and at_work_in(tmp_path) == {flow_run.id}
        assert at_work_in(tmp_path) == {flow_run.id}  # until Prefect knows the end
        return flow_run.id

    run = again()
    assert prefect_server.states()[run] == "COMPLETED"
    assert not at_work_in(tmp_path)
