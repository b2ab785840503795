"""History: how a run's curated data came of its root, edit by edit, and back.

A run's manifest names its root snapshot and, in order, the steps whose edits stand. Applying them to the
root again gives the curated data, bit for bit; leaving some out is what *undo* is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pipeline.apply import apply
from pipeline.dataset import Dataset
from pipeline.files import Corrupt
from pipeline.findings import Findings
from pipeline.run import Step
from pipeline.store import NotFound, Store

EditId = tuple[int, str, str | None, str, str, str | None]  # round, stage, row, issue, action, column


@dataclass(frozen=True, eq=False)
class Entry:
    """The edits of one stage in one round, as they were applied."""

    round: int
    stage: str
    key: str
    touches: Literal["train", "all", "human"]
    findings: Findings

    @property
    def facts(self) -> dict[str, Any]:
        """What a run's manifest holds of it."""
        return {"round": self.round, "stage": self.stage, "key": self.key, "touches": self.touches}

    @property
    def ids(self) -> list[EditId]:
        """What names each edit that changed something."""
        edits = self.findings.edits
        columns = (edits[c].to_pylist() for c in ("row_id", "issue", "action", "column"))
        return [(self.round, self.stage, *e) for e in zip(*columns, strict=True) if e[2] != "flag"]


@dataclass(frozen=True, eq=False)
class History:
    """A root and the entries that made the curated data of it.

    number : the run it was read from.
    """

    number: int
    root: Dataset
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, store: Store, number: int) -> History:
        """Read a run's history. Raises `NotFound` or `Corrupt`."""
        facts = run_facts(store, number)
        entries = []
        for entry in facts["applied"]:
            known = store.load_step(entry["key"])
            if known is None:
                raise Corrupt(f"{store.root / 'steps' / entry['key']}: missing; run {number} stands on it")
            entries.append(Entry(**entry, findings=known[0]))
        return cls(number, store.load(facts["root"]), tuple(entries))

    def replay(self) -> Iterator[Dataset]:
        """Yield the root, then what each entry left; the last one is the curated data."""
        data = self.root
        yield data
        for entry in self.entries:
            data = apply(data, entry.findings, entry.touches)
            yield data

    @property
    def curated(self) -> Dataset:
        """The data after the last entry."""
        *_, last = self.replay()
        return last


def applied_facts(applied: Iterable[tuple[int, Step]]) -> list[dict[str, Any]]:
    """Return what a run's manifest holds of its applied steps, by round."""
    return [
        {"round": number, "stage": step.stage.name, "key": step.key, "touches": step.stage.touches}
        for number, step in applied
    ]


def run_facts(store: Store, number: int | None = None) -> dict[str, Any]:
    """Return the facts of a run, the newest by default. Raises `NotFound` saying which runs there are."""
    numbers = store.runs()
    if not numbers:
        raise NotFound(f"workspace {store.root} holds no run yet (start one with: assay run RECIPE)")
    if number is not None and number not in numbers:
        raise NotFound(f"no run {number}; there are {', '.join(map(str, numbers))}")
    return {**store.run_facts(number or numbers[-1])["facts"], "run": number or numbers[-1]}


def find(store: Store, name: str) -> tuple[str, int | None, int]:
    """Return (fingerprint, run, entries) of what a user calls a snapshot.

    name : a run's number, `root`, which is what the newest run started from, or a fingerprint, which may be
    shortened to 6 digits or more. `run` is the newest run whose history passes through the snapshot and
    `entries` how many of its entries lead there; run is None when no history does. Raises `NotFound`.
    """
    runs = store.runs()
    if name == "root":
        facts = run_facts(store)
        return facts["root"], facts["run"], 0
    if name.isdecimal() and int(name) in runs:
        facts = run_facts(store, int(name))
        return facts["curated"], int(name), len(facts["applied"])
    if not re.fullmatch("[0-9a-f]{6,64}", name):
        raise NotFound(
            f"no snapshot {name!r}; give a run's number, root, or 6 digits or more of a fingerprint "
            "(assay snapshots lists them)"
        )
    places = _on_the_way(store, runs, name)
    known = {p.name for p in (store.root / "datasets").glob(f"{name}*")} | {found for found, _, _ in places}
    if len(known) != 1:
        which = f"several snapshots begin with {name}: {', '.join(sorted(known))}"
        raise NotFound(which if known else f"no snapshot {name!r} (assay snapshots lists them)")
    return places[0] if places else (known.pop(), None, 0)


def _on_the_way(store: Store, runs: Sequence[int], prefix: str) -> list[tuple[str, int | None, int]]:
    """Return the places in the newest run that leads to a snapshot whose fingerprint begins like this."""
    for number in reversed(runs):
        facts = run_facts(store, number)
        if facts["curated"].startswith(prefix):
            return [(facts["curated"], number, len(facts["applied"]))]
        if facts["root"].startswith(prefix):
            return [(facts["root"], number, 0)]
    for number in reversed(runs):
        with suppress(Corrupt):  # another run's damage is none of this one's
            for k, data in enumerate(History.of(store, number).replay()):
                if data.fingerprint.startswith(prefix):
                    return [(data.fingerprint, number, k)]
    return []


def without(findings: Findings, undone: set[int]) -> Findings:
    """Return the findings less the edits at these places of their table."""
    return findings.keep(~np.isin(np.arange(findings.edits.num_rows), list(undone)))
