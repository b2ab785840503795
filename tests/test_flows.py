"""Prefect: the same bytes as the plain run, and a schedule that fires on a real loopback server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from loop_data import write_recipe
from test_loop import loop

from finetune.settings import Training
from pipeline.recipe import load_recipe
from pipeline.run import curate as plain_curate
from pipeline.signals.engine import Engine
from pipeline.source import open_data
from pipeline.store import Store

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_LOGGING_LEVEL": "WARNING",
         "PREFECT_SERVER_LOGGING_LEVEL": "ERROR", "PREFECT_CLI_PROMPT": "false",
         "PREFECT_LOGGING_TO_API_ENABLED": "false"}


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    no_heartbeat = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with prefect_test_harness(server_startup_timeout=90), no_heartbeat:
        yield


def test_the_flows_give_the_bytes_of_the_plain_run(harness, tmp_path):
    from flows.curate import curate, improve

    recipe = write_recipe(tmp_path, rounds=1)
    plan = load_recipe(recipe, (), Training)
    store = Store(tmp_path / "plain")
    steps = plain_curate(open_data(plan, store).dataset, plan.stages, Engine(plan.signals, store), store)
    assert curate(str(recipe), str(tmp_path / "flow"), 1) == steps[-1].after.fingerprint
    plain, _ = loop(recipe, store)
    done = improve(str(recipe), str(tmp_path / "flow"), 1)
    assert done["curated"] == plain.curated.fingerprint
    one, two = (
        sorted(p.relative_to(tmp_path / side) for p in (tmp_path / side / "steps").rglob("*.parquet"))
        for side in ("plain", "flow")
    )
    assert one == two and one
    for name in one:
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "flow" / name).read_bytes()


@pytest.mark.timeout(420)
def test_a_schedule_fires_twice(tmp_path):
    recipe = write_recipe(tmp_path, rounds=1)
    port = _free_port()
    api = f"http://127.0.0.1:{port}/api"
    env = {**os.environ, **QUIET, "PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_API_URL": api,
           "ASSAY_WORKSPACE": str(tmp_path / "w")}
    prefect, assay = (str(Path(sys.executable).parent / name) for name in ("prefect", "assay"))
    start = [prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(start, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              start_new_session=True)
    served = None
    try:
        _until(lambda: _healthy(api), 120, "the server to answer")
        with (tmp_path / "serve.log").open("w") as log:
            serve = [assay, "serve", str(recipe), "--cron", "* * * * *", "--workers", "1"]
            served = subprocess.Popen(serve, env=env, stdout=log, stderr=subprocess.STDOUT,
                                      start_new_session=True)
        try:
            _until(lambda: len(_completed(api)) >= 2, 240, "two scheduled runs to complete")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{(tmp_path / 'serve.log').read_text()[-3000:]}") from None
        assert all(run["auto_scheduled"] for run in _completed(api))
        assert Store(tmp_path / "w").head()["run"] == 1  # the second run found everything done
    finally:
        for process in (served, server):
            if process:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_serving_without_a_server_says_how_to_start_one(tmp_path):
    recipe = write_recipe(tmp_path)
    env = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    serve = [sys.executable, "-m", "flows.cli", "serve", str(recipe)]
    done = subprocess.run(serve, env=env, capture_output=True, text=True)
    assert done.returncode == 2 and "prefect server start" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _healthy(api: str) -> bool:
    try:
        return urllib.request.urlopen(f"{api}/health", timeout=2).status == 200
    except OSError:
        return False


def _completed(api: str) -> list[dict]:
    import json

    body = json.dumps({"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}).encode()
    request = urllib.request.Request(f"{api}/flow_runs/filter", body, {"Content-Type": "application/json"})
    return json.loads(urllib.request.urlopen(request, timeout=10).read())


def _until(true, seconds: float, what: str) -> None:
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        if true():
            return
        time.sleep(1)
    raise AssertionError(f"waited {seconds} s for {what}")
