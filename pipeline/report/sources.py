"""Sources beside each other: rows, findings, classes, and what they have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.dataset import SOURCE, Dataset
from pipeline.report.bars import bars
from pipeline.report.clusters import is_about_copies
from pipeline.report.rows import Rows

MOST_SOURCES, MOST_ISSUES, MOST_CLASSES, FEW_ROWS = 20, 12, 20, 50
Classes = Callable[[Any], list[str]]


def sources(
    raw: Dataset, curated: Dataset, edits: Sequence[Mapping[str, Any]], rows: Rows, classes_of: Classes
) -> dict[str, Any] | None:
    """Return one entry a source, the biggest first; None where there is only one.

    Rates are rows with the issue for each 1,000 rows of the source. A copy counts as across sources where the
    row and one it relates to come from different ones.
    """
    of_row = _names(raw)
    sizes = Counter(of_row)
    if len(sizes) < 2:
        return None
    source_of = dict(zip(raw.ids, of_row, strict=True))
    touched = {(e["row_id"], e["issue"]) for e in edits if e["row_id"] in source_of}
    by_issue = Counter((source_of[row_id], issue) for row_id, issue in touched)
    issues = Counter(issue for _, issue in touched)
    shown = [i for i, _ in sorted(issues.items(), key=lambda p: (-p[1], p[0]))[:MOST_ISSUES]]
    found = Counter(source_of[row_id] for row_id in {row_id for row_id, _ in touched})
    kept = Counter(source_of[i] for i in curated.ids if i in source_of)
    classes = {s: Counter[str]() for s in sizes}
    for name, cell in zip(of_row, raw.labels, strict=True):
        classes[name].update(classes_of(cell))
    every = Counter(c for counts in classes.values() for c, n in counts.items() for _ in range(n))
    names = [c for c, _ in sorted(every.items(), key=lambda p: (-p[1], p[0]))[:MOST_CLASSES]]
    ranked = sorted(sizes, key=lambda s: (-sizes[s], s))
    return {
        "all": len(ranked), "issues": shown, "classes": names, "hidden_classes": len(every) - len(names),
        "sources": [
            {
                "source": s, "rows": sizes[s], "curated": kept[s], "few": sizes[s] < FEW_ROWS,
                "splits": dict(sorted(Counter(map(str, raw.splits[of_row == s])).items())),
                "found": found[s], "per_1000": {i: round(1000 * by_issue[s, i] / sizes[s], 1) for i in shown},
                "classes": [classes[s][c] for c in names], "labelled": sum(classes[s].values()),
            }
            for s in ranked[:MOST_SOURCES]
        ],
        "copies": _copies(edits, source_of, rows),
    }  # fmt: skip


def _names(data: Dataset) -> np.ndarray:
    return np.array([str(s or "") for s in data.table[SOURCE].to_pylist()], dtype=object)


def _copies(
    edits: Sequence[Mapping[str, Any]], source_of: Mapping[str, str], rows: Rows
) -> list[dict[str, Any]]:
    """Count the rows that copy a row of another source, by the two sources, most first."""
    pairs = {
        (source_of[e["row_id"]], rows.source(other), e["row_id"])
        for e in edits
        if is_about_copies(e["issue"]) and e["row_id"] in source_of
        for other in e["related"]
        if rows.source(other) != source_of[e["row_id"]]
    }
    counts = Counter((one, other) for one, other, _ in pairs)
    return [
        {"source": one, "other": other, "rows": n}
        for (one, other), n in sorted(counts.items(), key=lambda p: (-p[1], p[0]))[:MOST_SOURCES]
    ]


def view(data: Mapping[str, Any], evaluation: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the sources as the page shows them, with their results on held-out rows where there are any."""
    found = data.get("sources")
    if not found:
        return None
    results: dict[str, dict[str, Any]] = {}
    for side in ("raw", "curated"):
        for line in ((evaluation or {}).get(side) or {}).get("slices") or []:
            column, _, source = str(line.get("slice", "")).partition("=")
            if column == SOURCE:
                results.setdefault(source, {})[side] = line
    lines = [(s["source"], (1000 * s["found"] / s["rows"],)) for s in found["sources"]]
    none = {"value": None, "low": None, "high": None, "n": None, "metric": None}
    return {
        **found,
        "chart": bars("source-findings", "Rows with a finding, for each 1,000 rows", "One bar a source.",
                      lines, ("rows",)),
        "evaluated": [
            {"source": s, **{side: {**none, **of.get(side, {})} for side in ("raw", "curated")}}
            for s, of in sorted(results.items())
        ],
        "hidden": found["all"] - len(found["sources"]),
    }  # fmt: skip
