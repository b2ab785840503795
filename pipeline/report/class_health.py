"""Health of the classes: rows, doubted labels, what the detector says of its precision, which for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.dataset import Dataset
from pipeline.report.label_words import classes_of, in_words, words_for
from pipeline.report.rows import Steps

MOST_PAIRS = 400


def label_counts(raw: Dataset, curated: Dataset, edits: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
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


def precision(steps: Steps) -> dict[str, Any] | None:
    """Return what the newest label detector says of its own precision: `word`, `value`, `rests_on`."""
    said = [f.metrics["precision"] for _, f in steps if "suggested" in f.metrics and "precision" in f.metrics]
    return (
        {"word": None, "value": None, "rests_on": None, **said[-1]}
        if said and isinstance(said[-1], dict)
        else None
    )


def transitions(
    raw: Dataset, edits: Sequence[dict[str, Any]], suggested: Mapping[str, str]
) -> dict[str, Any]:
    """Count given x suggested classes over the rows with issue `label`, most frequent first."""
    doubted = {e["row_id"] for e in edits if e["issue"] == "label" and e["row_id"] in raw.position}
    shown = words_for(raw)
    pairs = Counter(
        (in_words(raw.labels[raw.position[i]]), shown(suggested[i])) for i in doubted if i in suggested
    )
    ranked = sorted(pairs.items(), key=lambda p: (-p[1], p[0]))
    return {
        "rows": pairs.total(),
        "pairs": len(pairs),
        "most": [{"given": g, "suggested": s, "rows": n} for (g, s), n in ranked[:MOST_PAIRS]],
    }
