"""The list of issues: how many rows each touches, what it means, and its worst examples."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline.dataset import ROW_ID
from pipeline.hashing import from_value_json
from pipeline.report.grading import severity
from pipeline.report.meanings import meaning_of
from pipeline.report.privacy import mask
from pipeline.report.rows import Rows, Steps, cell_text
from pipeline.report.visible import excerpts, shorten
from pipeline.stage import stages

EXAMPLES, TILES, EXAMPLE_CHARS, VALUE_CHARS, MOST_RELATED = 5, 24, 240, 160, 2


def all_edits(steps: Steps) -> list[dict[str, Any]]:
    """Return the edits of all steps; one that several rounds repeat counts once. Values stay JSON."""
    unique: dict[tuple[Any, ...], dict[str, Any]] = {}
    for stage, findings in steps:
        for edit in findings.edits.to_pylist():
            about = None if edit["row_id"] else edit["because"]
            unique[stage, edit["issue"], edit["row_id"], edit["action"], edit["column"], about] = edit
    return list(unique.values())


def suggested_labels(steps: Steps, label: str | None) -> dict[str, str]:
    """Return the class proposed for each row of issue `label`: from `set` edits or `metrics["suggested"]`."""
    out: dict[str, str] = {}
    for _, findings in steps:
        given = findings.metrics.get("suggested") or {}
        out.update({str(row_id): str(cell_text(cell)) for row_id, cell in given.items()})
        for edit in findings.edits.to_pylist():
            if edit["issue"] == "label" and edit["action"] == "set" and edit["column"] == label:
                out[edit["row_id"]] = str(cell_text(json.loads(edit["value"])))
    return out


def issue_list(steps: Steps, edits: Sequence[dict[str, Any]], rows: Rows) -> list[dict[str, Any]]:
    """Return one entry an issue, the one that touches most rows first.

    What only weighs or makes rows comes last.
    """
    by_issue: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for edit in edits:
        by_issue[edit["issue"]].append(edit)
    suggested = suggested_labels(steps, rows.raw.roles.label)
    entries = [_entry(issue, of_issue, rows, suggested) for issue, of_issue in by_issue.items()]
    made = {name for name, stage in stages().items() if stage.rebuilt}
    return sorted(entries, key=lambda e: (set(e["stages"]) <= made, -e["rows"], e["issue"]))


def _entry(issue: str, edits: list[dict[str, Any]], rows: Rows, suggested: dict[str, str]) -> dict[str, Any]:
    found_by = sorted({e["stage"] for e in edits})
    about = meaning_of(issue, found_by)
    n_rows = len({e["row_id"] for e in edits if e["row_id"] is not None})
    ranked = sorted(edits, key=lambda e: (e["score"], e["row_id"] or "", e["action"], e["column"] or ""))
    worst = list({e["row_id"]: e for e in reversed([e for e in ranked if e["row_id"]])}.values())[::-1]
    fraction = n_rows / rows.raw.n_rows if rows.raw.n_rows else 0.0
    return {
        "issue": issue, "rows": n_rows, "fraction": fraction, "severity": severity(issue, fraction, n_rows),
        "actions": dict(sorted(Counter(e["action"] for e in edits).items())), "stages": found_by,
        "meaning": about.meaning, "found_how": about.found_how, "what_to_do": about.what_to_do,
        "command": _command(found_by[0]),
        "about_the_whole": sorted({e["because"] for e in edits if e["row_id"] is None}),
        "examples": [
            _example(e, rows, suggested if issue == "label" else {})
            for e in worst[: TILES if rows.drawn else EXAMPLES]
        ],
    }  # fmt: skip


def _command(found_by: str) -> str:
    """Return the command that finds an issue alone: a stage's, or that of the evaluation of a model."""
    known = found_by in stages()
    return f"assay {found_by.replace('_', '-')} DATA -o OUT" if known else "assay evaluate MODEL DATA"


def worst_examples(
    edits: Sequence[dict[str, Any]], issue: str, rows: Rows, most: int
) -> list[dict[str, Any]]:
    """Return the worst rows of one issue with all the rows that relate to them."""
    of_issue = {e["row_id"]: e for e in sorted(edits, key=lambda e: -e["score"]) if e["issue"] == issue}
    ranked = sorted((e for e in of_issue.values() if e["row_id"]), key=lambda e: (e["score"], e["row_id"]))
    return [_example(e, rows, {}) for e in ranked[:most]]


def _example(edit: dict[str, Any], rows: Rows, suggested: dict[str, str]) -> dict[str, Any]:
    row_id = edit["row_id"]
    text = rows.text(row_id)
    out = {
        "row_id": row_id, "file_name": rows.file(row_id),
        "stage": edit["stage"], "action": edit["action"], "score": edit["score"],
        "text": shorten(text, EXAMPLE_CHARS), "label": rows.label(row_id), "split": rows.split(row_id),
        "because": edit["because"], "related": [],
        "suggested": rows.words(suggested[row_id]) if row_id in suggested else None,
        "column": None, "before": None, "value": None, "picture": rows.picture(row_id), "picture_after": None,
    }  # fmt: skip
    for other in edit["related"][:MOST_RELATED]:
        ours, theirs = excerpts(text, rows.text(other), EXAMPLE_CHARS)
        out["related"].append(
            {
                "row_id": other, "file_name": rows.file(other),
                "text": theirs, "against": ours, "label": rows.label(other),
                "split": rows.split(other), "picture": rows.picture(other),
            }
        )  # fmt: skip
    return out | _set_cell(edit, rows) if edit["action"] == "set" else out


def _set_cell(edit: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """Return what a cell was and became: in words, and as a picture where it is one."""
    column, content = edit["column"], rows.content(edit["row_id"]) or {}
    value = from_value_json(edit["value"] or "null")
    out: dict[str, Any] = {"column": column}
    if column not in content:
        cells = (json.loads(edit[side] or "null") for side in ("before", "value"))
        before, after = (str(cell_text(cell) or "") for cell in cells)
    elif isinstance(value, dict | list):  # no text and no number: the modality knows how to say it
        became = {**content, column: value}
        before, after = rows.text(edit["row_id"]), mask(rows.show(became))
        out["picture_after"] = rows.pictures.of(became)
    else:
        before = mask(cell_text(json.loads(edit["before"] or "null")) or "")
        after = mask(cell_text(value) or "")
    out["before"], out["value"] = _change(before, after)
    return out


def _change(before: str, value: str) -> tuple[str, str]:
    """Return what a cell was and became, from a little before the first difference, spacing as it is."""
    same = next(
        (i for i, (a, b) in enumerate(zip(before, value, strict=False)) if a != b),
        min(len(before), len(value)),
    )
    start = max(0, same - VALUE_CHARS // 4)
    cut = [
        text[start : start + VALUE_CHARS] + (" …" if len(text) > start + VALUE_CHARS else "")
        for text in (before, value)
    ]
    return ("… " if start else "") + cut[0], ("… " if start else "") + cut[1]


def score_table(steps: Steps, issue: str) -> tuple[list[float], list[float], float | None]:
    """Return scores of all examined rows, scores of the rows found, and the threshold, for one issue."""
    examined: dict[str, float] = {}
    found: dict[str, float] = {}
    threshold = None
    for _, findings in steps:
        mask = pa.array([i == issue for i in findings.scores["issue"].to_pylist()], pa.bool_())
        of_issue = findings.scores.filter(mask)
        examined.update(zip(of_issue[ROW_ID].to_pylist(), of_issue["score"].to_pylist(), strict=True))
        edits = [
            e for e in findings.edits.select([ROW_ID, "issue", "score"]).to_pylist() if e["issue"] == issue
        ]
        found.update((e[ROW_ID], e["score"]) for e in edits if e[ROW_ID])
        if of_issue.num_rows:
            metrics = findings.metrics
            threshold = metrics.get("threshold", metrics.get("cut_score", threshold))
    if not isinstance(threshold, float) and found:
        threshold = max(found.values())
    return list(examined.values()), list(found.values()), threshold if isinstance(threshold, float) else None
