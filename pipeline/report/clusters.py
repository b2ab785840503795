"""Groups of rows that are copies of each other, from the edits that relate them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.report.issues import EXAMPLE_CHARS
from pipeline.report.rows import Rows
from pipeline.report.visible import excerpts, shorten

MOST_CLUSTERS, MOST_ROWS, MOST_LEAKS = 6, 4, 20
_WORDS = ("duplicate", "leak", "conflict")


def is_about_copies(issue: str) -> bool:
    """Return whether the related rows of an issue are copies of the row.

    >>> is_about_copies("near_duplicate"), is_about_copies("outlier")
    (True, False)
    """
    return any(word in issue for word in _WORDS)


def duplicate_clusters(edits: Sequence[dict[str, Any]], rows: Rows, kept: set[str]) -> dict[str, Any]:
    """Return the sizes of the groups of copies and the biggest groups with excerpts of their rows.

    The first row of a group is one that stays; the others are shown from where they first differ from it.
    """
    about = [e for e in edits if is_about_copies(e["issue"]) and e["row_id"]]
    pairs = [(e["row_id"], r) for e in about for r in e["related"]]
    alike = _connected((e["row_id"], r) for e in about if _is_exact(e) for r in e["related"])
    exact = {tuple(group) for group in alike}
    leaks = sorted((e for e in about if "leak" in e["issue"]), key=lambda e: (e["score"], e["row_id"]))
    groups = sorted(_connected(pairs), key=lambda g: (-len(g), g[0]))
    splits = {row_id: rows.split(row_id) for group in groups for row_id in group}
    return {
        "clusters": len(groups),
        "rows": sum(len(g) for g in groups),
        "exact": sum(tuple(g) in exact for g in groups),
        "across_splits": sum(len({splits[i] for i in g}) > 1 for g in groups),
        "sizes": [
            {"size": size, "clusters": n} for size, n in sorted(Counter(len(g) for g in groups).items())
        ],
        "biggest": [_shown(g, rows, kept) for g in groups[:MOST_CLUSTERS]],
        "leaked": len({e["row_id"] for e in leaks}),
        "leaks": [_leak(e, rows) for e in leaks[:MOST_LEAKS]],
    }


def _is_exact(edit: dict[str, Any]) -> bool:
    return edit["issue"] == "exact_duplicate" or "exact copy" in edit["because"]


def _leak(edit: dict[str, Any], rows: Rows) -> dict[str, Any]:
    held_out = edit["related"][0] if edit["related"] else None
    return {
        "row_id": edit["row_id"], "file_name": rows.file(edit["row_id"]), "split": rows.split(edit["row_id"]),
        "held_out": held_out, "held_out_file_name": rows.file(held_out) if held_out else None,
        "held_out_split": rows.split(held_out) if held_out else None, "score": edit["score"],
        "because": edit["because"], "text": shorten(rows.text(edit["row_id"]), EXAMPLE_CHARS),
        "picture": rows.picture(edit["row_id"]),
        "held_out_picture": rows.picture(held_out) if held_out else None,
    }  # fmt: skip


def _connected(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    root: dict[str, str] = {}

    def find(node: str) -> str:
        root.setdefault(node, node)
        while root[node] != node:
            root[node] = node = root[root[node]]
        return node

    for one, other in pairs:
        low, high = sorted((find(one), find(other)))
        root[high] = low
    groups: dict[str, list[str]] = defaultdict(list)
    for node in sorted(root):
        groups[find(node)].append(node)
    return [g for g in groups.values() if len(g) > 1]


def _shown(group: list[str], rows: Rows, kept: set[str]) -> dict[str, Any]:
    order = sorted(group, key=lambda i: (i not in kept, i))[:MOST_ROWS]
    first = rows.text(order[0])
    shown = []
    for row_id in order:
        ours, theirs = excerpts(first, rows.text(row_id), EXAMPLE_CHARS)
        shown.append(
            {
                "row_id": row_id,
                "file_name": rows.file(row_id),
                "text": theirs,
                "against": ours,
                "label": rows.label(row_id),
                "split": rows.split(row_id),
                "kept": row_id in kept,
                "picture": rows.picture(row_id),
            }
        )
    return {"size": len(group), "rows": shown}
