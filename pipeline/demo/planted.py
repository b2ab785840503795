"""Found versus planted, for makers that write a plain list of faults: rows, and the issues that mean them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

Line = dict[str, Any]


def score_planted(truth: Mapping[str, Any], edits: pa.Table, scores: pa.Table) -> list[Line]:
    """Return for each fault: planted, found, precision, recall, average_precision, how.

    truth : {"planted": [{"fault", "issues", "rows", "scored"}]}. A row is found when an edit of one of the
        issues is about it or names it as related (a copy may be kept and its twin dropped). With "repair",
        a repair whose reason holds these words finds it too: it is mended before anything looks for it.
        Precision is over the rows that such edits are about; right are those planted under any fault that
        shares the issue, and those that name one. A fault with an issue in `scored` is also judged by its
        scores: average precision over the rows that were examined; a row's score is its lowest.
    edits, scores : EDIT_SCHEMA and SCORE_SCHEMA, of all stages.

    >>> from pipeline.findings import Edit, Findings
    >>> truth = {"planted": [{"fault": "dark", "issues": ["dark"], "rows": ["a", "b"], "scored": None}]}
    >>> edits = [Edit(i, "dark", 0.1, "flag", "too dark") for i in ("a", "c")]
    >>> found = Findings.of("quality", edits)
    >>> [(line["found"], line["precision"]) for line in score_planted(truth, found.edits, found.scores)]
    [(1, 0.5)]
    """
    rows = [row for row in edits.to_pylist() if row["row_id"]]
    return [_line(fault, truth["planted"], rows, scores) for fault in truth["planted"]]


def _line(
    fault: Mapping[str, Any], faults: list[Mapping[str, Any]], rows: list[Line], scores: pa.Table
) -> Line:
    issues, planted = set(fault["issues"]), set(fault["rows"])
    alike = {i for other in faults if issues & set(other["issues"]) for i in other["rows"]}
    of_fault = [row for row in rows if row["issue"] in issues or _repairs(row, fault.get("repair"))]
    said = [(row["row_id"], {row["row_id"], *(row["related"] or [])}) for row in of_fault]
    named = {row_id for row_id, _ in said}
    right = {row_id for row_id, about in said if about & alike}
    found = planted & {i for _, about in said for i in about}
    return {
        "fault": fault["fault"], "planted": len(planted), "found": len(found),
        "precision": len(right) / len(named) if named else None,
        "recall": len(found) / len(planted) if planted else None,
        "average_precision": _average_precision(fault.get("scored"), planted, scores),
        "how": f"any edit of issue {' or '.join(sorted(issues))}"
               + (f" or repair of a {fault['repair']}" if fault.get("repair") else "")
               + f"; precision over {len(named)} rows named",
    }  # fmt: skip


def _repairs(edit: Line, words: str | None) -> bool:
    return words is not None and edit["action"] == "set" and words in edit["because"]


def _average_precision(issue: str | None, planted: set[str], scores: pa.Table) -> float | None:
    from sklearn.metrics import average_precision_score

    lowest: dict[str, float] = {}
    for row in scores.to_pylist() if issue else []:
        if row["issue"] == issue:
            lowest[row["row_id"]] = min(row["score"], lowest.get(row["row_id"], 1.0))
    if not planted & lowest.keys():
        return None
    order = sorted(lowest)
    return float(average_precision_score([i in planted for i in order], [1 - lowest[i] for i in order]))
