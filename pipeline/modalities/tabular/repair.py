"""Repair a cell of a table: stray whitespace, strings that mean missing, missing numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.modalities.tabular.columns import as_number
from pipeline.modalities.tabular.options import TabularClean


def repair(column: str, cell: Any, options: TabularClean, state: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Return the repaired cell and what was wrong; the same cell and [] when nothing was. Idempotent.

    Missing numbers become the median (or mean) of the train rows, rounded in columns of whole numbers. Words
    stay words: `NA` is a value in a column of words, unless `missing_in_text` says otherwise.

    >>> state = {"numbers": {"age": {"mean": 40.0, "median": 38.0, "spread": 9.0, "whole": True}}}
    >>> repair("age", None, TabularClean(), state), repair("age", "?", TabularClean(), state)
    ((38, ['missing, now the train median 38']), ('38', ["'?' means missing, now the train median 38"]))
    >>> repair("job", " NA  ", TabularClean(), state)
    ('NA', ['outer or repeated whitespace'])
    """
    learnt = state.get("numbers", {}).get(column)
    if isinstance(cell, str):
        text = " ".join(cell.split()) if options.whitespace else cell
        if text.strip() in options.missing and (learnt or options.missing_in_text):
            value, what = _filled(learnt, options)
            if value is None:
                return None, [f"{cell!r} means missing"]
            return str(value), [f"{cell!r} means missing, {what}"]
        return (text, ["outer or repeated whitespace"]) if text != cell else (cell, [])
    if learnt and (cell is None or (isinstance(cell, float) and not math.isfinite(cell))):
        value, what = _filled(learnt, options)
        return (value, [f"missing, {what}"]) if value is not None else (cell, [])
    return cell, []


def _filled(learnt: Mapping[str, Any] | None, options: TabularClean) -> tuple[float | int | None, str]:
    if learnt is None or options.fill == "none" or learnt["median"] is None:
        return None, ""
    value = learnt[options.fill]
    value = round(value) if learnt["whole"] else value
    return value, f"now the train {options.fill} {value:g}"


def is_missing(cell: Any) -> bool:
    """Whether a cell holds nothing: null, blank, or a number that is none.

    >>> is_missing(None), is_missing(" "), is_missing(float("nan")), is_missing(0), is_missing("?")
    (True, True, True, False, False)
    """
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or (isinstance(cell, float) and math.isnan(as_number(repr(cell))))
