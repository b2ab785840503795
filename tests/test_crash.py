"""kill -9 at any moment loses nothing, and the same command finishes with the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import pytest
from crash_job import contents, run_job, start, write_rows
from promises import count, record

from pipeline.durable import STEPS
from pipeline.store import Store

ASSAY = str(Path(sys.executable).parent / "assay")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Source, the workspace of a run that nothing disturbed, how often each step was passed, its seconds."""
    folder = tmp_path_factory.mktemp("crash")
    source = write_rows(folder)
    for _ in range(2):  # the first one also starts the server
        workspace = folder / f"{time.monotonic_ns()}"
        started = time.monotonic()
        process = start(source, workspace)
        process.join()
        seconds = time.monotonic() - started
    lines = workspace.with_suffix(".counts").read_text().splitlines()
    passed = {name: int(n) for name, n in map(str.split, lines)}
    return source, workspace, passed, seconds


def moments(passed: dict[str, int], n: int, rng: random.Random) -> list[str]:
    """Return n moments: two of three pass a named step, every step in turn, the others are any time."""
    steps = cycle(rng.sample(STEPS, len(STEPS)))
    named = [f"{name}:{1 + rng.randrange(passed[name])}" for name in islice(steps, n * 2 // 3)]
    return [*named, *["random"] * (n - len(named))]


def kill(source: Path, workspace: Path, moment: str, seconds: float, rng: random.Random) -> bool:
    """Run and kill; return whether the kill came between the first write and the commit."""
    process = start(source, workspace, moment)
    if moment == "random":
        time.sleep(rng.uniform(0.1, 1.0) * seconds)
        process.kill()  # it has no children: it is all of its group
    process.join()
    store = Store(workspace)
    for folder in store.folders():  # whatever is visible is whole
        store.check(folder)
    if moment != "random":
        assert process.exitcode == -signal.SIGKILL, f"{moment} was never passed"
    return process.exitcode != 0 and (workspace / "tmp").exists() and not store.head()


def test_a_killed_run_made_again_gives_the_same_bytes(uninterrupted, tmp_path):
    source, expected, passed, seconds = uninterrupted
    rng = random.Random(5)
    inside, good, bad, chosen = 0, 0, [], moments(passed, count(12, 60), rng)
    for k, moment in enumerate(chosen):
        workspace = tmp_path / str(k)
        inside += kill(source, workspace, moment, seconds, rng)
        again = start(source, workspace)
        again.join()
        same = contents(workspace) == contents(expected)
        left = len(list((workspace / "tmp").iterdir()))
        if again.exitcode == 0 and same and left <= 1 and Store(workspace).runs() == [1]:
            good += 1
        else:
            bad.append((moment, again.exitcode, same, left))
    record("crash_safety", good, len(bad), kills=len(chosen), kills_inside_commit=inside)
    assert not bad and good == len(chosen)
    assert inside >= len(chosen) * 2 // 3


def test_every_named_step_is_passed_by_a_run(uninterrupted):
    assert set(uninterrupted[2]) == set(STEPS)


def test_what_a_killed_commit_left_goes_with_the_next_commit(uninterrupted, tmp_path):
    source, _, passed, _ = uninterrupted
    workspace = tmp_path / "w"
    start(source, workspace, f"manifest-written:{passed['manifest-written']}").join()
    assert len(list((workspace / "tmp").iterdir())) == 1
    start(source, workspace).join()
    assert list((workspace / "tmp").iterdir()) == []


def test_a_run_that_lost_its_pointer_move_gets_it_by_the_same_command(uninterrupted, tmp_path):
    source, workspace = uninterrupted[0], tmp_path / "w"
    start(source, workspace, "head-written:1").join()
    store = Store(workspace)
    assert store.runs() == [1] and store.head() == {}
    assert run_job(source, workspace) == 1
    assert store.runs() == [1] and store.head()["run"] == 1


MOMENTS = ["contents-written:2", "renamed:2", "rename-synced:5", "renamed:4"]


@pytest.mark.parametrize("moment", MOMENTS[: count(1, 4)])
def test_a_killed_stage_command_made_again_gives_the_same_bytes(moment, uninterrupted, tmp_path):
    def quality(name, **env):
        asked = ["quality", str(uninterrupted[0]), "-w", f"w-{name}", "-o", f"out-{name}", "--json", "-q"]
        return subprocess.run([ASSAY, *asked], cwd=tmp_path, env={**os.environ, **env}, capture_output=True,
                              text=True, start_new_session=True)

    assert quality("good").returncode == 0
    assert quality("killed", ASSAY_KILL_AT=moment).returncode == -signal.SIGKILL
    again = quality("killed")
    assert again.returncode == 0
    assert json.loads(again.stdout)["fingerprint_out"]
    assert contents(tmp_path / "w-killed") == contents(tmp_path / "w-good")
    assert contents(tmp_path / "out-killed") == contents(tmp_path / "out-good")


def test_older_snapshots_never_change(uninterrupted, tmp_path):
    source, workspace = uninterrupted[0], tmp_path / "w"

    def states():
        files = [p for p in workspace.rglob("*") if p.is_file() and not {"HEAD", "locks"} & set(p.parts)]
        return {p: (p.stat().st_mtime_ns, p.stat().st_mode & 0o777) for p in files}

    run_job(source, workspace)
    before, digests = states(), contents(workspace, "HEAD")
    assert set(mode for _, mode in before.values()) == {0o444}
    for threshold in (0.9, 1.0):
        assert run_job(source, workspace, threshold) > 1
    assert before.items() <= states().items() and digests.items() <= contents(workspace, "HEAD").items()
    assert Store(workspace).head()["run"] == 3


def test_a_copied_workspace_is_used_where_it_is(uninterrupted, tmp_path):
    source, workspace = uninterrupted[:2]
    subprocess.run(["cp", "-r", str(workspace), str(tmp_path / "copy")], check=True)
    store = Store(tmp_path / "copy")
    for folder in store.folders():
        store.check(folder)
    before = contents(tmp_path / "copy")
    assert run_job(source, tmp_path / "copy") == 1 and contents(tmp_path / "copy") == before
    assert run_job(source, tmp_path / "copy", 0.7) == 2


