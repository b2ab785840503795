"""undo and restore: go back without losing anything.

Both commit a new run whose history is the old one less some entries; nothing is ever deleted, so both can be
taken back in the same way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.dataset import Dataset
from pipeline.files import Corrupt, read_parquet, write_parquet
from pipeline.history import Entry, History, find, run_facts, without
from pipeline.ledger import LEDGER
from pipeline.outputs import write_data
from pipeline.row_names import row_called
from pipeline.store import NotFound, Store
from pipeline.upkeep import keep_again


class Depended(Exception):
    """Later edits were made on what the undone ones left; they would have to go as well."""


@dataclass(frozen=True)
class Undone:
    """What an undo took back: edits by stage, those that depended on them by stage, and the run it made.

    run : None when it was only tried (`dry_run`).
    """

    edits: dict[str, int]
    dependents: dict[str, int]
    rows_before: int
    rows_after: int
    run: int | None


def undo(
    store: Store,
    issue: str | None = None,
    stage: str | None = None,
    row: str | None = None,
    run: int | None = None,
    cascade: bool = False,
    dry_run: bool = False,
) -> Undone:
    """Take back the applied edits of a rule (`issue`), a stage or a row (those that are given must all
    match).

    A later edit depends on an undone one when it is about the same row or names it as a parent, twin or
    neighbour: it was found on what that edit left. Raises `Depended` listing such edits unless `cascade`,
    and `NotFound` when nothing matches. Cost: one replay.
    """
    with nullcontext() if dry_run else store.lock():
        return _undo(store, (issue, stage, row), run, cascade, dry_run)


def _undo(
    store: Store, asked: tuple[str | None, ...], run: int | None, cascade: bool, dry_run: bool
) -> Undone:
    history = History.of(store, run_facts(store, run)["run"])
    issue, stage, row = asked
    asked = (issue, stage, row_called(history.root, row) if row else None)
    chosen = _matching(history.entries, *asked)
    if not any(chosen):
        what = ", ".join(f"{k} {v}" for k, v in zip(("rule", "stage", "row"), asked, strict=True) if v)
        raise NotFound(f"run {history.number} applied no edit of {what} ({_what_there_is(history)})")
    dependents = _dependents(history.entries, chosen)
    if any(dependents) and not cascade:
        raise Depended(_list(history.entries, dependents))
    gone = [one | two for one, two in zip(chosen, dependents, strict=True)]
    left = [(_less(entry, lost), lost) for entry, lost in zip(history.entries, gone, strict=True)]
    entries = tuple(entry for entry, lost in left if entry.ids or not lost)
    after = replace(history, entries=entries)
    number = None if dry_run else commit(store, after, "undo")
    return Undone(
        _by_stage(history.entries, chosen), _by_stage(history.entries, dependents),
        history.curated.n_rows, after.curated.n_rows, number,
    )  # fmt: skip


def snapshot(store: Store, name: str) -> Dataset:
    """Return a snapshot by a run's number, `root` or a fingerprint, see `pipeline.history.find`.

    One whose files are damaged or gone is made again from its root and the edits that led to it. Raises
    `NotFound`, or `Corrupt` when that cannot be done.
    """
    fingerprint, run, n = find(store, name)
    try:
        return store.load(fingerprint)
    except Corrupt:
        if run is None or not n:
            raise
    data = _first(History.of(store, run), n).curated
    if data.fingerprint != fingerprint:
        raise Corrupt(f"run {run} gives {data.fingerprint}, not the snapshot {fingerprint}")
    return data


def restore(store: Store, name: str) -> int:
    """Make a snapshot the workspace's newest one again and return the number of the run that says so.

    name : as in `snapshot`; the files of a damaged one are replaced.
    """
    with store.lock():
        _, run, n = find(store, name)
        data = snapshot(store, name)
        keep_again(store, data)
        history = History(0, data, ())
        if run is not None:
            with suppress(Corrupt):  # its root is damaged: it stands on its own then
                history = _first(History.of(store, run), n)
        return commit(store, history, "restore")


def _first(history: History, n: int) -> History:
    return replace(history, entries=history.entries[:n])


def commit(store: Store, history: History, made_by: str) -> int:
    """Commit a history as a run of its own and return its number."""
    data = history.curated
    for entry in history.entries:
        if store.load_step(entry.key) is None:
            store.save_step(entry.key, entry.findings, {"stage": entry.stage, "after": None, "skipped": None})

    def write(folder: Path, number: int) -> dict[str, Any]:
        ledger = _ledger(store, history, made_by, number)
        if ledger is not None:
            write_parquet(folder / LEDGER, ledger)
        write_data(folder, data)
        return {"made_by": made_by, "of": history.number, "root": history.root.fingerprint,
                "curated": store.save(data), "applied": [e.facts for e in history.entries]}  # fmt: skip

    key = _digest([made_by, history.number, data.fingerprint, len(store.runs())])
    return store.save_run(key, write, data.fingerprint)


def _matching(
    entries: Sequence[Entry], issue: str | None, stage: str | None, row: str | None
) -> list[set[int]]:
    """Return, for each entry, the places of the applied edits that match everything that is asked."""
    out = []
    for entry in entries:
        rows = entry.findings.edits.select(["row_id", "issue", "action"]).to_pylist()
        out.append({
            k for k, e in enumerate(rows)
            if e["action"] != "flag" and stage in (None, entry.stage) and issue in (None, e["issue"])
            and row in (None, e["row_id"])
        })  # fmt: skip
    return out


def _dependents(entries: Sequence[Entry], chosen: Sequence[set[int]]) -> list[set[int]]:
    """Return, for each entry, the edits that were found on what the chosen ones, or their dependents,
    left.
    """
    touched: set[str] = set()
    out = []
    for entry, undone in zip(entries, chosen, strict=True):
        rows = entry.findings.edits.select(["row_id", "related", "action"]).to_pylist()
        open_ = [(k, e) for k, e in enumerate(rows) if k not in undone and e["action"] != "flag"]
        found = {k for k, e in open_ if not touched.isdisjoint((e["row_id"], *e["related"]))}
        touched |= {rows[k]["row_id"] for k in undone | found}
        out.append(found)
    return out


def _less(entry: Entry, gone: set[int]) -> Entry:
    if not gone:
        return entry
    return replace(entry, key=_digest([entry.key, sorted(gone)]), findings=without(entry.findings, gone))


def _ledger(store: Store, history: History, made_by: str, number: int) -> pa.Table | None:
    """Return the old run's ledger with `applied` as it is now; an edit that no longer stands says so."""
    path = store.root / "runs" / str(history.number) / LEDGER
    if not path.exists():
        return None
    table = read_parquet(path)
    stands = {edit for entry in history.entries for edit in entry.ids}
    rows = table.select(["round", "stage", "row_id", "issue", "action", "column", "applied", "because"])
    applied, because = [], []
    for *edit, was, sentence in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        now = tuple(edit) in stands
        applied.append(now)
        because.append(f"{sentence} ({made_by} in run {number})" if was and not now else sentence)
    for name, values in (("applied", applied), ("because", because)):
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array(values, table.schema.field(name).type))
    return table


def _by_stage(entries: Sequence[Entry], places: Sequence[set[int]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for entry, found in zip(entries, places, strict=True):
        if found:
            out[entry.stage] = out.get(entry.stage, 0) + len(found)
    return out


def _list(entries: Sequence[Entry], places: Sequence[set[int]]) -> str:
    """Say which edits stand in the way, ten by name."""
    named = []
    for entry, found in zip(entries, places, strict=True):
        edits = without(entry.findings, set(range(entry.findings.edits.num_rows)) - found).edits.to_pylist()
        named += [f"{e['stage']} {e['action']} {e['row_id']} ({e['issue']})" for e in edits]
    more = f" and {len(named) - 10} more" if len(named) > 10 else ""
    return (
        f"{len(named)} later edits were made on what these left: {'; '.join(named[:10])}{more} "
        "(add --cascade to undo them as well)"
    )


def _what_there_is(history: History) -> str:
    there = sorted({(stage, issue) for e in history.entries for _, stage, _, issue, *_ in e.ids})
    return "applied: " + (", ".join(f"{stage}/{issue}" for stage, issue in there) or "nothing")


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
