"""prefect.yaml as people use it: server, process pool, deploy, worker, and the bytes of the plain run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from flow_data import write_table_recipe
from prefect_server import CANARY, end

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.timeout(420)
def test_a_worker_runs_the_deployment_to_the_bytes_of_the_plain_run_and_leaves_no_process(tmp_path):
    recipe = write_table_recipe(tmp_path)
    scratch = tmp_path / "scratch"
    command = [sys.executable, str(ROOT / "benchmarks" / "prefect_worker.py"), "--recipe", str(recipe),
               "--only", "improve", "--keep", str(scratch)]
    env = {**os.environ, "HF_TOKEN": CANARY, "PREFECT_API_KEY": CANARY, "PREFECT_LOGGING_LEVEL": "DEBUG"}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    try:
        out, problems = process.communicate(timeout=400)
    finally:
        end(process)
    assert process.returncode == 0, problems + out
    facts = json.loads(out)
    assert facts["states"] == {"improve": "COMPLETED"}
    assert facts["same_bytes"] and facts["processes_left"] == []
    files = [path for path in scratch.rglob("*") if path.is_file()]
    assert {"server.log", "worker.log", "prefect.db"} <= {path.name for path in files}
    assert "Completed" in (scratch / "worker.log").read_text()
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
    assert CANARY not in problems + out


def test_prefect_yaml_names_the_installed_prefect_and_the_flows():
    text = (ROOT / "prefect.yaml").read_text()
    pinned = (ROOT / "constraints.txt").read_text()
    assert f"prefect=={text.partition('prefect-version: ')[2].split()[0]}\n" in pinned
    from flows.curate import curate, improve

    assert {curate.name, improve.name} == {"assay-curate", "assay-improve"}
    for flow in ("curate", "improve"):
        assert f"entrypoint: flows/curate.py:{flow}\n" in text
