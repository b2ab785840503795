"""The data's own pages: columns and alerts, label decisions, text, splits and drift, what was made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.bars import bars, histogram
from pipeline.report.health import difference, uncut
from pipeline.report.scatter import scatter, tiny_histogram
from pipeline.report.svg import short_number

MOST_IN_MIX, MOST_DRIFT = 12, 15
IN_REVIEW_FILE = ("row_id", "split", "given", "suggested", "issue", "score", "text")
Record = Mapping[str, Any]
SPLIT_TONES = {"train": "s0", "validation": "c1", "test": "c0"}
ISSUE_TONES = {"label": "c3", "outlier": "c4", "near_duplicate": "c1", "exact_duplicate": "c1",
               "conflicting_labels": "c5", "leakage": "c0"}  # fmt: skip


def overview(data: Record, most: int) -> dict[str, Any] | None:
    """Return columns with a small histogram each, and alerts."""
    found = data.get("columns") or []
    if not found:
        return None
    shown = []
    for column in found[:most]:
        drawn = column.get("histogram")
        title = (
            f"{column['column']}: {short_number(column['low'])} to {short_number(column['high'])}"
            if drawn
            else ""
        )
        shown.append({**column, "chart": tiny_histogram(title, drawn["counts"]) if drawn else None})
    alerts = data.get("alerts") or []
    return {"columns": shown, "hidden": len(found) - len(shown), "alerts": alerts[:most], "all": len(found),
            "hidden_alerts": max(len(alerts) - most, 0), "bytes": data.get("bytes")}  # fmt: skip


def decisions(data: Record, most: int) -> dict[str, Any] | None:
    """Return label issues; `row` is what the page's own script writes into the review CSV."""
    found = data.get("label_issues")
    if not found:
        return None
    rows = [
        {"given_words": None, "suggested_words": None, **r,
         "row": json.dumps({k: r.get(k) for k in IN_REVIEW_FILE})}
        for r in found["rows"][:most]
    ]
    classes = [str(c["class"]) for c in data.get("labels") or []]
    return {"rows": rows, "all": found["all"], "classes": classes[:200], "label": data.get("label")}


def text(data: Record) -> dict[str, Any] | None:
    """Return the page of a text dataset, with the chart of its tokens and the line where each reader cuts."""
    found = data.get("text")
    if not found:
        return None
    tokens = found.get("tokens")
    chart = None
    if tokens:
        limits = tokens["limits"]
        chart = histogram(
            "tokens", "Tokens of each text", "The dashed line is where a reader cuts.", tokens["edges"],
            [("texts", tokens["counts"])], "tokens", limits[0]["tokens"] if limits else None, "cut at",
        )  # fmt: skip
    return {**found, "chart": chart}


def splits(data: Record, points: Record | None, most: int) -> dict[str, Any] | None:
    """Return class mix, drift table and the map of the rows."""
    found = data.get("drift")
    if not found or not found.get("splits"):
        return None
    names = found["splits"]
    totals = [sum(line["counts"][k] for line in found["mix"]) or 1 for k in range(len(names))]
    mix = [
        {**line, "shares": [c / t for c, t in zip(line["counts"], totals, strict=True)]}
        for line in found["mix"][:MOST_IN_MIX]
    ]
    sizes = {s["split"]: s["raw"] for s in data.get("splits") or []}
    drift = found["drift"]
    return {
        "names": names, "sizes": [sizes.get(n) for n in names], "mix": mix,
        "hidden_mix": len(found["mix"]) - len(mix), "drift": drift[: min(MOST_DRIFT, most)],
        "hidden_drift": max(len(drift) - min(MOST_DRIFT, most), 0),
        "drifted": sum(d["drift"] != "none" for d in drift),
        "measured": found["measured_rows"], "maps": _maps(points) if points else [], "points": points,
    }  # fmt: skip


def made(data: Record, most: int) -> dict[str, Any] | None:
    """Return what rebalance and augment made, children beside their parents."""
    found = data.get("made")
    if not found:
        return None
    rows = [(c["class"], (100 * c["share_before"], 100 * c["share"])) for c in found["classes"][:20]]
    samples = []
    for s in found["samples"]:
        pieces = uncut(difference(s["against"], s["text"]))
        beside = uncut(difference(s["text"], s["against"]))
        samples.append({"picture": None, "picture_parent": None, **s, "pieces": pieces, "beside": beside,
                        "identical": s["text"] == s["against"]})  # fmt: skip
    return {
        **found, "classes": found["classes"][:most], "hidden": max(len(found["classes"]) - most, 0),
        "samples": samples, "tiled": any(s.get("picture") for s in samples),
        "chart": bars("class-shares", "Share of each class", "Per cent of the training weight.", rows,
                      ("before", "after"), lambda v: f"{v:.1f} %"),
    }  # fmt: skip


def _maps(points: Record) -> list[dict[str, Any]]:
    """Return the same points three times: coloured by class, by split and by issue."""
    xy = list(zip(points["x"], points["y"], strict=True))
    classes = points["classes"]
    by_class = [g if g >= 0 else len(classes) for g in points["class"]]
    tones = [f"c{k}" for k in range(len(classes))]
    other = [("s0", "other")] if len(classes) in by_class else []
    maps = [_map("class", xy, by_class, [*tones, "s0"], [*zip(tones, classes, strict=True), *other])]
    splits = [s for s in SPLIT_TONES if s in points["split"]]
    if len(splits) > 1:
        keys = [(SPLIT_TONES[s], s) for s in splits]
        maps.append(_map("split", xy, [splits.index(s) for s in points["split"]], [t for t, _ in keys], keys))
    issues = [i for i in ISSUE_TONES if i in points["issue"]]
    if issues:
        of = [issues.index(i) + 1 if i else 0 for i in points["issue"]]
        keys = [("rail", "none"), *((ISSUE_TONES[i], i) for i in issues)]
        maps.append(_map("issue", xy, of, [t for t, _ in keys], keys))
    return maps


def _map(
    by: str, xy: Sequence[tuple[float, float]], group: Sequence[int], tones: Sequence[str],
    keys: Sequence[tuple[str, str]],
) -> dict[str, Any]:  # fmt: skip
    chart = scatter(f"map-{by}", f"Rows by {by}", "Rows that are alike lie close together.", xy, group, tones)
    return {"by": by, "chart": chart, "keys": [(t, n if len(n) <= 24 else n[:23] + "…") for t, n in keys]}
