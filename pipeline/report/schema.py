"""Columns of a dataset: types, missing cells, distinct values, and alerts under ydata-profiling's names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dataset import PARENTS, ROW_ID, SOURCE, SPLIT, WEIGHT, Dataset
from pipeline.hashing import IMAGE
from pipeline.report.privacy import mask
from pipeline.report.rows import cell_text
from pipeline.report.turns_page import holds_turns
from pipeline.report.visible import shorten
from pipeline.words import how_many

MANY_VALUES, IMBALANCED, SKEWED, CORRELATED, MANY_ZEROS = 50, 0.5, 20.0, 0.9, 0.1
EXAMPLES, EXAMPLE_CHARS, BINS, MOST_CORRELATED = 3, 60, 16, 40
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?.*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}")


def columns(data: Dataset) -> list[dict[str, Any]]:
    """Return one entry a column of the user's, in the order of the table. Cost: O(cells)."""
    own = {ROW_ID, SOURCE, PARENTS}
    return [_column(name, data) for name in data.table.column_names if name not in own]


def alerts(data: Dataset, described: Sequence[dict[str, Any]], copies: int) -> list[dict[str, Any]]:
    """Return what deserves a look, as `alert` (ydata-profiling's name), `column` and a sentence.

    constant, unique, high_cardinality (more than 50 values), imbalance (1 - entropy / log2 k above 0.5),
    missing, empty, zeros (above 10 %), infinite, skewed (above 20), type_date, constant_length,
    dirty_category (values that differ in case or spaces), high_correlation (|r| from 0.9), duplicates.
    """
    found = [alert for column in described for alert in _alerts(column, data)]
    found += _correlated(data)
    if copies:
        found.append(_alert("duplicates", None, f"{how_many(copies, 'row')} stand in groups of copies"))
    return found


def _column(name: str, data: Dataset) -> dict[str, Any]:
    column = data.table[name].combine_chunks()
    n = len(column)
    out: dict[str, Any] = {
        "column": name, "type": _type(column.type), "role": _role(name, data), "rows": n,
        "missing": _missing(column), "distinct": None, "examples": [], "low": None, "median": None,
        "high": None, "histogram": None, "imbalance": None, "skew": None, "zeros": None, "infinite": 0,
        "chars": None,
    }  # fmt: skip
    if _is_number(column.type):
        out |= _numbers(column)
    if column.type == IMAGE:  # its digest stands for it; the galleries show it
        return out | {"distinct": len(pc.unique(pc.struct_field(column.drop_null(), "sha256")))}
    values = column if _is_plain(column.type) else pa.array([cell_text(c) for c in column.to_pylist()])
    values = values.drop_null()
    if pa.types.is_large_string(values.type):
        values = values.filter(pc.not_equal(pc.utf8_trim_whitespace(values), ""))
    counted = pc.value_counts(values)
    counts = np.asarray(counted.field("counts"))
    out["distinct"] = len(counts)
    order = np.argsort(-counts, kind="stable")[:EXAMPLES]
    cells = [str(cell_text(counted.field("values")[int(i)].as_py())) for i in order]
    out["examples"] = [shorten(mask(cell[:5_000]), EXAMPLE_CHARS) for cell in cells]
    if 2 <= len(counts) <= MANY_VALUES and not _is_number(column.type):
        share = counts / counts.sum()
        out["imbalance"] = 1 - float(-(share * np.log2(share)).sum()) / float(np.log2(len(counts)))
    if pa.types.is_large_string(values.type) and len(counts):
        lengths = pc.min_max(pc.utf8_length(values)).as_py()
        out["chars"] = [lengths["min"], lengths["max"]]
    return out


def _numbers(column: pa.Array) -> dict[str, Any]:
    values = column.drop_null().cast(pa.float64(), safe=False).to_numpy()
    finite = values[np.isfinite(values)]
    out: dict[str, Any] = {"infinite": int(np.isinf(values).sum()), "zeros": int((values == 0).sum())}
    if len(finite):
        spread = float(finite.std())
        counts, edges = np.histogram(finite, BINS)
        out |= {
            "low": float(finite.min()), "median": float(np.median(finite)), "high": float(finite.max()),
            "skew": float((((finite - finite.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0,
            "histogram": {"edges": [float(e) for e in edges], "counts": counts.tolist()},
        }  # fmt: skip
    return out


def _alerts(column: dict[str, Any], data: Dataset) -> list[dict[str, Any]]:
    name, n, distinct, role = column["column"], column["rows"], column["distinct"], column["role"]
    present = n - column["missing"]
    out = []
    if n and not present:
        return [_alert("empty", name, "every cell is missing")]
    if column["missing"]:
        cells = how_many(column["missing"], "cell")
        out.append(_alert("missing", name, f"{cells} ({column['missing'] / n:.1%})"))
    if distinct == 1 and n > 1 and name != SPLIT:
        out.append(_alert("constant", name, "one value in every row that has one"))
    if distinct == present and present > 1 and role is None:
        out.append(_alert("unique", name, "no value occurs twice: an id rather than a feature"))
    elif distinct > MANY_VALUES and column["type"] == "text" and role in (None, "label"):
        out.append(_alert("high_cardinality", name, how_many(distinct, "different value")))
    if (column["imbalance"] or 0) > IMBALANCED and role != "split":
        out.append(_alert("imbalance", name, f"score {column['imbalance']:.2f}; 0 is even, 1 is one value"))
    if column["infinite"]:
        out.append(_alert("infinite", name, how_many(column["infinite"], "cell")))
    if (column["zeros"] or 0) > MANY_ZEROS * n:
        out.append(_alert("zeros", name, f"{how_many(column['zeros'], 'cell')} ({column['zeros'] / n:.1%})"))
    if abs(column["skew"] or 0) > SKEWED:
        out.append(_alert("skewed", name, f"skewness {column['skew']:.1f}"))
    return out + (_text_alerts(column, data) if column["type"] == "text" and role is None else [])


def _text_alerts(column: dict[str, Any], data: Dataset) -> list[dict[str, Any]]:
    name, out = column["column"], []
    seen = [str(cell_text(c)) for c in data.table[name].slice(0, 1000).to_pylist() if c]
    if seen and all(_DATE.fullmatch(cell.strip()) for cell in seen):
        out.append(_alert("type_date", name, "every value looks like a date, but is kept as text"))
    elif column["distinct"] > 1 and column["chars"] and column["chars"][0] == column["chars"][1] > 1:
        out.append(_alert("constant_length", name, f"every value has {column['chars'][0]} characters"))
    if 2 <= column["distinct"] <= MANY_VALUES:
        values = {str(v) for v in data.table[name].unique().to_pylist() if v is not None}
        same = Counter(" ".join(v.split()).casefold() for v in values)
        if dirty := sum(k for k in same.values() if k > 1):
            out.append(_alert("dirty_category", name, f"{dirty} values differ only in case or spaces"))
    return out


def _correlated(data: Dataset) -> list[dict[str, Any]]:
    names = [f.name for f in data.table.schema if _is_number(f.type) and f.name != WEIGHT]
    names = names[:MOST_CORRELATED]
    if len(names) < 2 or data.n_rows < 3:
        return []
    values = np.array([data.table[c].cast(pa.float64(), safe=False).to_numpy() for c in names])
    values = values[:, np.isfinite(values).all(axis=0)]
    steady = values.std(axis=1) > 0 if values.shape[1] > 2 else np.zeros(len(names), dtype=bool)
    kept = [i for i in range(len(names)) if steady[i]]
    if len(kept) < 2:
        return []
    r = np.corrcoef(values[kept])
    return [
        _alert("high_correlation", names[kept[i]], f"r = {r[i, j]:+.2f} with {names[kept[j]]}")
        for i in range(len(kept)) for j in range(i + 1, len(kept)) if abs(r[i, j]) >= CORRELATED
    ]  # fmt: skip


def _alert(alert: str, column: str | None, says: str) -> dict[str, Any]:
    return {"alert": alert, "column": column, "says": says.replace("%", " %").replace("  %", " %")}


def _missing(column: pa.Array) -> int:
    """Count nulls, NaN, and cells of text without a visible character."""
    if pa.types.is_large_string(column.type):
        blank = pc.sum(pc.equal(pc.utf8_trim_whitespace(column), "")).as_py() or 0
        return int(column.null_count + blank)
    if pa.types.is_floating(column.type):
        return int(column.null_count + (pc.sum(pc.is_nan(column)).as_py() or 0))
    return int(column.null_count)


def _role(name: str, data: Dataset) -> str | None:
    roles = data.roles
    named = {roles.label: "label", roles.group: "group", roles.time: "time", SPLIT: "split", WEIGHT: "weight"}
    return "content" if name in roles.content else named.get(name)


def _type(kind: pa.DataType) -> str:
    if pa.types.is_large_string(kind) or pa.types.is_string(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "true or false"
    if kind == IMAGE:
        return "picture"
    if holds_turns(kind):
        return "turns"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return "list"
    return "whole number" if pa.types.is_integer(kind) else "number" if _is_number(kind) else str(kind)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_plain(kind: pa.DataType) -> bool:
    return _is_number(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind)
