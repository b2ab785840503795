"""Repair the rows of a table: every cell on its own, then what is missing from the rest of its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.abilities import Change
from pipeline.modalities.tabular import columns, impute
from pipeline.modalities.tabular.columns import is_number
from pipeline.modalities.tabular.formats import as_text, form
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
    """Return the repairs, in order of column and row. Cost: O(distinct cells) and that of `impute.fill`.

    Where more than `fill_up_to` of a row is missing nothing is filled: it would be a row of medians.
    """
    repaired, found = _cells(content, options, state)
    plain = options.model_copy(update={"fill": "none", "fill_text": "none"})
    unfilled, without = _cells(content, plain, state)
    missing = columns.cells_missing(unfilled).sum(axis=1) / max(content.num_columns, 1)
    bare = set(np.flatnonzero(missing > options.fill_up_to).tolist())
    found = {key: change for key, change in found.items() if key[0] not in bare}
    found |= {key: change for key, change in without.items() if key[0] in bare}
    for (row, column), (value, how) in impute.fill(repaired, state, state.get("impute", {}), options).items():
        if row in bare:
            continue
        before = found.pop((row, column), None)
        reason = f"{before.reasons[0]}, {how}" if before else f"missing, {how}"
        value = _as_word(value) if _is_text(content[column]) else value
        found[row, column] = Change(row, column, value, [reason])
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
        if _is_text(content[name]):  # what fills a null is a string there
            known = {cell: (_as_word(value), why) for cell, (value, why) in known.items()}
        wrong = {cell for cell, (_, reasons) in known.items() if reasons}
        forms = state["numbers"].get(name, {}).get("reading", {}).get("forms", ())
        alone = {cell for cell in wrong if isinstance(cell, str) and len(known[cell][1]) == 1}
        usual = {cell for cell in alone if form(cell) in forms}
        for row, cell in enumerate(cells):
            if cell in wrong:
                found[row, name] = Change(row, name, *known[cell], cell in usual)
        out[name] = pa.array([known[c][0] if c in wrong else c for c in cells], content[name].type)
    return pa.table(out), found


def _is_text(column: pa.ChunkedArray) -> bool:
    return not is_number(column.type)


def _as_word(value: Any) -> Any:
    return as_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
