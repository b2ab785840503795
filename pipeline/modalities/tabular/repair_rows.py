"""Repair the rows of a table: every cell on its own, then what is missing from the rest of its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipeline.abilities import Change
from pipeline.modalities.tabular import columns, impute
from pipeline.modalities.tabular.columns import is_number
from pipeline.modalities.tabular.formats import as_text
from pipeline.modalities.tabular.options import TabularClean
from pipeline.modalities.tabular.repair import repair


def fit(content: pa.Table, options: TabularClean) -> dict[str, Any]:
    """Learn from train rows what columns hold and, once cells are repaired, how to fill missing ones."""
    state = columns.fit(content)
    if options.fill not in ("knn", "iterative"):
        return state
    repaired, _ = _cells(content, options, state)
    return {**state, "impute": impute.fit(repaired, state, options)}


def changes(content: pa.Table, options: TabularClean, state: Mapping[str, Any]) -> list[Change]:
    """Return the repairs, in order of column and row. Cost: O(distinct cells) and that of `impute.fill`."""
    repaired, found = _cells(content, options, state)
    for (row, column), (value, how) in impute.fill(repaired, state, state.get("impute", {}), options).items():
        before = found.pop((row, column), None)
        reason = f"{before.reasons[0]}, {how}" if before else f"missing, {how}"
        is_text = not is_number(content[column].type) and not isinstance(value, str)
        found[row, column] = Change(row, column, as_text(value) if is_text else value, [reason])
    return [found[key] for key in sorted(found, key=lambda key: (key[1], key[0]))]


def _cells(
    content: pa.Table, options: TabularClean, state: Mapping[str, Any]
) -> tuple[pa.Table, dict[tuple[int, str], Change]]:
    """Return the table with each cell repaired on its own, and the changes; equal cells at once."""
    out: dict[str, pa.Array] = {}
    found: dict[tuple[int, str], Change] = {}
    for name in content.column_names:
        cells = content[name].to_pylist()
        known = {cell: repair(name, cell, options, state) for cell in dict.fromkeys(cells)}
        wrong = {cell for cell, (_, reasons) in known.items() if reasons}
        for row, cell in enumerate(cells):
            if cell in wrong:
                found[row, name] = Change(row, name, *known[cell])
        out[name] = pa.array([known[c][0] if c in wrong else c for c in cells], content[name].type)
    return pa.table(out), found
