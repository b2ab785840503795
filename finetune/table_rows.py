"""Rows of a table as numbers and places. What is learnt on train rows is kept as `preprocess.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from finetune.refused import Refused
from pipeline.modalities.tabular import columns

HALF_BINS = 16  # quantiles of the rows, and as many of the different values: many rows may share one
MOST_CATEGORIES = 1000  # of a column, the most frequent of the train rows; the others are unknown


class Arrays(NamedTuple):
    """Standardised numbers (n, columns) float32, NaN where missing, and places (n, columns) int64."""

    numbers: np.ndarray
    categories: np.ndarray


def fit_columns(content: pa.Table) -> dict[str, Any]:
    """Learn {"numbers": {column: {"median", "spread", "edges", "reading"}}, "categories": {...}} of rows.

    `edges` are quantiles of the standardised numbers and of the different ones, each once. Categories are
    sorted; "" is a missing one.
    """
    known = columns.fit(content)
    numbers: dict[str, Any] = {}
    for name in sorted(known["numbers"]):
        learnt = known["numbers"][name]
        median, spread = float(learnt["median"] or 0.0), float(learnt["spread"])
        values = (columns.numbers(content[name], learnt) - median) / spread
        values = values[~np.isnan(values)]
        numbers[name] = {"median": median, "spread": spread, "edges": _edges(values),
                         "reading": learnt["reading"]}
    words = {name: _values(content[name]) for name in sorted(known["categories"])}
    return {"numbers": numbers, "categories": words}


def arrays(content: pa.Table, state: Mapping[str, Any]) -> Arrays:
    """Return rows as the network takes them. A category that train rows did not have gets place 0.

    Raises `ValueError` naming a column that is missing.
    """
    absent = [n for n in (*state["numbers"], *state["categories"]) if n not in content.column_names]
    if absent:
        raise Refused(f"no column {absent[0]!r}; the model was trained on it (has {content.column_names})")
    numbers = np.zeros((content.num_rows, len(state["numbers"])), np.float32)
    for k, (name, learnt) in enumerate(sorted(state["numbers"].items())):
        numbers[:, k] = (columns.numbers(content[name], learnt) - learnt["median"]) / learnt["spread"]
    places = np.zeros((content.num_rows, len(state["categories"])), np.int64)
    for k, (name, values) in enumerate(sorted(state["categories"].items())):
        place = {value: i + 1 for i, value in enumerate(values)}
        places[:, k] = [place.get(cell or "", 0) for cell in columns.categories(content[name])]
    return Arrays(numbers, places)


def bins(state: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return lower edge and width of each column's bins, (columns, most bins) float32; inf for no bin."""
    edges = [np.asarray(learnt["edges"]) for _, learnt in sorted(state["numbers"].items())]
    most = max([1, *(len(e) - 1 for e in edges)])
    low = np.zeros((len(edges), most), np.float32)
    width = np.full((len(edges), most), np.inf, np.float32)
    for k, of_column in enumerate(edges):
        n = len(of_column) - 1
        low[k, :n], width[k, :n] = of_column[:-1], np.diff(of_column)
    return low, width


def _edges(values: np.ndarray) -> list[float]:
    if not len(values):
        return [0.0]
    levels = np.linspace(0, 1, HALF_BINS + 1)
    both = [np.quantile(v, levels, method="nearest") for v in (values, np.unique(values))]
    return [float(e) for e in np.unique(np.float32(np.concatenate(both)))]


def _values(column: pa.ChunkedArray) -> list[str]:
    found, counts = np.unique([cell or "" for cell in columns.categories(column)], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    return sorted(str(v) for v in found[order])
