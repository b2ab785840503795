"""Tables: each number's distribution before and after, categories, correlations, missing cells by column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dataset import Dataset
from pipeline.report.bars import bars
from pipeline.report.grids import signed_heatmap
from pipeline.report.multiples import small_histogram
from pipeline.report.rows import cell_text
from pipeline.words import how_many

BINS, MOST_NUMBERS, MOST_CATEGORIES, MOST_VALUES, MOST_RELATED, MOST_PAIRS = 20, 24, 16, 8, 12, 10
ENDS = 0.005  # this share of cells at each end stands in the first and the last bin


def table_page(
    raw: Dataset, curated: Dataset, edits: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return what is particular to tables; None where a row is not made of several scalar cells.

    Cost: O(cells), and O(rows x numbers^2) for the correlations of at most twelve columns.
    """
    content = raw.content
    if not all(_is_scalar(field.type) for field in content.schema) or not content.num_rows:
        return None
    numbers = [f.name for f in content.schema if _is_number(f.type)]
    if not numbers and len(content.column_names) < 2:
        return None
    words = [f.name for f in content.schema if f.name not in numbers]
    categories = [_category(name, raw, curated) for name in words]
    return {
        "numbers": [n for name in numbers[:MOST_NUMBERS] if (n := _number(name, raw, curated))],
        "hidden_numbers": max(len(numbers) - MOST_NUMBERS, 0),
        "categories": [c for c in categories if c is not None][:MOST_CATEGORIES],
        "correlations": _correlations(raw, numbers),
        "missing": _missing(raw, curated),
        "about_columns": _about_columns(edits),
    }


def _number(name: str, raw: Dataset, curated: Dataset) -> dict[str, Any] | None:
    before, after = (_finite(data.table[name]) for data in (raw, curated))
    if not len(before):
        return None
    low, high = (float(v) for v in np.quantile(before, [ENDS, 1 - ENDS]))
    if low == high:
        low, high = float(before.min()), float(before.max())
    beyond = int((before < low).sum() + (before > high).sum())
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    counts = [np.histogram(np.clip(v, edges[0], edges[-1]), edges)[0].tolist() for v in (before, after)]
    return {
        "column": name, "edges": [float(e) for e in edges], "raw": counts[0], "curated": counts[1],
        "beyond": beyond, "changed": counts[0] != counts[1],
    }  # fmt: skip


def _category(name: str, raw: Dataset, curated: Dataset) -> dict[str, Any] | None:
    before, after = (
        Counter(cell_text(v) for v in data.table[name].to_pylist() if v is not None)
        for data in (raw, curated)
    )
    if not before or len(before) > max(raw.n_rows / 2, MOST_VALUES):
        return None
    ranked = sorted(before, key=lambda v: (-before[v], str(v)))
    shown = ranked[:MOST_VALUES]
    return {
        "column": name, "values": len(before), "rare": sum(n == 1 for n in before.values()),
        "most": [{"value": v, "raw": before[v], "curated": after[v]} for v in shown],
        "others": {"values": len(ranked) - len(shown), "raw": sum(before[v] for v in ranked[MOST_VALUES:]),
                   "curated": sum(n for v, n in after.items() if v not in shown)},
    }  # fmt: skip


def _correlations(data: Dataset, numbers: Sequence[str]) -> dict[str, Any] | None:
    """Return Pearson's r over the pairs of present cells, for the columns that are most correlated."""
    if len(numbers) < 2 or data.n_rows < 3:
        return None
    table = {n: data.table[n].cast(pa.float64(), safe=False).to_numpy() for n in numbers[: 5 * MOST_RELATED]}
    frame = pd.DataFrame(table).replace([np.inf, -np.inf], np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = frame.corr(min_periods=3).to_numpy(copy=True)
    np.fill_diagonal(r, np.nan)
    strongest = np.nan_to_num(np.abs(r)).max(axis=1)
    kept = sorted(np.argsort(-strongest, kind="stable")[:MOST_RELATED].tolist())
    pairs = sorted(
        ((abs(r[i, j]), i, j) for i in range(len(r)) for j in range(i) if np.isfinite(r[i, j])),
        key=lambda p: (-p[0], p[2], p[1]),
    )
    names = list(frame.columns)
    return {
        "columns": [names[i] for i in kept], "all": len(names),
        "r": [[1.0 if i == j else round(float(r[i, j]), 4) for j in kept] for i in kept],
        "strongest": [{"columns": [names[j], names[i]], "r": round(float(r[i, j]), 4)}
                      for _, i, j in pairs[:MOST_PAIRS]],
    }  # fmt: skip


def _missing(raw: Dataset, curated: Dataset) -> list[dict[str, Any]]:
    found = []
    for name in raw.roles.content:
        before, after = (_n_missing(data.table[name]) for data in (raw, curated))
        if before or after:
            found.append({"column": name, "raw": before / raw.n_rows, "raw_cells": before,
                          "curated": after / curated.n_rows if curated.n_rows else 0.0})  # fmt: skip
    return sorted(found, key=lambda m: (-m["raw_cells"], m["column"]))


def _about_columns(edits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the findings that are about a column and not about a row: constant, an id, leaking the label."""
    return [
        {"issue": e["issue"], "column": e["column"], "because": e["because"]}
        for e in sorted(edits, key=lambda e: (e["score"], e["issue"], e["column"] or ""))
        if e["row_id"] is None and e["column"]
    ]


def _n_missing(column: pa.ChunkedArray) -> int:
    blank = 0
    if pa.types.is_large_string(column.type):
        blank = pc.sum(pc.equal(pc.utf8_trim_whitespace(column), "")).as_py() or 0
    elif pa.types.is_floating(column.type):
        blank = pc.sum(pc.is_nan(column)).as_py() or 0
    return int(column.null_count + blank)


def _finite(column: pa.ChunkedArray) -> np.ndarray:
    values = column.drop_null().cast(pa.float64(), safe=False).to_numpy()
    return values[np.isfinite(values)]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_scalar(kind: pa.DataType) -> bool:
    return bool(_is_number(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind))


def view(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the charts of a table's columns as the page shows them."""
    found = data.get("table")
    if not found:
        return None
    numbers = [
        {**n, "chart": small_histogram(f"number-{k}", f"Distribution of {n['column']}", n["edges"],
                                       [("raw", n["raw"]), ("curated", n["curated"])])}
        for k, n in enumerate(found["numbers"])
    ]  # fmt: skip
    missing = [(m["column"], (100 * m["raw"], 100 * m["curated"])) for m in found["missing"][:MOST_NUMBERS]]
    r = found["correlations"]
    return {
        **found, "number_charts": numbers,
        "category_charts": [_bars(c, k) for k, c in enumerate(found["categories"])],
        "missing_chart": bars("missing-cells", "Missing cells", "Per cent of the rows.", missing,
                              ("raw", "curated"), lambda v: f"{v:.1f} %") if missing else None,
        "correlation_chart": signed_heatmap("correlations", "Correlation of the numbers",
                                            "Pearson's r of each two columns.", r["columns"], r["r"])
                             if r else None,
    }  # fmt: skip


def _bars(category: Mapping[str, Any], k: int) -> dict[str, Any]:
    lines = [(_named(str(v["value"])), (v["raw"], v["curated"])) for v in category["most"]]
    if rest := category["others"]["values"]:
        others = category["others"]
        lines.append((how_many(rest, "other value"), (others["raw"], others["curated"])))
    chart = bars(f"category-{k}", f"Values of {category['column']}", "Two bars a value: before and after.",
                 lines, ("raw", "curated"))  # fmt: skip
    return {**category, "chart": chart}


def _named(value: str) -> str:
    """Return a value as the chart names it, in quotation marks where spaces would not be seen."""
    return value if value and value == value.strip() else f"“{value}”"
