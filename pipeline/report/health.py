"""The data's part of the page: issues with examples, labels, copies, outliers, lengths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from pipeline.report.bars import bars, histogram
from pipeline.report.grading import severity
from pipeline.report.grids import heatmap
from pipeline.report.measures import measure_name

MOST_IN_GRID, MOST_BARS, MOST_DIFF_CHARS = 12, 20, 1000
Record = Mapping[str, Any]


def issues(data: Record, most: int, examples: int) -> dict[str, Any]:
    """Return the issues with at most `examples` examples each, differences between copies marked."""
    found = data.get("issues") or []
    shown = []
    for entry in found[:most]:
        own = _own_section(entry["issue"], data)
        wanted = [] if own else (entry.get("examples") or [])[:examples]
        cards = [_card(e, data.get("label")) for e in wanted]
        tiled = any(card["picture"] for card in cards)
        shown.append(
            {
                "about_the_whole": [],
                "severity": severity(entry["issue"], entry.get("fraction") or 0.0, entry.get("rows") or 0),
                **entry,
                "section": own,
                "examples": cards,
                "tiled": tiled,
                "hidden": 0 if own else len(entry.get("examples") or []) - len(cards),
            }
        )
    return {"shown": shown, "hidden": len(found) - len(shown), "all": len(found)}


def _own_section(issue: str, data: Record) -> str | None:
    """Return the section that shows an issue's rows, None where the list of issues does."""
    if issue == "label" and (data.get("label_issues") or {}).get("rows"):
        return "label-issues"
    if issue == "outlier" and (data.get("outliers") or {}).get("worst"):
        return "outliers"
    return None


def labels(data: Record, most: int) -> dict[str, Any] | None:
    """Return class counts and noise, and the chart of given against suggested classes."""
    found = data.get("labels") or []
    if not found:
        return None
    rows = [(str(c["class"]), (c["raw"], c["curated"])) for c in found[:MOST_BARS]]
    counts = [c["raw"] for c in found if c["raw"]]
    return {
        "rows": found[:most], "hidden": len(found) - len(found[:most]),
        "imbalance": max(counts) / min(counts) if counts else None, "classes": len(found),
        "precision": data.get("label_precision"), "overlapping": data.get("overlapping") or [],
        "flagged": sum(c.get("flagged") or 0 for c in found),
        "chart": bars("class-counts", "Rows of each class", "Two bars a class: before and after.", rows,
                      ("before", "after")),
        "transitions": _transitions(data.get("transitions") or {}),
    }  # fmt: skip


def duplicates(data: Record, most: int) -> dict[str, Any] | None:
    """Return sizes of the groups of copies, and the biggest side by side."""
    found = data.get("duplicates") or {}
    if not found.get("clusters"):
        return None
    sizes = [(f"{s['size']} copies", (s["clusters"],)) for s in found["sizes"][:MOST_BARS]]
    return {
        "exact": None, "leaked": 0, "leaks": [], **found, "hidden_sizes": len(found["sizes"]) - len(sizes),
        "biggest": [{**g, "rows": [_marked(r) for r in g["rows"]]} for g in found["biggest"][:most]],
        "chart": bars("cluster-sizes", "Groups of copies by size", "One bar a size.", sizes, ("groups",)),
    }  # fmt: skip


def outliers(data: Record, most: int) -> dict[str, Any] | None:
    """Return the histogram of outlier scores and the worst rows with their nearest ones."""
    found = data.get("outliers")
    return (
        {
            **found,
            "worst": [_card(e, data.get("label")) for e in (found.get("worst") or [])[:most]],
            "tiled": any(e.get("picture") for e in found.get("worst") or []),
            "chart": histogram(
                "outlier-scores",
                "Scores of all examined rows",
                "0 is far from all other rows, 1 is typical.",
                found["edges"],
                [("examined", found["counts"])],
                "score (0 = certainly an outlier, 1 = typical)",
                found.get("threshold"),
            ),
        }
        if found
        else None
    )


def lengths(data: Record) -> dict[str, Any] | None:
    """Return the histogram of the first measure, raw and curated; none where a plane of sizes says more."""
    found = data.get("lengths")
    if not found or data.get("sizes") or data.get("table"):
        return None
    name = measure_name(found["measure"])
    return {
        **found,
        "name": name,
        "chart": histogram(
            "lengths",
            f"Distribution of the {name}",
            "Raw and curated on the same bins.",
            found["edges"],
            [("raw", found["raw"]), ("curated", found["curated"])],
            name,
        ),
    }


def difference(one: str, other: str) -> list[tuple[bool, str]]:
    """Return `other` in pieces, each with whether it is the same in `one`.

    >>> difference("a red car", "a blue car")
    [(True, 'a '), (False, 'blue'), (True, ' car')]
    """
    a, b = (re.findall(r"\s+|\w+|[^\w\s]", text[:MOST_DIFF_CHARS]) for text in (one, other))
    pieces: list[tuple[bool, str]] = []
    for kind, _, _, start, end in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if end > start:
            pieces.append((kind == "equal", "".join(b[start:end])))
    return pieces


def _card(example: Record, label: Any) -> dict[str, Any]:
    card = {
        "label": None,
        "split": None,
        "suggested": None,
        "column": None,
        "before": None,
        "value": None,
        "picture": None,
        "picture_after": None,
        **example,
    }
    card["related"] = [_marked(r) for r in example.get("related") or []]
    card["side_by_side"] = any(r["copy"] and not r["identical"] for r in card["related"])
    if card["column"] is not None and card["column"] == label:  # the text matters more than two class names
        card["suggested"] = card["value"]
    elif isinstance(card["before"], str) and isinstance(card["value"], str):
        card["before_pieces"] = difference(card["value"], card["before"])
        card["value_pieces"] = difference(card["before"], card["value"])
    return card


def _marked(row: Record) -> dict[str, Any]:
    """Complete a row that is shown beside another: `pieces` of its text, `beside` of the other's.

    `identical` where nothing differs, `copy` where much is shared: marking unrelated texts would say nothing.
    """
    words, against = row["text"], row.get("against") or row["text"]
    pieces, beside = uncut(difference(against, words)), uncut(difference(words, against))
    shared = sum(len(t) for same, t in pieces if same) / max(len(words), 1)
    copy = shared >= 0.3
    return {
        "label": None, "split": None, "kept": None, "picture": None, **row, "copy": copy,
        "identical": words == against,
        "pieces": pieces if copy else [(True, words)], "beside": beside if copy else [(True, against)],
    }  # fmt: skip


def uncut(pieces: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    """Return the pieces without a mark on the last words of a shortened text: the cut made them differ.

    >>> uncut([(True, "a "), (False, "red"), (True, " …")])
    [(True, 'a '), (True, 'red'), (True, ' …')]
    """
    if not pieces or not pieces[-1][1].endswith("…"):
        return pieces
    last = len(pieces) - (2 if pieces[-1][1].strip() == "…" and len(pieces) > 1 else 1)
    same, words = pieces[last]
    return [*pieces[:last], (same or len(words) < 30, words), *pieces[last + 1 :]]


def _transitions(given: Record) -> dict[str, Any] | None:
    most = given.get("most") or []
    if not most:
        return None
    names: dict[str, int] = {}
    for pair in most:
        for side in ("given", "suggested"):
            names[str(pair[side])] = names.get(str(pair[side]), 0) + pair["rows"]
    shown = sorted(sorted(names, key=lambda c: (-names[c], c))[:MOST_IN_GRID])
    place = {c: i for i, c in enumerate(shown)}
    counts = [[0] * len(shown) for _ in shown]
    for pair in most:
        if str(pair["given"]) in place and str(pair["suggested"]) in place:
            counts[place[str(pair["given"])]][place[str(pair["suggested"])]] += pair["rows"]
    chart = heatmap(
        "transitions",
        "Given and suggested labels",
        "Rows are given labels, columns suggested ones.",
        shown,
        shown,
        counts,
        ("given", "suggested"),
    )
    return {
        "rows": given.get("rows"),
        "most": most[:10],
        "hidden_classes": len(names) - len(shown),
        "chart": chart,
    }
