"""Rows by stage: the table and the waterfall, and the check that they add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.report.bars import waterfall

Step = Mapping[str, Any]
_COUNTED = ("dropped", "changed", "added", "flagged", "columns_flagged")


def changes(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the steps that made the curated data, all rounds in one line, their totals, check and chart."""
    steps: Sequence[Step] = record["steps"]
    lines = [_line(step) for step in steps]
    several = len({line["round"] for line in lines}) > 1
    out: dict[str, Any] = {"lines": lines, "several": several, "chart": None}
    if lines:
        out |= {
            "total": {k: sum(line[k] for line in lines) for k in _COUNTED},
            "rows_in": lines[0]["rows_in"],
            "rows_out": lines[-1]["rows_out"],
            "problems": adds_up(steps, record.get("rows_in"), record.get("rows_out")),
        }
        out["chart"] = _chart(out)
    return out


def adds_up(steps: Sequence[Step], rows_in: int | None = None, rows_out: int | None = None) -> list[str]:
    """Return what does not add up, a sentence each; nothing when rows in + added = rows out + dropped.

    >>> adds_up([{"stage": "duplicates", "rows_in": 10, "dropped": 2, "added": 0, "rows_out": 8}], 10, 8)
    []
    >>> adds_up([{"stage": "duplicates", "rows_in": 10, "dropped": 2, "added": 0, "rows_out": 9}])
    ['duplicates: 10 rows in − 2 dropped + 0 added is 8, not 9 rows out']
    """
    faults, level, before = [], rows_in, "the data"
    for step in steps:
        line = _line(step)
        if level is not None and line["rows_in"] != level:
            faults.append(f"{line['stage']}: {line['rows_in']:,} rows in, but {before} left {level:,}")
        expected = line["rows_in"] - line["dropped"] + line["added"]
        if expected != line["rows_out"]:
            faults.append(
                f"{line['stage']}: {line['rows_in']:,} rows in − {line['dropped']:,} dropped + "
                f"{line['added']:,} added is {expected:,}, not {line['rows_out']:,} rows out"
            )
        level, before = line["rows_out"], line["stage"]
    if rows_out is not None and level is not None and level != rows_out:
        faults.append(f"the last stage left {level:,} rows, but the curated data have {rows_out:,}")
    return faults


def _line(step: Step) -> dict[str, Any]:
    numbers = {k: int(step.get(k) or 0) for k in ("rows_in", *_COUNTED, "rows_out")}
    issues = [
        {"issue": issue, "actions": dict(actions)}
        for issue, actions in sorted((step.get("issues") or {}).items())
    ]
    return {
        **numbers,
        "round": int(step.get("round") or 1),
        "stage": str(step["stage"]),
        "skipped": step.get("skipped"),
        "issues": issues,
        "seconds": step.get("seconds"),
        "cached": bool(step.get("cached")),
        "settings": step.get("settings") or {},
    }


def _chart(shown: Mapping[str, Any]) -> str:
    steps = [
        (
            f"{line['stage']} · round {line['round']}" if shown["several"] else line["stage"],
            line["dropped"],
            line["added"],
        )
        for line in shown["lines"]
        if not line["skipped"] and (not shown["several"] or line["dropped"] or line["added"])
    ]
    about = ", ".join(f"{s}: {d} dropped, {a} added" for s, d, a in steps)
    return waterfall(
        "waterfall",
        "Rows by stage",
        f"From {shown['rows_in']} to {shown['rows_out']} rows. {about}",
        shown["rows_in"],
        steps,
        shown["rows_out"],
    )
