"""A map of the rows: their embeddings in two dimensions, when embeddings are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.report.rows import cell_text
from pipeline.run import Step
from pipeline.signals.engine import Engine

MOST_POINTS, MOST_CLASSES = 1_200, 7
_COLOURED = ("label", "outlier", "leakage", "conflicting_labels", "near_duplicate", "exact_duplicate")


def embedding_map(steps: Sequence[Step], engine: Engine) -> dict[str, Any] | None:
    """Return rows as points: the first two principal components of their embeddings.

    Reads what a stage has computed already, on the rows as that stage saw them; None where no stage needed
    embeddings. At most 1,200 rows, evenly spaced in the order of ids. Points carry class, split and issue,
    never an id or a text.
    Cost: O(points x d^2), plus reading the cached vectors.
    """
    step = next((s for s in steps if _computed(s)), None)
    if step is None:
        return None
    data = step.before.roots
    rows = np.unique(np.linspace(0, data.n_rows - 1, min(data.n_rows, MOST_POINTS)).astype(np.int64))
    vectors = np.asarray(engine.signals(step.before)["embeddings"][rows], np.float64)
    if len(vectors) < 3 or vectors.shape[1] < 2:
        return None
    vectors -= vectors.mean(axis=0)
    left, size, _ = np.linalg.svd(vectors, full_matrices=False)
    xy = left[:, :2] * size[:2]
    xy *= np.where(
        xy[np.abs(xy).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0
    )  # a sign that does not depend on luck
    low, high = np.quantile(xy, 0.005, axis=0), np.quantile(xy, 0.995, axis=0)
    xy = np.clip((xy - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    labels = [cell_text(data.labels[i]) for i in rows]
    classes = _classes(labels)
    issues = _issues(steps)
    return {
        "rows": int(data.n_rows), "shown": len(rows), "stage": step.stage.name, "classes": classes,
        "explained": round(float((size[:2] ** 2).sum() / max(float((size**2).sum()), 1e-12)), 4),
        "x": [round(float(v), 3) for v in xy[:, 0]], "y": [round(float(v), 3) for v in xy[:, 1]],
        "class": [classes.index(c) if c in classes else -1 for c in labels],
        "split": [str(data.splits[i]) for i in rows],
        "issue": [issues.get(data.ids[i]) for i in rows],
    }  # fmt: skip


def _computed(step: Step) -> bool:
    """Return whether the step had the embeddings of its rows computed."""
    if step.skipped or not step.before.n_rows:
        return False
    brought = step.findings.metrics.get("probabilities", "computed") != "computed"
    return "embeddings" in step.stage.needs or ("pred_probs" in step.stage.needs and not brought)


def _classes(labels: Sequence[str | None]) -> list[str]:
    counts: dict[str, int] = {}
    for label in labels:
        if label is not None:
            counts[label] = counts.get(label, 0) + 1
    return sorted(sorted(counts, key=lambda c: (-counts[c], c))[:MOST_CLASSES])


def _issues(steps: Sequence[Step]) -> dict[str, str]:
    """Return one issue a row, the gravest of those that are coloured."""
    out: dict[str, str] = {}
    for step in steps:
        edits = step.findings.edits
        for row_id, issue in zip(edits["row_id"].to_pylist(), edits["issue"].to_pylist(), strict=True):
            rank = {name: i for i, name in enumerate(_COLOURED)}
            if row_id and issue in rank and rank[issue] <= rank.get(out.get(row_id, ""), len(rank)):
                out[row_id] = issue
    return out
