"""Ctrl-C and SIGTERM: gone within five seconds, nothing left behind, the same command goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from crash_job import contents, write_rows
from promises import FOLDER, count, record

ASSAY = str(Path(sys.executable).parent / "assay")
SECONDS = 5.0
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}


def command(source: Path, folder: Path) -> list[str]:
    places = ["-w", str(folder / "w"), "-o", str(folder / "out")]
    return [ASSAY, "quality", str(source), *places, "--workers", "2", "-q"]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A source that keeps two workers busy for seconds, and what the command makes of it."""
    folder = tmp_path_factory.mktemp("cancel")
    source = write_rows(folder, 60)
    subprocess.run(command(source, folder), check=True, capture_output=True)
    return source, contents(folder / "out"), contents(folder / "w")


def heed_ctrl_c() -> None:
    """A shell's background job ignores Ctrl-C, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def begun(arguments: list[str], until, **options) -> tuple[subprocess.Popen, list[psutil.Process]]:
    """Start a command and wait until its processes satisfy `until`; return it and its children."""
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True, preexec_fn=heed_ctrl_c, **options)
    me = psutil.Process(process.pid)
    while process.poll() is None and not until(me.children(recursive=True)):
        time.sleep(0.02)
    return process, me.children(recursive=True) if process.poll() is None else []


def stopped(process, children, number: signal.Signals, to_all: bool):
    """Send the signal; return the seconds until the last process was gone, who is left, and stderr."""
    at = time.monotonic()
    (os.killpg if to_all else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=60)
    _, left = psutil.wait_procs(children, timeout=max(0.1, SECONDS - (time.monotonic() - at)))
    return time.monotonic() - at, left, said


def test_a_command_with_workers_is_gone_at_once_and_goes_on_later(large, tmp_path):
    source, expected, workspace = large
    rng, good, bad, slowest = random.Random(2), 0, [], 0.0
    for k in range(count(4, 16)):
        number = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGTERM)[k % 4]
        folder = tmp_path / str(k)
        process, children = begun(command(source, folder), lambda found: len(found) >= 2)
        time.sleep(rng.uniform(0, 1.0))
        seconds, left, said = stopped(process, children, number, to_all=number == signal.SIGINT or k % 8 == 3)
        slowest = max(slowest, seconds)
        if process.returncode != CODES[number] or left or "Traceback" in said or seconds > SECONDS:
            bad.append((number.name, process.returncode, left, said))
            continue
        if number != signal.SIGKILL:
            assert said.strip().endswith("the same command goes on where it stopped")
        if k < count(1, 4):
            subprocess.run(command(source, folder), check=True, capture_output=True)
            assert contents(folder / "out") == expected and contents(folder / "w") == workspace
        good += 1
    record("cancel", good, len(bad), slowest_seconds=round(slowest, 1))
    assert not bad


def test_a_worker_that_fails_ends_the_others(tmp_path):
    from pipeline.workers import in_processes

    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        in_processes(divide_or_sleep, [0, 60], 2)
    assert time.monotonic() - started < 30
    assert not [c for c in psutil.Process().children() if "spawn_main" in " ".join(c.cmdline())]


def divide_or_sleep(n: int) -> float:
    if n:
        time.sleep(n)
    return 1 / n


@pytest.mark.skipif(not FOLDER, reason="a fine-tuning takes minutes")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_fine_tuning_is_gone_at_once(number, tmp_path):
    source = write_rows(tmp_path, 10)
    arguments = [ASSAY, "finetune", str(source), "-w", str(tmp_path / "w"), "-o", str(tmp_path / "model"),
                 "--set", "method=partial", "-q"]
    process, children = begun(arguments, lambda found: (tmp_path / "model.partial").exists())
    time.sleep(4)
    assert process.poll() is None
    children = psutil.Process(process.pid).children(recursive=True)
    seconds, left, said = stopped(process, children, number, to_all=number == signal.SIGINT)
    assert process.returncode == CODES[number] and not left and seconds < SECONDS, said
    assert not (tmp_path / "model").exists() and "Traceback" not in said
