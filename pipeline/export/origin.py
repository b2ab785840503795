"""Where an exported dataset comes from: a run with its ledger, a bare snapshot, or data as it was read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.dataset import Dataset
from pipeline.files import read_parquet
from pipeline.history import find, run_facts
from pipeline.ledger import LEDGER
from pipeline.store import Store
from pipeline.undo import snapshot


@dataclass(frozen=True, eq=False)
class Origin:
    """A dataset and what the workspace knows of its making.

    run : number of the run that made it, None for data that no run made.
    root : the run's data as it was read. stages : whose edits made it. ledger : every edit of the run.
    final : the run's evaluation on held-out rows.
    """

    dataset: Dataset
    run: int | None = None
    root: Dataset | None = None
    stages: tuple[str, ...] = ()
    ledger: pa.Table | None = None
    final: dict[str, Any] | None = None


def of_run(store: Store, number: int | None = None) -> Origin:
    """Return the curated dataset of a run, the newest by default. Raises `NotFound`."""
    facts = run_facts(store, number)
    folder = store.root / "runs" / str(facts["run"])
    ledger, evaluation = folder / LEDGER, folder / "evaluation.json"
    return Origin(
        dataset=store.load(facts["curated"]), run=facts["run"], root=store.load(facts["root"]),
        stages=tuple(dict.fromkeys(entry["stage"] for entry in facts["applied"])),
        ledger=read_parquet(ledger) if ledger.exists() else None,
        final=json.loads(evaluation.read_text("utf-8")) if evaluation.exists() else None,
    )  # fmt: skip


def of_snapshot(store: Store, name: str) -> Origin:
    """Return a snapshot by a run's number, `root` or a fingerprint; with its run, if one left it.

    Raises `NotFound` when there is none, or several begin so.
    """
    fingerprint, run, _ = find(store, name)
    if run is not None and run_facts(store, run)["curated"] == fingerprint:
        return of_run(store, run)
    return Origin(snapshot(store, fingerprint))
