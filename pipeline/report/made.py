"""What rebalancing and augmentation made: how many rows, of which, for which class; weights."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.dataset import PARENTS, Dataset
from pipeline.report.issues import EXAMPLE_CHARS
from pipeline.report.rows import Rows, Steps
from pipeline.report.visible import excerpts

MOST_SAMPLES, MOST_DRAWN = 4, 16
Classes = Callable[[Any], list[str]]


def made(
    raw: Dataset, curated: Dataset, steps: Steps, rows: Rows, classes_of: Classes
) -> dict[str, Any] | None:
    """Return made rows and weights by class, a few children beside their parents; None when there are none.

    weight = mean weight of the class's train rows; share = the class's share of the train rows' total weight.
    """
    by_stage = [(stage, f) for stage, f in steps if f.added is not None and f.added.num_rows]
    weighted = bool(len(curated.weights)) and not np.allclose(curated.weights, 1.0)
    if not by_stage and not weighted:
        return None
    added = [(stage, row) for stage, f in by_stage if f.added is not None for row in f.added.to_pylist()]
    children = [(stage, row) for stage, row in added if row["row_id"] in curated.position]
    label = raw.roles.label
    of_class = Counter(c for _, row in children for c in classes_of(row[label] if label else None))
    parents: dict[str, set[str]] = defaultdict(set)
    for _, row in children:
        for c in classes_of(row[label] if label else None):
            parents[c].update(row[PARENTS])
    because = {
        e["row_id"]: e["because"] for _, f in by_stage for e in f.edits.to_pylist() if e["action"] == "add"
    }
    return {
        "rows": len(children), "parents": len({p for _, row in children for p in row[PARENTS]}),
        "stages": [{"stage": s, "rows": n} for s, n in sorted(Counter(s for s, _ in children).items())],
        "weighted": weighted, "classes": _classes(raw, curated, of_class, parents, classes_of),
        "samples": [
            _sample(stage, row, rows, because)
            for stage, row in _spread(children, MOST_DRAWN if rows.drawn else MOST_SAMPLES)
        ],
    }  # fmt: skip


def _classes(
    raw: Dataset, curated: Dataset, of_class: Counter[str], parents: dict[str, set[str]], classes_of: Classes
) -> list[dict[str, Any]]:
    before = Counter(c for cell in raw.labels[raw.is_train] for c in classes_of(cell))
    train = curated.is_train
    after: Counter[str] = Counter()
    weight: dict[str, float] = defaultdict(float)
    for cell, w in zip(curated.labels[train], curated.weights[train], strict=True):
        for c in classes_of(cell):
            after[c] += 1
            weight[c] += float(w)
    total, all_before = sum(weight.values()) or 1.0, sum(before.values()) or 1
    return [
        {
            "class": c, "made": of_class[c], "parents": len(parents[c]), "train": after[c],
            "weight": weight[c] / after[c] if after[c] else None,
            "share_before": before[c] / all_before, "share": weight[c] / total,
        }
        for c in sorted({*before, *after}, key=lambda c: (-before[c], c))
    ]  # fmt: skip


def _spread(children: list[tuple[str, dict[str, Any]]], most: int) -> list[tuple[str, dict[str, Any]]]:
    places = np.unique(np.linspace(0, len(children) - 1, min(len(children), most)).astype(int))
    return [children[int(i)] for i in places] if children else []


def _sample(stage: str, row: dict[str, Any], rows: Rows, because: dict[str, str]) -> dict[str, Any]:
    parent = row[PARENTS][0]
    theirs, ours = excerpts(rows.text(parent), rows.text(row["row_id"]), EXAMPLE_CHARS)
    return {
        "row_id": row["row_id"], "parent": parent, "stage": stage, "label": rows.label(row["row_id"]),
        "split": row["split"], "because": because.get(row["row_id"]), "text": ours, "against": theirs,
        "picture": rows.picture(row["row_id"]), "picture_parent": rows.picture(parent),
    }  # fmt: skip
