"""Repair a cell of a table: whitespace, strings that mean missing, units, spellings, missing numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.modalities.tabular import spelling
from pipeline.modalities.tabular.formats import as_number, as_text, read
from pipeline.modalities.tabular.options import TabularClean


def repair(column: str, cell: Any, options: TabularClean, state: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Return the repaired cell and what was wrong; the same cell and [] when nothing was. Idempotent.

    Missing numbers become what `fill` says of the train rows, rounded in columns of whole numbers; `knn` and
    `iterative` need the whole row and leave them to `impute`. Words stay words: `NA` is a value in a column
    of words, unless `missing_in_text` says otherwise.

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
            value, what = _filled(column, learnt, options, state)
            if value is None:
                return (None, [f"{cell!r} means missing"]) if cell.strip() else _blank(cell)
            return str(value), [f"{cell!r} means missing, {what}"]
        value, reasons = text, ["outer or repeated whitespace"] if text != cell else []
        if learnt and options.units:
            value, more = _number(text, learnt)
        else:
            value, more = _spelt(column, text, options, state)
        return value, [*reasons, *more]
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        value, what = _filled(column, learnt, options, state)
        return (value, [f"missing, {what}"]) if value is not None else (cell, [])
    return cell, []


def _blank(cell: str) -> tuple[Any, list[str]]:
    """An empty cell that nothing fills stays as it is: it says missing already."""
    return cell, []


def _number(text: str, learnt: Mapping[str, Any]) -> tuple[str, list[str]]:
    how = learnt.get("reading")
    if how is None or not math.isnan(as_number(text)) or math.isnan(value := read(text, how)):
        return text, []
    unit = f", {how['unit']} being the column's unit" if how["unit"] else ""
    comma = ", commas standing before the column's decimals" if "," in text and "decimal" in how else ""
    return as_text(value), [f"{text!r} is the number {as_text(value)}{unit}{comma}"]


def _spelt(column: str, text: str, options: TabularClean, state: Mapping[str, Any]) -> tuple[str, list[str]]:
    learnt = state.get("spellings", {}).get(column)
    found = spelling.rewritten(text, learnt) if learnt and options.spelling else None
    return (found[0], [found[1]]) if found else (text, [])


def _filled(
    column: str, learnt: Mapping[str, Any] | None, options: TabularClean, state: Mapping[str, Any]
) -> tuple[Any, str]:
    if learnt is None:
        return _filled_word(column, options, state)
    if options.fill in ("none", "knn", "iterative"):
        return None, ""
    if options.fill == "constant":
        constant = options.constant
        return (round(constant) if learnt["whole"] else constant), f"now the constant {constant:g}"
    value = learnt[options.fill]
    if value is None:
        return None, ""
    value = round(value) if learnt["whole"] else value
    return value, f"now the train {options.fill.replace('_', ' ')} {value:g}"


def _filled_word(column: str, options: TabularClean, state: Mapping[str, Any]) -> tuple[Any, str]:
    if options.fill_text == "constant":
        return options.constant_text, f"now {options.constant_text!r}"
    usual = state.get("usual", {}).get(column)
    if options.fill_text == "most_frequent" and usual is not None:
        return usual, f"now the train most frequent {usual!r}"
    return None, ""


def is_missing(cell: Any) -> bool:
    """Whether a cell holds nothing: null, blank, or a number that is none.

    >>> is_missing(None), is_missing(" "), is_missing(float("nan")), is_missing(0), is_missing("?")
    (True, True, True, False, False)
    """
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or (isinstance(cell, float) and math.isnan(as_number(repr(cell))))
