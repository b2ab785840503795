"""Found versus planted: one line a fault, from the findings of all stages and the truth the maker wrote."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

from pipeline.demo.copies import RECALL_PER_CENT, Clusters
from pipeline.demo.repairs import closer, repairs

CONFLICT = "conflicting_labels"  # copies of different labels are named, not removed
COPY_ISSUES = ("exact_duplicate", "near_duplicate", CONFLICT)
Line = dict[str, Any]


def score(truth: Mapping[str, Any], edits: pa.Table, scores: pa.Table) -> list[Line]:
    """Return for each fault: planted, found, precision, recall, average_precision, how.

    edits : EDIT_SCHEMA, all stages one after the other, in the order they ran.
    scores : SCORE_SCHEMA, all stages.
    """
    rows = edits.to_pylist()
    lines = [_exact(truth, rows)]
    if truth["faults"]:
        lines += [_near(truth, rows), _labels(truth, rows, scores), _off_topic(truth, rows, scores)]
        lines += [_repairs(truth, rows, fault) for fault in ("mojibake", "html")]
        lines.append(_skew(truth, rows))
    return lines


def _exact(truth: Mapping[str, Any], rows: list[Line]) -> Line:
    """Count the members - 1 of each group of equal texts that an edit names as copies."""
    folded = {i: " ".join(row["text"].casefold().split()) for i, row in truth["rows"].items()}

    def same(i: str, twins: list[str]) -> bool:
        return any(folded.get(i) == folded.get(twin) for twin in twins)

    named = _named(rows, ("exact_duplicate",))
    right = {i for i, twins in named.items() if same(i, twins)}
    conflicts = {i for i, twins in _named(rows, (CONFLICT,)).items() if same(i, twins)}
    groups = truth["exact_duplicates"]
    found = sum(min(len(group) - 1, sum(i in right | conflicts for i in group)) for group in groups)
    planted = sum(len(group) - 1 for group in groups)
    how = "named as exact_duplicate or, with another label, conflicting_labels; right when words are equal"
    return _line("exact duplicates", planted, found, _ratio(len(right), len(named)), how)


def _near(truth: Mapping[str, Any], rows: list[Line]) -> Line:
    """Judge by clusters of sources, planted copies and equal texts; the corpus's own near copies are true."""
    clusters = Clusters(truth)
    named, removed = _named(rows, COPY_ISSUES), {r["row_id"] for r in rows if r["action"] == "drop"}
    right = {i for i, twins in named.items() if any(clusters.are_copies(i, twin) for twin in twins)}
    planted = {i for i, v in truth["near_duplicates"].items() if v["per_cent"] <= RECALL_PER_CENT}
    settled = {i for i in planted if clusters.is_settled(i, removed & named.keys())}
    conflicts = _named(rows, (CONFLICT,)).keys() & right
    told = {i for i in planted if {i, truth["near_duplicates"][i]["source"]} & conflicts} - settled
    how = (f"copies with at most {RECALL_PER_CENT} % of words changed: {len(settled)} removed or alone left, "
           f"{len(told)} named as copies of another label; precision over {len(named)} rows named")
    return _line("near duplicates", len(planted), len(settled | told), _ratio(len(right), len(named)), how)


def _named(rows: list[Line], issues: Collection[str]) -> dict[str, list[str]]:
    """Return the rows that edits of these issues name, each with its related rows."""
    out: dict[str, list[str]] = {}
    for r in rows:
        if r["issue"] in issues and r["row_id"]:
            out.setdefault(r["row_id"], []).extend(r["related"] or [])
    return out


def _labels(truth: Mapping[str, Any], rows: list[Line], scores: pa.Table) -> Line:
    """Judge every row with a label edit; off-topic rows have no right label and count neither way."""
    examined = _scored(scores, "label")
    off_topic = truth["off_topic"].keys()
    named = {r["row_id"] for r in rows if r["issue"] == "label" and r["row_id"]} - off_topic
    wrong = set(truth["labels"])
    planted = (wrong & examined.keys()) | (wrong & named) if examined else wrong
    how = "any edit of issue label"
    if gone := len(wrong - planted):
        how += f"; {gone} more wrong labels went before as copies or otherwise"
    found, right = len(named & planted), len(named & wrong)
    return _line("changed labels", len(planted), found, _ratio(right, len(named)), how)


def _off_topic(truth: Mapping[str, Any], rows: list[Line], scores: pa.Table) -> Line:
    from sklearn.metrics import average_precision_score

    train = {i for i, row in truth["rows"].items() if row["split"] == "train"}
    examined = {i: s for i, s in _scored(scores, "outlier").items() if i in train}
    planted = truth["off_topic"].keys()
    named = {r["row_id"] for r in rows if r["issue"] == "outlier"} & train
    found, there = len(named & planted), len(planted & examined.keys())
    how = f"average precision of 1 - outlier score over {len(examined):,} train rows, {there} of them planted"
    line = _line("off-topic rows", len(planted), found, _ratio(found, len(named)), how)
    if there:
        order = sorted(examined)
        truths = [i in planted for i in order]
        line["average_precision"] = float(average_precision_score(truths, [1 - examined[i] for i in order]))
    return line


def _repairs(truth: Mapping[str, Any], rows: list[Line], fault: str) -> Line:
    """Count planted cells that were repaired; precision is over all text cells that were set."""
    gain = {i: closer(truth[fault].get(i, truth["rows"][i]["text"]), *cells)
            for i, cells in repairs(rows).items() if i in truth["rows"]}
    planted = [gain.get(i, 0) for i in truth[fault]]
    found, precision = sum(g > 0 for g in planted), _ratio(sum(g > 0 for g in gain.values()), len(gain))
    how = f"{planted.count(2)} cells are what they were, others closer; precision over {len(gain)} cells set"
    return _line(fault, len(planted), found, precision, how)


def _skew(truth: Mapping[str, Any], rows: list[Line]) -> Line:
    counts = truth["class_counts"]["after"].values()
    found = any(r["issue"] == "class_imbalance" for r in rows)
    how = f"largest class {max(counts)} rows, smallest {min(counts)}; any edit of issue class_imbalance"
    return _line("class skew", 1, int(found), None, how)


def _line(fault: str, planted: int, found: int, precision: float | None, how: str) -> Line:
    return {"fault": fault, "planted": planted, "found": found, "precision": precision,
            "recall": _ratio(found, planted), "average_precision": None, "how": how}


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _scored(scores: pa.Table, issue: str) -> dict[str, float]:
    """Return each row's lowest score for an issue."""
    out: dict[str, float] = {}
    for row in scores.to_pylist():
        if row["issue"] == issue:
            out[row["row_id"]] = min(row["score"], out.get(row["row_id"], 1.0))
    return out
