"""Where an exported dataset comes from: a run with its ledger, a bare snapshot, or data as it was read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.dataset import Dataset
from pipeline.files import read_parquet
from pipeline.ledger import LEDGER
from pipeline.store import MANIFEST, NotFound, Store


@dataclass(frozen=True, eq=False)
class Origin:
    """A dataset and what the workspace knows of its making.

    run : number of the run that made it, None for data that no run made.
    root : the run's data as it was read. stages : what ran on it. ledger : every edit of the run.
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
    numbers = store.runs()
    if not numbers:
        raise NotFound(
            f"workspace {store.root} holds no run yet (start one with: assay run RECIPE, or name DATA)"
        )
    n = numbers[-1] if number is None else number
    if n not in numbers:
        raise NotFound(f"no run {n}; there are {', '.join(map(str, numbers))}")
    facts, folder = store.run_facts(n)["facts"], store.root / "runs" / str(n)
    evaluation = folder / "evaluation.json"
    return Origin(
        dataset=store.load(facts["curated"]), run=n, root=store.load(facts["root"]),
        stages=tuple(dict.fromkeys(s["stage"] for s in facts["stages"])),
        ledger=read_parquet(folder / LEDGER),
        final=json.loads(evaluation.read_text("utf-8")) if evaluation.exists() else None,
    )  # fmt: skip


def of_snapshot(store: Store, fingerprint: str) -> Origin:
    """Return a snapshot by its fingerprint or the beginning of it; with its run, if one curated it.

    Raises `NotFound` when none, or more than one, begins so.
    """
    known = sorted(p.parent.name for p in (store.root / "datasets").glob(f"*/{MANIFEST}"))
    fits = [name for name in known if fingerprint and name.startswith(fingerprint)]
    if len(fits) != 1:
        many = f"{len(fits)} snapshots begin with" if fits else "no snapshot"
        told = ", ".join(name[:12] for name in (fits or known)[:8]) or "none yet"
        raise NotFound(f"{many} {fingerprint!r} in {store.root} (there are: {told})")
    made_by = [n for n in store.runs() if store.run_facts(n)["facts"]["curated"] == fits[0]]
    return of_run(store, made_by[-1]) if made_by else Origin(store.load(fits[0]))
