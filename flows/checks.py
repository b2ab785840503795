"""`--fail-on`: checks of an audit that a build can depend on, such as `label>2%` or `near_duplicate>0`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from pipeline.auditing import Audit
from pipeline.outputs import issues_table
from pipeline.recipe import RecipeError
from pipeline.recipe_faults import meant
from pipeline.report.meanings import MEANINGS
from pipeline.words import how_many

FOUND_BY = {
    "label": "label_noise", "outlier": "anomalies", "exact_duplicate": "duplicates",
    "near_duplicate": "duplicates", "leakage": "duplicates", "conflicting_labels": "duplicates",
    "null": "quality", "too_short": "quality", "too_long": "quality", "gibberish": "quality",
    "low_information": "quality", "mostly_missing": "quality", "rare_label": "quality", "malformed": "clean",
    "reformatted": "clean", "wrong_cell": "cells", "duplicate_column": "cells",
    "continuous_label": "quality", "contradiction": "duplicates", "contaminated": "duplicates",
    **dict.fromkeys(("constant", "identifier", "label_leakage"), "fitness"),
    **dict.fromkeys(("dark", "light", "blurry", "odd_size", "odd_aspect_ratio", "grayscale"), "quality"),
    **dict.fromkeys((
        "empty_answer", "empty_prompt", "no_answer", "truncated_answer", "refused_answer", "prompt_repeated",
        "template_token", "role_order", "wrong_language", "personal_data", "format_violation", "answer_cut",
        "identical_pair", "swapped_pair", "length_bias",
    ), "quality"),
}  # fmt: skip
_FORM = re.compile(r"\s*([\w-]+)\s*(>=|>)\s*(\d+(?:\.\d+)?)\s*(%?)\s*")


@dataclass(frozen=True)
class Check:
    """Fails when more than `limit` rows or columns (of all, in %, with `percent`) have the issue."""

    text: str
    issue: str
    or_equal: bool
    limit: float
    percent: bool


def parse_checks(texts: Sequence[str]) -> list[Check]:
    """Return the checks of all texts; one text may hold several, separated by commas. Raises `RecipeError`.

    >>> parse_checks(["label>2%"])
    [Check(text='label>2%', issue='label', or_equal=False, limit=2.0, percent=True)]
    """
    return [_check(part) for text in texts for part in text.split(",")]


def checked(checks: Sequence[Check], audit: Audit) -> list[dict[str, Any]]:
    """Return a line a check: what was found of how many rows, whether it failed, and why in words.

    A check of an issue that no stage could look for fails: a build must not pass because a column is missing.
    """
    table = issues_table(audit.dataset, [step.findings for step in audit.steps])
    skipped = {step.stage.name: step.skipped for step in audit.steps if step.skipped}
    return [_outcome(check, table, audit, skipped) for check in checks]


def _outcome(check: Check, table: Any, audit: Audit, skipped: dict[str, str]) -> dict[str, Any]:
    name, n = f"is_{check.issue}_issue", audit.dataset.n_rows
    line: dict[str, Any] = {"check": check.text, "issue": check.issue, "of": n}
    columns, whole = _beyond_rows(check.issue, audit)
    stage = FOUND_BY.get(check.issue, "")
    if name not in table.column_names and stage in skipped:
        because = f"not looked for, {stage} was skipped: {skipped[stage]}"
        return {**line, "found": None, "failed": True, "because": because}
    rows = int(pc.sum(table[name]).as_py() or 0) if name in table.column_names else 0
    percents = (rows / max(n, 1), len(columns) / max(len(audit.dataset.roles.content), 1), float(whole > 0))
    found = rows + len(columns) + whole
    value = 100 * max(percents) if check.percent else float(found)
    failed = value >= check.limit if check.or_equal else value > check.limit
    told = [f"{rows:,} of {how_many(n, 'row')} ({100 * percents[0]:.2g} %)"] if rows or not found else []
    if columns:
        told.append(f"{how_many(len(columns), 'column')}: {', '.join(map(repr, columns))}")
    if whole:
        told.append("the dataset as a whole")
    return {**line, "found": found, "columns": columns, "failed": failed, "because": " and ".join(told)}


def _beyond_rows(issue: str, audit: Audit) -> tuple[list[str], int]:
    """Return the columns that have an issue, and how often it is said of the dataset as a whole."""
    edits = [edit for step in audit.steps for edit in step.findings.edits.to_pylist()]
    about = [edit["column"] for edit in edits if edit["row_id"] is None and edit["issue"] == issue]
    return sorted({column for column in about if column}), about.count(None)


def _check(text: str) -> Check:
    form = _FORM.fullmatch(text)
    if form is None:
        raise RecipeError(f"--fail-on {text!r}: write ISSUE>NUMBER or ISSUE>NUMBER%, such as 'label>2%'")
    issue, sign, number, percent = form.groups()
    issue = issue.replace("-", "_")
    if issue not in MEANINGS and issue in FOUND_BY.values():
        own = ", ".join(name for name, stage in FOUND_BY.items() if stage == issue)
        raise RecipeError(f"--fail-on {text!r}: {issue} is a stage; name an issue that it finds: {own}")
    if issue not in MEANINGS:
        instead = meant(issue, sorted(MEANINGS)) or f"; issues are {', '.join(sorted(MEANINGS))}"
        raise RecipeError(f"--fail-on {text!r}: unknown issue{instead}")
    return Check(text.strip(), issue, sign == ">=", float(number), bool(percent))
