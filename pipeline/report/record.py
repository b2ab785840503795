"""What the data and the findings say, as JSON-able numbers and short texts: the record's part about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.dataset import SPLITS, Dataset
from pipeline.findings import Findings
from pipeline.report import drift, environment, measures, schema
from pipeline.report.class_health import label_counts, precision, transitions
from pipeline.report.clusters import duplicate_clusters
from pipeline.report.grading import grade
from pipeline.report.issues import (
    TILES,
    all_edits,
    issue_list,
    score_table,
    suggested_labels,
    worst_examples,
)
from pipeline.report.label_issues import label_issues, overlapping
from pipeline.report.label_shape import label_shape
from pipeline.report.label_words import classes_of
from pipeline.report.made import made
from pipeline.report.rows import Rows, Steps
from pipeline.report.sources import sources
from pipeline.report.table_page import table_page
from pipeline.report.text_page import text_page
from pipeline.report.turns_page import turns_page

if TYPE_CHECKING:
    from pipeline.auditing import Audit

SCORE_BINS, MOST_WORST, MOST_LEDGER = 20, 6, 12
READ_BY_EMBEDDINGS = {"the encoder of the embeddings": 256}


def dataset_record(
    raw: Dataset, curated: Dataset, steps: Sequence[tuple[str, Findings]],
    limits: Mapping[str, int] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return what the report says of the data, JSON-able and the same for the same rows and findings.

    `raw` and `curated` are the data before and after all steps; `steps` are (stage name, its findings) in the
    order they were carried out; `limits` says how many tokens each reader takes of a text. Cost: one pass
    over the rows and the edits; at most 20,000 rows are measured, 2,000 read, and the texts of a few hundred
    shown.
    """
    edits = all_edits(steps)
    rows = Rows(raw, curated, steps)
    suggested = suggested_labels(steps, raw.roles.label)
    issues = issue_list(steps, edits, rows)
    examined = {issue for _, found in steps for issue in found.scores["issue"].unique().to_pylist()}
    classes = label_counts(raw, curated, edits)
    changed = transitions(raw, edits, suggested)
    described = schema.columns(raw)
    before, measured = measures.measured(raw)
    after, _ = measures.measured(curated)
    text = text_page(raw, before, edits, limits or READ_BY_EMBEDDINGS)
    copies = duplicate_clusters(edits, rows, set(curated.position))
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
        "grade": grade(issues, edits, raw.n_rows, examined),
        "issues": issues,
        "columns": described,
        "alerts": schema.alerts(raw, described, copies["rows"]),
        "bytes": int(raw.table.nbytes),
        "labels": classes,
        "label_precision": precision(steps),
        "transitions": changed,
        "overlapping": overlapping(changed["most"], classes),
        "label_issues": label_issues(edits, rows, suggested),
        "duplicates": copies,
        "outliers": _outliers(steps, edits, rows),
        "label_shape": label_shape(raw),
        "lengths": measures.lengths(before, after),
        "measures": measures.others(before, after),
        "sizes": measures.sizes(raw, before, measured, edits),
        "text": text,
        "turns": turns_page(raw, limits or READ_BY_EMBEDDINGS),
        "table": None if text else table_page(raw, curated, edits),
        "sources": sources(raw, curated, edits, rows, classes_of),
        "drift": drift.splits(raw, before, measured, classes_of),
        "made": made(raw, curated, steps, rows, classes_of),
        "ledger": _ledger(edits),
        "pictures": rows.pictures.record(),
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
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "modality": raw.modality,
        "versions": environment.versions(__version__),
        "machine": environment.machine(),
        "methods": environment.methods(s.stage.name for s in steps),
        "root": raw.fingerprint,
        "rows_in": raw.n_rows,
        "rows_out": after.n_rows,
        "guesses": list(opened.guesses),
        "notes": list(opened.notes),
        "quarantine": list(opened.quarantine),
        "steps": [
            {**step_facts(s.facts), "round": 1, "seconds": s.seconds, "cached": s.cached} for s in steps
        ],
        "dataset": dataset_record(raw, after, [(s.stage.name, s.findings) for s in steps]),
        **audit.facts,
    }


def step_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step's facts as the report keeps them: without the metrics that have an entry a row."""
    metrics = {k: v for k, v in (facts.get("metrics") or {}).items() if k != "suggested"}
    return {**facts, "metrics": metrics}


def _outliers(steps: Steps, edits: Sequence[dict[str, Any]], rows: Rows) -> dict[str, Any] | None:
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
        "worst": worst_examples(edits, "outlier", rows, TILES if rows.drawn else MOST_WORST),
    }


def _ledger(edits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how many edits there are and a few of every stage, as the ledger holds them."""
    by_stage: dict[str, list[dict[str, Any]]] = {}
    for edit in edits:
        by_stage.setdefault(edit["stage"], []).append(edit)
    each = max(MOST_LEDGER // max(len(by_stage), 1), 1)
    keys = ("row_id", "stage", "issue", "action", "score", "because")
    return {
        "all": len(edits),
        "rows": [
            {k: e[k] for k in keys}
            for of_stage in by_stage.values()
            for e in sorted(of_stage, key=lambda e: (e["score"], e["row_id"] or ""))[:each]
        ],
    }
