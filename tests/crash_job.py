"""A whole run that loads no model: ingest, three stages, ledger, tables, HEAD. What the tests kill.

Children come from a server that has imported everything, so that sixty of them take seconds.
"""

from __future__ import annotations

import csv
import hashlib
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import text_rows

from pipeline.durable import KILL_AT, _passed
from pipeline.files import write_parquet
from pipeline.ledger import LEDGER, ledger_table
from pipeline.outputs import write_tables
from pipeline.recipe import Data, build_stage
from pipeline.run import Step, curate
from pipeline.signals.engine import Engine
from pipeline.source import open_plan
from pipeline.store import Store

STAGES = ("clean", "quality", "duplicates")
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["crash_server"])
HERE = Path(__file__).parent


def write_rows(folder: Path, seeds: int = 3) -> Path:
    """Write a CSV of `seeds` times 127 rows."""
    path = folder / "rows.csv"
    with path.open("w", newline="") as file:
        found = [(seed, row) for seed in range(seeds) for row in text_rows(seed)]
        rows = [{**row, "row_id": f"{seed}-{row['row_id']}"} for seed, row in found]
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def steps_of(source: Path, store: Store, threshold: float = 0.55) -> list[Step]:
    root = open_plan(Data(path=str(source), text="text", label="label", modality="text"), 0, store).dataset
    settings = {"duplicates": {"threshold": threshold}}
    stages = [build_stage(name, settings.get(name, {}), "text") for name in STAGES]
    return curate(root, stages, Engine(cache=store), store)


def run_job(source: Path, workspace: Path, threshold: float = 0.55) -> int:
    """Curate and commit a run; a run that is there is found by its key."""
    store = Store(workspace)
    with store.lock():
        steps = steps_of(source, store, threshold)
        root, curated = steps[0].before, steps[-1].after

        def write(folder: Path, number: int) -> dict:
            write_parquet(folder / LEDGER, ledger_table([(1, True, steps)], {}))
            write_tables(folder, root, curated, steps)
            return {"root": root.fingerprint, "curated": curated.fingerprint}

        return store.save_run(f"{root.fingerprint}/{threshold}", write, curated.fingerprint)


def child(source: Path, workspace: Path, kill_at: str) -> None:
    """Run the job in a process group of its own; `counts.txt` beside the workspace tells the steps passed."""
    os.setsid()
    os.environ[KILL_AT] = kill_at
    run_job(source, workspace)
    counts = "\n".join(f"{name} {n}" for name, n in _passed.items())
    workspace.with_suffix(".counts").write_text(counts)


def start(source: Path, workspace: Path, kill_at: str = "never:0") -> multiprocessing.process.BaseProcess:
    return served(child, source, workspace, kill_at)


def served(function: Callable[..., None], *arguments: object) -> multiprocessing.process.BaseProcess:
    """Start `function(*arguments)` in a child of the server."""
    with pytest.MonkeyPatch.context() as patch:  # the server imports what it preloads from here
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent)]))
        process = SERVER.Process(target=function, args=arguments)
        process.start()
    return process


def contents(workspace: Path, *without: str) -> dict[str, str]:
    """Return the digest of every visible file of a workspace: all but locks and what is being made."""
    files = [p for p in workspace.rglob("*") if p.is_file()]
    named = {p.relative_to(workspace).as_posix(): p for p in files}
    shown = {n: p for n, p in named.items() if not n.startswith(("locks/", "tmp/", *without))}
    return {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in shown.items()}
