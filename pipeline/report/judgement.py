"""The verdict: its word, its headline, and the difference with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.report.forest import Dot, forest

LOSSES = ("loss", "loss_per_byte", "loss_per_token", "perplexity")
LOWER_IS_BETTER = ("ece", "log_loss", "brier", *LOSSES)
NAMES = {"macro_f1": "macro F1", "weighted_f1": "weighted F1", "roc_auc": "ROC AUC", "log_loss": "log loss",
         "ece": "calibration error", "f1": "F1", "rouge_l": "ROUGE-L",
         "loss_per_token": "loss per token (nats)", "loss_per_byte": "loss per byte (nats)"}  # fmt: skip
VERDICTS = {  # word: (colour, headline)
    "proved": ("good", "The curated data give a better model."),
    "harmful": ("bad", "The curated data give a worse model; keep the raw data."),
    "harmless": ("open", "The curated data are not worse; a gain is not proved."),
    "not proved": ("open", "A difference between raw and curated data is not proved."),
    "audit only": ("none", "Nothing was changed: this is what was found."),
    "pass": ("good", "Nothing grave was found."),
    "warn": ("open", "Usable, with issues to look at first."),
    "fail": ("bad", "Grave issues: look at these before training."),
}
_COMPARISON = {
    "metric": "metric",
    "unit": "points",
    "raw": None,
    "curated": None,
    "difference": None,
    "low": None,
    "high": None,
}
Record = Mapping[str, Any]


class Estimate(NamedTuple):
    """A number with its interval; any of them may be missing."""

    value: float | None
    low: float | None = None
    high: float | None = None


def estimate(given: Any) -> Estimate:
    """Read `{"value", "low", "high"}`, a bare number, or nothing.

    >>> estimate(0.5), estimate({"value": 1.0, "low": 0.5, "high": 1.0}).low, estimate(None).value
    (Estimate(value=0.5, low=None, high=None), 0.5, None)
    """
    if isinstance(given, Mapping):
        return Estimate(given.get("value", given.get("difference")), given.get("low"), given.get("high"))
    return Estimate(given)


def metric_name(metric: str) -> str:
    """Return a metric's name in words."""
    return NAMES.get(metric, metric.replace("_", " "))


def verdict(record: Record) -> dict[str, Any]:
    """Return the word, its colour, the headline and the chart of the difference."""
    compared = (record.get("evaluation") or {}).get("comparison")
    grade = (record.get("dataset") or {}).get("grade") or {}
    judged = str(grade.get("word", "audit only")) if record.get("kind") == "audit" else "audit only"
    word = str(compared.get("verdict") or "not proved") if compared else judged
    colour, headline = VERDICTS.get(
        word, ("open", "The comparison of raw and curated data did not end in a clear verdict.")
    )
    if not compared and record.get("kind") != "audit":
        headline = "Raw and curated data were not compared."
    elif not compared and (record.get("dataset") or {}).get("issues") == []:
        headline = "Nothing was found."
    elif not compared and grade.get("grave"):
        headline = f"Grave issues, to look at before training: {words_of(grade['grave'])}."
    chart = None
    if compared and compared.get("low") is not None and compared.get("high") is not None:
        chart = _chart(compared)
    if compared:
        lower = is_lower_better(compared)
        compared = {**_COMPARISON, **compared, "lower_is_better": lower, "unit": unit_of(compared)}
    ways = [
        str(c["because"]) for c in (record.get("evaluation") or {}).get("comparisons") or [] if "because" in c
    ]
    return {
        "word": word,
        "colour": colour,
        "headline": headline,
        "comparison": compared,
        "chart": chart,
        "ways": ways if len(ways) > 1 else [],
    }


def is_lower_better(compared: Record) -> bool:
    """Return whether less of what was compared is better.

    >>> is_lower_better({"metric": "loss_per_byte", "unit": "nats"}), is_lower_better({"metric": "accuracy"})
    (True, False)
    """
    return compared.get("metric") in LOWER_IS_BETTER or compared.get("unit", "points") != "points"


def unit_of(compared: Record) -> str:
    """Return what the difference is measured in."""
    return str(compared.get("unit", "points")) if is_lower_better(compared) else "points"


def amount(difference: float | None, compared: Record) -> str:
    """Return a difference in the unit of its comparison, without the unit's name.

    >>> amount(0.031, {"metric": "accuracy"}), amount(-0.2, {"metric": "loss", "unit": "nats"})
    ('+3.1', '−0.200')
    """
    if difference is None:
        return "–"
    return signed(difference) if is_lower_better(compared) else points(difference)


def _chart(compared: Record) -> str:
    """Draw the difference and those of the other metrics that have the same direction."""
    named = {str(compared.get("metric", "metric")): compared, **(compared.get("also") or {})}
    lower = is_lower_better(compared)
    dots = [
        dot
        for m, c in named.items()
        if (m in LOWER_IS_BETTER) == lower or c is compared
        for dot in dots_of(metric_name(m), 1, estimate(c))
    ]
    side = "left" if lower else "right"
    about = f"Dots {side} of the line at zero: the curated data did better."
    show = signed if lower else points
    return forest("difference", "Difference between curated and raw", about, dots, show, reference=0.0)


def words_of(issues: Sequence[str]) -> str:
    """Return names of issues as words.

    >>> words_of(["label", "near_duplicate", "leakage"])
    'label, near duplicate and leakage'
    """
    names = [str(issue).replace("_", " ") for issue in issues]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def points(difference: float) -> str:
    """Return a difference of fractions in points.

    >>> points(0.031), points(-0.2)
    ('+3.1', '−20.0')
    """
    return f"{100 * difference:+.1f}".replace("-", "−")


def signed(difference: float) -> str:
    """Return a difference as it is, with its sign.

    >>> signed(-0.25)
    '−0.250'
    """
    return f"{difference:+.3f}".replace("-", "−")


def dots_of(label: str, series: int, found: Estimate) -> list[Dot]:
    """Return the estimate as a dot of a forest plot, none where there is no number."""
    return [] if found.value is None else [Dot(label, series, found.value, found.low, found.high)]
