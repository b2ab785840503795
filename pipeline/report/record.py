"""What the data and the findings say, as JSON-able numbers and short texts: the record's part about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.dataset import SPLITS, Dataset
from pipeline.findings import Findings
from pipeline.modalities import modality
from pipeline.report.clusters import duplicate_clusters
from pipeline.report.issues import (
    Rows,
    Steps,
    all_edits,
    cell_text,
    issue_list,
    score_table,
    suggested_labels,
)

if TYPE_CHECKING:
    from pipeline.auditing import Audit

LENGTH_BINS, SCORE_BINS, MOST_PAIRS = 24, 20, 400


def dataset_record(raw: Dataset, curated: Dataset, steps: Sequence[tuple[str, Findings]]) -> dict[str, Any]:
    """Return what the report says of the data, JSON-able and the same for the same rows and findings.

    `raw` and `curated` are the data before and after all steps; `steps` are (stage name, its findings) in the
    order they were carried out. Cost: one pass over the rows and the edits; the
    texts of at most a few hundred rows are read.
    """
    edits = all_edits(steps)
    rows = Rows(raw, curated, steps)
    return {
        "modality": raw.modality,
        "found": len({e["row_id"] for e in edits if e["row_id"] is not None}),
        "content": list(raw.roles.content),
        "label": raw.roles.label,
        "rows": {"raw": raw.n_rows, "curated": curated.n_rows},
        "splits": [
            {"split": s, "raw": int((raw.splits == s).sum()), "curated": int((curated.splits == s).sum())}
            for s in SPLITS
        ],
        "issues": issue_list(steps, edits, rows),
        "labels": _labels(raw, curated, edits),
        "label_precision": _precision(steps),
        "transitions": _transitions(raw, edits, suggested_labels(steps, raw.roles.label)),
        "duplicates": duplicate_clusters(edits, rows, set(curated.position)),
        "outliers": _outliers(steps),
        "lengths": _lengths(raw, curated),
    }


def audit_record(audit: Audit) -> dict[str, Any]:
    """Return the whole record of an audit: what each stage would do, on data that stay as they are."""
    from pipeline import __version__

    steps, raw = audit.steps, audit.dataset
    after = steps[-1].after if steps else raw
    opened = audit.opened
    return {
        "title": "Data audit",
        "kind": "audit",
        "modality": raw.modality,
        "versions": {"assay": __version__},
        "root": raw.fingerprint,
        "rows_in": raw.n_rows,
        "rows_out": after.n_rows,
        "guesses": list(opened.guesses),
        "notes": list(opened.notes),
        "quarantine": list(opened.quarantine),
        "steps": [{**s.facts, "round": 1, "seconds": s.seconds, "cached": s.cached} for s in steps],
        "dataset": dataset_record(raw, after, [(s.stage.name, s.findings) for s in steps]),
        **audit.facts,
    }


def classes_of(cell: Any) -> list[str]:
    """Return the classes a label cell names: one, several (a list), or the likeliest (a distribution).

    >>> classes_of("a"), classes_of(["a", "b"]), classes_of({"a": 0.3, "b": 0.7}), classes_of(None)
    (['a'], ['a', 'b'], ['b'], [])
    """
    if cell is None:
        return []
    if isinstance(cell, Mapping):
        shares = {str(k): float(v) for k, v in cell.items() if v is not None}
        return [max(sorted(shares), key=shares.__getitem__)] if shares else []
    if isinstance(cell, list | tuple):
        return [str(cell_text(c)) for c in cell if c is not None]
    return [str(cell_text(cell))]


def _labels(raw: Dataset, curated: Dataset, edits: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the classes. `noise_fraction` = rows of the class with issue `label` / its raw train rows."""
    counts = {}
    for name, data, mask in (("raw", raw, None), ("curated", curated, None), ("train", raw, raw.is_train)):
        cells = data.labels if mask is None else data.labels[mask]
        counts[name] = Counter(c for cell in cells for c in classes_of(cell))
    doubted = {e["row_id"] for e in edits if e["issue"] == "label" and e["row_id"] in raw.position}
    flagged = Counter(c for i in doubted for c in classes_of(raw.labels[raw.position[i]]))
    names = sorted(counts["raw"] | counts["curated"], key=lambda c: (-counts["raw"][c], c))
    return [
        {
            "class": c,
            "raw": counts["raw"][c],
            "curated": counts["curated"][c],
            "train": counts["train"][c],
            "flagged": flagged[c],
            "noise_fraction": flagged[c] / counts["train"][c] if counts["train"][c] else None,
        }
        for c in names
    ]


def _precision(steps: Steps) -> dict[str, Any] | None:
    """Return what the newest label detector says of its own precision: `word`, `value`, `rests_on`."""
    said = [f.metrics["precision"] for _, f in steps if "suggested" in f.metrics and "precision" in f.metrics]
    return (
        {"word": None, "value": None, "rests_on": None, **said[-1]}
        if said and isinstance(said[-1], dict)
        else None
    )


def _transitions(
    raw: Dataset, edits: Sequence[dict[str, Any]], suggested: Mapping[str, str]
) -> dict[str, Any]:
    """Count given x suggested classes over the rows with issue `label`, most frequent first."""
    doubted = {e["row_id"] for e in edits if e["issue"] == "label" and e["row_id"] in raw.position}
    pairs = Counter(
        (" + ".join(classes_of(raw.labels[raw.position[i]])), suggested[i]) for i in doubted if i in suggested
    )
    ranked = sorted(pairs.items(), key=lambda p: (-p[1], p[0]))
    return {
        "rows": pairs.total(),
        "pairs": len(pairs),
        "most": [{"given": g, "suggested": s, "rows": n} for (g, s), n in ranked[:MOST_PAIRS]],
    }


def _outliers(steps: Steps) -> dict[str, Any] | None:
    examined, found, threshold = score_table(steps, "outlier")
    if not examined:
        return None
    edges = np.linspace(0, 1, SCORE_BINS + 1)
    counts, _ = np.histogram(examined, edges)
    return {
        "edges": [round(float(e), 4) for e in edges],
        "counts": counts.tolist(),
        "threshold": threshold,
        "examined": len(examined),
        "found": len(found),
    }


def _lengths(raw: Dataset, curated: Dataset) -> dict[str, Any] | None:
    """Histogram of the modality's first measure, raw and curated, on common bins, even or logarithmic."""
    frames = [modality(d.modality).measure(d.content) for d in (raw, curated)]
    if frames[0].empty or not len(frames[0].columns):
        return None
    name = str(frames[0].columns[0])
    before, after = (frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for frame in frames)
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    both = np.concatenate([before, after])
    if not len(both):
        return None
    edges = _edges(both)
    return {
        "measure": name,
        "edges": [round(float(e), 6) for e in edges],
        "raw": np.histogram(before, edges)[0].tolist(),
        "curated": np.histogram(after, edges)[0].tolist(),
        "median": {
            "raw": float(np.median(before)) if len(before) else None,
            "curated": float(np.median(after)) if len(after) else None,
        },
    }


def _edges(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low, low + 1.0])
    if low < 0 or high <= 8 * float(np.median(values)) + 1:
        return np.linspace(low, high, LENGTH_BINS + 1)
    edges = np.expm1(np.linspace(np.log1p(low), np.log1p(high), LENGTH_BINS + 1))
    edges[0], edges[-1] = low, high
    return edges
