"""How grave each issue is, and the data's grade: pass, warn or fail, with a score in parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FAMILIES: dict[str, tuple[str, ...]] = {
    "labels": ("label", "conflicting_labels", "contradiction", "rare_label"),
    "copies": ("exact_duplicate", "near_duplicate", "semantic_duplicate"),
    "splits": ("leakage", "contaminated"),
    "cells": ("malformed", "mojibake", "markup", "whitespace", "null", "too_short", "too_long", "gibberish",
              "low_information", "mostly_missing", "wrong_language", "personal_data", "wrong_cell", "dark",
              "light",
              "blurry", "odd_size", "odd_aspect_ratio", "empty_answer", "empty_prompt", "no_answer",
              "role_order", "template_token", "format_violation", "identical_pair", "truncated_answer",
              "refused_answer", "prompt_repeated", "answer_cut"),
    "outliers": ("outlier",),
}  # fmt: skip
_HIGH_FROM: dict[str, float] = {  # fraction of rows from which an issue is grave
    "leakage": 0.0, "conflicting_labels": 0.01, "label": 0.03, "null": 0.02, "personal_data": 0.02,
    "near_duplicate": 0.1, "exact_duplicate": 0.1, "mojibake": 0.05, "non_iid": 0.0, "contaminated": 0.0,
    "contradiction": 0.01, "wrong_cell": 0.05, "identical_pair": 0.02, "empty_answer": 0.02,
}  # fmt: skip
_SCORED = ("labels", "outliers")  # families of stages that score every row they look at
_USUAL_HIGH, _LOW_BELOW = 0.2, 0.01
_INFORMS = frozenset({"augmented", "class_imbalance", "not_selected", "grayscale", "reformatted"})
_ABOUT_COLUMNS = {
    "label_leakage": "high", "continuous_label": "high", "identifier": "medium", "length_bias": "medium",
}  # fmt: skip
_ABOUT_THE_MODEL = frozenset({"underperforming_group"})


def severity(issue: str, fraction: float, rows: int) -> str:
    """Return high, medium or low.

    High from a fraction of rows that depends on the issue (leakage: any row; labels: 3 %; conflicting labels:
    1 %; copies: 10 %; others: 20 %); low below 1 %, and for what only informs.

    >>> severity("leakage", 0.001, 1), severity("outlier", 0.02, 20), severity("too_short", 0.001, 1)
    ('high', 'medium', 'low')
    """
    if issue in _ABOUT_COLUMNS:
        return _ABOUT_COLUMNS[issue]
    if issue in _INFORMS or not rows:
        return "low"
    if issue in _ABOUT_THE_MODEL:
        return "medium"
    if fraction >= _HIGH_FROM.get(issue, _USUAL_HIGH):
        return "high"
    return "low" if fraction < _LOW_BELOW else "medium"


def grade(
    issues: Sequence[Mapping[str, Any]],
    edits: Iterable[Mapping[str, Any]],
    n_rows: int,
    examined: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Return `word` (pass, warn, fail), the quality score in [0, 1] and its parts.

    score = share of rows without any finding that speaks against the row itself; each part is the same for
    one family of issues. fail: an issue of high severity; warn: one of medium severity.

    examined : issues that rows were scored for; labels and outliers have no part where they were not.
    """
    of_family: dict[str, set[str]] = {family: set() for family in FAMILIES}
    family_of = {issue: family for family, members in FAMILIES.items() for issue in members}
    for edit in edits:
        informs = edit["issue"] in _INFORMS or edit["issue"] in _ABOUT_THE_MODEL
        family = None if informs else family_of.get(edit["issue"], "cells")
        if family and edit["row_id"] is not None:
            of_family[family].add(edit["row_id"])
    known = None if examined is None else set(examined)
    parts = [family for family, rows in of_family.items()
             if rows or known is None or family not in _SCORED or known & set(FAMILIES[family])]  # fmt: skip
    worst = {i["severity"] for i in issues}
    touched = set().union(*of_family.values())

    def clean(rows: set[str]) -> float:
        return 1.0 - len(rows) / n_rows if n_rows else 1.0

    return {
        "word": "fail" if "high" in worst else "warn" if "medium" in worst else "pass",
        "score": clean(touched),
        "parts": [
            {"part": family, "score": clean(of_family[family]), "rows": len(of_family[family])}
            for family in parts
        ],
        "grave": [i["issue"] for i in issues if i["severity"] == "high"],
    }  # fmt: skip
