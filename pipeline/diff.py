"""diff: what is different between two snapshots, by rows, columns, classes and stages."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pyarrow as pa

from pipeline.dataset import ROW_ID, SPLITS, WEIGHT, Dataset
from pipeline.hashing import cell_json, light_cells
from pipeline.history import EditId, History, find, run_facts
from pipeline.report.judgement import LOWER_IS_BETTER
from pipeline.store import Store
from pipeline.undo import snapshot
from pipeline.words import how_many

Place = tuple[str, int | None, int]  # what `find` returns: fingerprint, run, entries


def diff(store: Store, a: str, b: str) -> dict[str, Any]:
    """Return what `b` has that `a` has not, and the other way round.

    Returns
    -------
    rows : row counts of both. added, dropped : ids only in b, only in a. changed : by id, the columns whose
    cells differ. stages : how many of these rows each stage explains, by what became of them. classes : by
    split and label, the counts in a and b. metrics : test metrics of both, where both are runs that were
    evaluated.
    Raises `NotFound`, `Corrupt`. Cost: both snapshots in memory.
    """
    places = _place(store, a, b), _place(store, b, a)
    one, two = (snapshot(store, fingerprint) for fingerprint, _, _ in places)
    added = [i for i in two.ids if i not in one.position]
    dropped = [i for i in one.ids if i not in two.position]
    changed = _changed(one, two)
    parts = (("added", added), ("dropped", dropped), ("changed", changed))
    about = {i: what for what, ids in parts for i in ids}
    return {
        "a": one.fingerprint, "b": two.fingerprint, "rows": [one.n_rows, two.n_rows],
        "added": added, "dropped": dropped, "changed": changed,
        "stages": _stages(store, places, about), "classes": _classes(one, two),
        "metrics": _metrics(store, places),
    }  # fmt: skip


def in_words(facts: dict[str, Any]) -> list[str]:
    """Return a difference as lines for people."""
    rows, columns = facts["rows"], Counter(c for names in facts["changed"].values() for c in names)
    lines = [f"{facts['a'][:12]} -> {facts['b'][:12]}: {rows[0]:,} -> {how_many(rows[1], 'row')}"]
    lines.append(
        f"{len(facts['dropped']):,} dropped, {len(facts['added']):,} added, {len(facts['changed']):,} changed"
        + (f" ({', '.join(f'{name} in {n:,}' for name, n in columns.most_common())})" if columns else "")
    )
    for stage, counts in facts["stages"].items():
        lines.append(f"  {stage:12} {', '.join(f'{n:,} {what}' for what, n in sorted(counts.items()))}")
    for split, labels in facts["classes"].items():
        moved = [f"{label} {x:,} -> {y:,}" for label, (x, y) in labels.items() if x != y]
        lines.append(f"{split}: {', '.join(moved) or 'the same class counts'}")
    for name, (x, y) in facts["metrics"].items():
        less = name.split()[-1].removeprefix("soft_") in LOWER_IS_BETTER
        by = f"{y - x:+.3f}, less is better" if less else f"{100 * (y - x):+.1f} points"
        lines.append(f"{name}: {x:.3f} -> {y:.3f} ({by})")
    return lines


def _place(store: Store, name: str, other: str) -> Place:
    """Return where a name leads; `root` is the root of the run that the other name stands for."""
    run = find(store, other)[1] if name == "root" else None
    return find(store, name) if run is None else (str(run_facts(store, run)["root"]), run, 0)


def _changed(one: Dataset, two: Dataset) -> dict[str, list[str]]:
    """Return, for the rows that both have, the columns whose cells differ."""
    shared = [i for i in one.ids if i in two.position]
    left, right = (d.table.take(pa.array([d.position[i] for i in shared], pa.int64())) for d in (one, two))
    out: dict[str, list[str]] = {}
    for name in sorted({*left.column_names, *right.column_names} - {ROW_ID}):
        if name not in left.column_names or name not in right.column_names:
            there = left if name in left.column_names else right
            absent = (None, 1.0) if name == WEIGHT else (None,)
            places = [k for k, cell in enumerate(light_cells(there[name])) if cell not in absent]
        elif left[name].equals(right[name]):
            continue
        else:
            cells = zip(light_cells(left[name]), light_cells(right[name]), strict=True)
            places = [k for k, (x, y) in enumerate(cells) if cell_json(x) != cell_json(y)]
        for k in places:
            out.setdefault(shared[k], []).append(name)
    return {i: out[i] for i in sorted(out)}


def _stages(store: Store, places: tuple[Place, Place], about: dict[str, str]) -> dict[str, dict[str, int]]:
    """Return by stage how many of these rows the edits are about that stand on one side only.

    What was repaired in a row that is gone, or new, does not explain why it is.
    """
    one, two = (_edits(store, place) for place in places)
    rows = {(stage, row) for _, stage, row, _, action, _ in one ^ two
            if row in about and (about[row] == "changed" or action in ("drop", "add"))}  # fmt: skip
    explained = {row for _, row in rows}
    rows |= {("other ways", row) for row in about if row not in explained}
    counts: dict[str, Counter[str]] = {}
    for stage, row in sorted(rows):
        counts.setdefault(stage, Counter())[about[str(row)]] += 1
    return {stage: dict(found) for stage, found in counts.items()}


def _edits(store: Store, place: Place) -> set[EditId]:
    _, run, n = place
    entries = History.of(store, run).entries[:n] if run else ()
    return {edit for entry in entries for edit in entry.ids}


def _classes(one: Dataset, two: Dataset) -> dict[str, dict[str, tuple[int, int]]]:
    out = {}
    for split in SPLITS:
        x, y = (Counter(_name(v) for v in data.labels[data.splits == split]) for data in (one, two))
        if (x or y) and one.roles.label:
            out[split] = {label: (x[label], y[label]) for label in sorted({*x, *y})}
    return out


def _name(label: Any) -> str:
    return label if isinstance(label, str) else cell_json(label)


def _metrics(store: Store, places: tuple[Place, Place]) -> dict[str, tuple[float, float]]:
    """Return the metrics that both snapshots have, as the curated or the raw side of an evaluated run."""
    sides = []
    for fingerprint, run, _ in places:
        path = store.root / "runs" / str(run) / "evaluation.json"
        if not path.exists():
            return {}
        facts = store.run_facts(int(path.parent.name))["facts"]
        side = {facts["root"]: "raw", facts["curated"]: "curated"}.get(fingerprint)
        if side is None:
            return {}
        done = json.loads(path.read_text("utf-8"))
        sides.append({f"{done['split']} {n}": m["value"] for n, m in done[side]["metrics"].items()})
    one, two = sides
    return {n: (one[n], two[n]) for n in one if one[n] is not None and two.get(n) is not None}
