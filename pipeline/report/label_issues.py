"""Label issues: the worst ones, ready to be decided; which classes overlap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.rows import Rows
from pipeline.report.visible import shorten

MOST_ROWS, MOST_CHARS, MOST_PAIRS = 50, 400, 8


def label_issues(
    edits: Sequence[Mapping[str, Any]], rows: Rows, suggested: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return the worst rows of issue `label`, and of copies whose labels conflict, worst first.

    confidence = 1 - score: how sure it is that the given label is wrong, 0.5 = undecided.
    """
    wanted = [e for e in edits if e["issue"] in ("label", "conflicting_labels") and e["row_id"]]
    worst: dict[str, Mapping[str, Any]] = {}
    for edit in sorted(wanted, key=lambda e: (e["score"], e["issue"] != "label", e["row_id"])):
        worst.setdefault(edit["row_id"], edit)
    if not worst:
        return None
    return {
        "all": len(worst),
        "rows": [_row(edit, rows, suggested) for edit in list(worst.values())[:MOST_ROWS]],
    }


def overlapping(
    most: Sequence[Mapping[str, Any]], classes: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return pairs of classes by how many labels are doubted from one to the other, in either direction.

    share = doubted rows between the two / train rows of both; as cleanlab's overlapping classes.
    """
    train = {str(c["class"]): int(c["train"]) for c in classes}
    pairs: Counter[tuple[str, str]] = Counter()
    for line in most:
        one, other = sorted((str(line["given"]), str(line["suggested"])))
        if one != other:
            pairs[one, other] += int(line["rows"])
    return [
        {"classes": [a, b], "rows": n, "share": n / t if (t := train.get(a, 0) + train.get(b, 0)) else None}
        for (a, b), n in sorted(pairs.items(), key=lambda p: (-p[1], p[0]))[:MOST_PAIRS]
    ]


def _row(edit: Mapping[str, Any], rows: Rows, suggested: Mapping[str, str]) -> dict[str, Any]:
    row_id = edit["row_id"]
    other = suggested.get(row_id)
    return {
        "row_id": row_id, "file_name": rows.file(row_id),
        "split": rows.split(row_id), "given": rows.given(row_id),
        "suggested": other, "given_words": rows.label(row_id),
        "suggested_words": None if other is None else rows.words(other), "issue": edit["issue"],
        "score": edit["score"],
        "confidence": round(1 - edit["score"], 6), "action": edit["action"], "because": edit["because"],
        "text": shorten(rows.text(row_id), MOST_CHARS), "picture": rows.picture(row_id),
    }  # fmt: skip
