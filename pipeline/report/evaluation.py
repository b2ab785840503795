"""The evaluation as the page shows it: metrics with intervals, classes, confusion, calibration, slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.forest import forest
from pipeline.report.grids import heatmap, reliability
from pipeline.report.judgement import (
    LOSSES,
    LOWER_IS_BETTER,
    Estimate,
    Record,
    dots_of,
    estimate,
    metric_name,
)

MOST_IN_GRID, MOST_IN_FOREST = 12, 14
ORDER = ("macro_f1", "accuracy", "balanced_accuracy", "weighted_f1", "roc_auc", "ece", "log_loss",
         "loss_per_byte", "loss_per_token", "perplexity", "exact_match", "rouge_l")  # fmt: skip
_SLICE = {
    "n": None,
    "metric": None,
    "value": None,
    "low": None,
    "high": None,
    "rest": None,
    "weak": False,
    "because": None,
}


def evaluation(record: Record, most: int) -> dict[str, Any] | None:
    """Return everything the section on evaluation shows, None when there is none."""
    given = record.get("evaluation") or {}
    sides = {side: given[side] for side in ("raw", "curated") if given.get(side)}
    if not sides:
        return None
    compared = given.get("comparison") or {}
    names = {m for ev in sides.values() for m in (ev.get("metrics") or {})}
    ordered = [m for m in ORDER if m in names] + sorted(names - set(ORDER))
    table = [
        {
            "metric": m,
            "name": metric_name(m),
            "lower_is_better": m in LOWER_IS_BETTER,
            **{s: estimate((sides.get(s, {}).get("metrics") or {}).get(m)) for s in ("raw", "curated")},
            "difference": _difference(m, compared),
        }
        for m in ordered
    ]
    dots = [
        dot
        for row in table
        if not row["lower_is_better"]
        for k, s in enumerate(("raw", "curated"))
        for dot in dots_of(row["name"], k, row[s])
    ]
    classes = _classes(sides)
    return {
        "sides": [{"side": s, **{k: ev.get(k) for k in ("method", "model", "split", "n")}}
                  for s, ev in sides.items()],
        "split": given.get("split"), "metrics": table, "losses": any(m in LOSSES for m in names),
        "chart": forest("metrics", "Metrics with intervals, raw and curated",
                        "One dot an evaluation, with its interval.", dots, lambda v: f"{v:.3f}")
                 if dots else None,
        "classes": classes[:most], "hidden_classes": len(classes) - len(classes[:most]),
        "class_chart": _class_chart(classes), "confusions": _confusions(sides),
        "calibration": _calibration(sides),
    }  # fmt: skip


def slices(record: Record, most: int) -> dict[str, Any] | None:
    """Return the groups of the latest evaluation, weak ones first."""
    given = record.get("evaluation") or {}
    found = ((given.get("curated") or given.get("raw") or {}).get("slices")) or []
    if not found:
        return None
    found = [{**_SLICE, **s} for s in found]
    lower = any(s["metric"] in LOWER_IS_BETTER for s in found)
    sign = -1 if lower else 1
    ranked = sorted(
        found, key=lambda s: (not s.get("weak"), sign * _or(s.get("value"), sign), str(s.get("slice")))
    )
    dots = [
        dot
        for s in ranked[:MOST_IN_FOREST]
        for dot in (
            *dots_of(str(s["slice"]), 0, estimate(s["rest"])),
            *dots_of(str(s["slice"]), 1, estimate(s)),
        )
    ]
    chart = (
        forest(
            "slices",
            "Results by group",
            "The square is the rest of the data, the dot the group.",
            dots,
            lambda v: f"{v:.2f}",
        )
        if dots
        else None
    )
    return {
        "rows": ranked[:most],
        "hidden": len(ranked) - len(ranked[:most]),
        "chart": chart,
        "lower": lower,
        "weak": sum(bool(s.get("weak")) for s in ranked),
    }


def fold(
    classes: Sequence[str], counts: Sequence[Sequence[int]], most: int
) -> tuple[list[str], list[list[int]]]:
    """Return the matrix of the `most` biggest classes, all others summed into one, *other*.

    >>> fold(["a", "b", "c"], [[5, 0, 0], [0, 1, 1], [0, 0, 2]], 2)
    (['a', 'other (2)'], [[5, 0], [0, 4]])
    """
    if len(classes) <= most:
        return [str(c) for c in classes], [[int(n) for n in row] for row in counts]
    big = sorted(sorted(range(len(classes)), key=lambda i: (-sum(counts[i]), i))[: most - 1])
    place = {i: k for k, i in enumerate(big)}
    out = [[0] * most for _ in range(most)]
    for i, row in enumerate(counts):
        for j, n in enumerate(row):
            if n:
                out[place.get(i, most - 1)][place.get(j, most - 1)] += int(n)
    return [*(str(classes[i]) for i in big), f"other ({len(classes) - most + 1})"], out


def _difference(metric: str, compared: Record) -> Estimate:
    return estimate(
        compared if metric == compared.get("metric") else (compared.get("also") or {}).get(metric)
    )


def _classes(sides: Mapping[str, Record]) -> list[dict[str, Any]]:
    by_class: dict[str, dict[str, Any]] = {}
    for side, ev in sides.items():
        for line in ev.get("per_class") or []:
            entry = by_class.setdefault(
                str(line["class"]), {"class": str(line["class"]), "support": line.get("support")}
            )
            entry[side] = {k: estimate(line.get(k)) for k in ("precision", "recall", "f1")}
    none = {k: Estimate(None) for k in ("precision", "recall", "f1")}
    for entry in by_class.values():
        entry.update({s: entry.get(s, none) for s in ("raw", "curated")})
    return sorted(
        by_class.values(),
        key=lambda e: (_or(e["curated"]["f1"].value, _or(e["raw"]["f1"].value, 2)), e["class"]),
    )


def _class_chart(classes: Sequence[Record]) -> str | None:
    dots = [
        dot
        for c in classes[:MOST_IN_FOREST]
        for k, s in enumerate(("raw", "curated"))
        for dot in dots_of(c["class"], k, c[s]["f1"])
    ]
    return (
        forest(
            "classes", "F1 of each class, raw and curated", "Weakest class first.", dots, lambda v: f"{v:.2f}"
        )
        if dots
        else None
    )


def _confusions(sides: Mapping[str, Record]) -> list[dict[str, Any]]:
    out = []
    for side, ev in sides.items():
        if given := ev.get("confusion"):
            names, counts = fold(given["classes"], given["counts"], MOST_IN_GRID)
            out.append(
                {
                    "side": side,
                    "folded": len(given["classes"]) > MOST_IN_GRID,
                    "chart": heatmap(
                        f"confusion-{side}",
                        f"Confusion matrix, {side}",
                        "Rows are true classes, columns predicted ones.",
                        names,
                        names,
                        counts,
                        ("true", "predicted"),
                    ),
                }
            )
    return out


def _calibration(sides: Mapping[str, Record]) -> str | None:
    series = [
        (
            s,
            [
                (b["confidence"], b["accuracy"], int(b.get("n") or 0))
                for b in sides.get(s, {}).get("calibration") or []
                if b.get("confidence") is not None and b.get("accuracy") is not None
            ],
        )
        for s in ("raw", "curated")
    ]
    return (
        reliability(
            "calibration",
            "Calibration",
            "Confidence against accuracy; on the diagonal the model keeps its word.",
            series,
        )
        if any(p for _, p in series)
        else None
    )


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
