"""Labels that are more than one word: several classes a row, or the votes of several annotators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from pipeline.dataset import Dataset
from pipeline.report.bars import bars, histogram

MOST_PAIRS, MOST_BARS, BINS = 10, 12, 10


def label_shape(data: Dataset) -> dict[str, Any] | None:
    """Return what is particular to labels that are lists or distributions, None for plain ones."""
    cells = [cell for cell in data.labels if cell is not None]
    if any(isinstance(cell, Mapping) for cell in cells):
        return {"several": None, "votes": _votes([c for c in cells if isinstance(c, Mapping)])}
    if any(isinstance(cell, list | tuple | np.ndarray) for cell in cells):
        return {"several": _several([c for c in cells if not isinstance(c, str)]), "votes": None}
    return None


def _several(cells: list[Any]) -> dict[str, Any]:
    sets = [sorted({str(c) for c in cell if c is not None}) for cell in cells]
    alone = Counter(c for cell in sets for c in cell)
    pairs = Counter(pair for cell in sets for pair in combinations(cell, 2))
    ranked = sorted(pairs.items(), key=lambda p: (-p[1], p[0]))[:MOST_PAIRS]
    return {
        "rows": len(sets), "mean": sum(map(len, sets)) / max(len(sets), 1),
        "sizes": [{"classes": k, "rows": n} for k, n in sorted(Counter(map(len, sets)).items())],
        "together": [
            {"classes": [a, b], "rows": n, "lift": round(n * len(sets) / (alone[a] * alone[b]), 3)}
            for (a, b), n in ranked
        ],
    }  # fmt: skip


def _votes(cells: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Agreement = share of the class most annotators chose; 1 where all agree."""
    agreement: list[float] = []
    by_class: dict[str, list[float]] = {}
    for cell in cells:
        shares = {str(k): float(v) for k, v in cell.items() if v}
        if total := sum(shares.values()):
            top = max(sorted(shares), key=shares.__getitem__)
            agreement.append(shares[top] / total)
            by_class.setdefault(top, []).append(shares[top] / total)
    counts, edges = np.histogram(agreement, np.linspace(0, 1, BINS + 1))
    return {
        "rows": len(agreement), "mean": float(np.mean(agreement)) if agreement else None,
        "unanimous": sum(a > 1 - 1e-9 for a in agreement), "edges": [round(float(e), 3) for e in edges],
        "counts": counts.tolist(),
        "classes": [{"class": c, "rows": len(v), "mean": float(np.mean(v))}
                    for c, v in sorted(by_class.items(), key=lambda p: (float(np.mean(p[1])), p[0]))],
    }  # fmt: skip


def view(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the charts of the labels' shape as the page shows them."""
    found = data.get("label_shape")
    if not found:
        return None
    out = {**found, "sizes_chart": None, "votes_chart": None}
    if several := found["several"]:
        sizes = [(f"{s['classes']} classes" if s["classes"] != 1 else "1 class", (s["rows"],))
                 for s in several["sizes"][:MOST_BARS]]  # fmt: skip
        out["sizes_chart"] = bars("label-sizes", "Classes a row", "One bar a number.", sizes, ("rows",))
    if votes := found["votes"]:
        out["votes_chart"] = histogram(
            "agreement", "Agreement of the annotators", "1 where all agree.", votes["edges"],
            [("rows", votes["counts"])], "share of the class that most annotators chose",
        )  # fmt: skip
    return out
