"""Missing cells from the other cells of their row: nearest train rows, or chained regressions.

The state is JSON, fitted on train rows; what a row becomes is a function of the row and the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.modalities.tabular.columns import categories, numbers, split_columns
from pipeline.modalities.tabular.options import TabularClean

REFERENCE_ROWS = 2_000  # train rows that knn keeps and iterative learns from, evenly spaced in order of id
_CATEGORIES = 20  # of a column, the most frequent in train rows
_DIGITS = 6  # significant ones, of a filled number
_ROUNDS = 5
_MOST_DEVIATIONS = 5.0  # robust ones; a number further out counts as this far, lest it lead the others astray

State = dict[str, Any]


def fit(content: pa.Table, state: Mapping[str, Any], options: TabularClean) -> State:
    """Learn from train rows how to fill missing cells: {} unless `fill` is knn or iterative.

    knn: the reference rows (Troyanskaya et al., Bioinformatics 2001; scikit-learn's KNNImputer). iterative:
    the sequence of Bayesian ridge regressions (van Buuren & Groothuis-Oudshoorn, JSS 2011; scikit-learn's
    IterativeImputer). Numbers enter in robust deviations, at most 5, categories as one-hot columns.
    """
    if options.fill not in ("knn", "iterative") or not content.num_rows:
        return {}
    some = np.unique(np.linspace(0, content.num_rows - 1, REFERENCE_ROWS).round().astype(int))
    rows = _encoded(content.take(some), state, options)
    rows = rows[~np.isnan(rows).all(axis=1)]
    if not len(rows) or not rows.shape[1]:
        return {}
    layout = _layout(content, state, options)
    groups = np.concatenate([np.full(part.stop - part.start, k) for k, (_, part) in enumerate(layout)])
    if options.fill == "knn":
        return {"reference": [[None if np.isnan(v) else round(float(v), 6) for v in row] for row in rows]}
    return {"chain": _chain(rows, groups)}


def fill(
    content: pa.Table, state: Mapping[str, Any], fitted: State, options: TabularClean
) -> dict[tuple[int, str], tuple[Any, str]]:
    """Return (row, column) -> (value, how) for every missing cell that can be filled."""
    if not fitted:
        return {}
    x = _encoded(content, state, options)
    bare = np.isnan(x).all(axis=1)
    todo = np.flatnonzero(np.isnan(x).any(axis=1) & ~bare)
    if not len(todo):
        return {}
    full, how = (
        _by_neighbors(x[todo], fitted, options) if "reference" in fitted else _by_chain(x[todo], fitted)
    )
    out: dict[tuple[int, str], tuple[Any, str]] = {}
    for name, part in _layout(content, state, options):
        values = full[:, part]
        for k, row in enumerate(todo):
            if not np.isnan(x[row, part.start]):
                continue
            if name in state["numbers"]:
                learnt = state["numbers"][name]
                value = float(values[k, 0] * learnt["spread"] + (learnt["median"] or 0.0))
                value = min(max(value, learnt["low"]), learnt["high"])
                number = round(value) if learnt["whole"] else float(f"{value:.{_DIGITS}g}")
                out[int(row), name] = (number, f"now {number:g} ({how})")
            elif options.fill_text == "model":
                word = state["categories"][name][
                    _usual(content, state, name, options)[int(values[k].argmax())]
                ]
                out[int(row), name] = (word, f"now {word!r} ({how})")
    return out


def _layout(content: pa.Table, state: Mapping[str, Any], options: TabularClean) -> list[tuple[str, slice]]:
    of_numbers, of_words = split_columns(content, state)
    out, start = [], 0
    for name in [*of_numbers, *of_words]:
        width = 1 if name in state["numbers"] else len(_usual(content, state, name, options))
        if width:
            out.append((name, slice(start, start + width)))
        start += width
    return out


def _usual(content: pa.Table, state: Mapping[str, Any], name: str, options: TabularClean) -> list[int]:
    """Where the categories that take part stand among those that the state holds."""
    words = [k for k, word in enumerate(state["categories"][name]) if word not in options.missing]
    return words[:_CATEGORIES]


def _encoded(content: pa.Table, state: Mapping[str, Any], options: TabularClean) -> np.ndarray:
    """(n, d) float64, NaN where a cell is missing."""
    parts = [np.zeros((content.num_rows, 0))]
    for name, part in _layout(content, state, options):
        if name in state["numbers"]:
            learnt = state["numbers"][name]
            deviations = (numbers(content[name], learnt) - (learnt["median"] or 0.0)) / learnt["spread"]
            parts.append(np.clip(deviations, -_MOST_DEVIATIONS, _MOST_DEVIATIONS)[:, None])
            continue
        known = [state["categories"][name][k] for k in _usual(content, state, name, options)]
        where = {word: k for k, word in enumerate(known)}
        cells = categories(content[name])
        one_hot = np.zeros((len(cells), part.stop - part.start))
        for i, cell in enumerate(cells):
            if cell is None:
                one_hot[i] = np.nan
            elif cell in where:
                one_hot[i, where[cell]] = 1.0
        parts.append(one_hot)
    return np.concatenate(parts, axis=1)


def _by_neighbors(x: np.ndarray, fitted: State, options: TabularClean) -> tuple[np.ndarray, str]:
    from sklearn.impute import KNNImputer

    reference = np.array(
        [[np.nan if v is None else v for v in row] for row in fitted["reference"]], np.float64
    )
    k = min(options.neighbors, len(reference))
    model = KNNImputer(n_neighbors=k, weights="distance", keep_empty_features=True)
    return model.fit(reference).transform(x), f"mean of the {k} nearest train rows"


def _chain(rows: np.ndarray, groups: np.ndarray) -> State:
    """Fit the regressions in turn, the fullest column first, five times over, each on what the others gave.

    groups : (d,) the column of the table that each column of `rows` stands for; those of one table column
    do not inform each other, since they are all missing together.
    """
    from sklearn.linear_model import BayesianRidge

    missing = np.isnan(rows)
    start = np.array([column[~gap].mean() if (~gap).any() else 0.0
                      for column, gap in zip(rows.T, missing.T, strict=True)])  # fmt: skip
    full, steps = np.where(missing, start, rows), []
    order = np.argsort(missing.mean(axis=0), kind="stable")
    for _ in range(_ROUNDS):
        for k in order:
            other, known = np.flatnonzero(groups != groups[k]), ~missing[:, k]
            if not len(other) or known.sum() < 2:
                continue
            model = BayesianRidge().fit(full[np.ix_(known, other)], rows[known, k])
            if missing[:, k].any():
                full[missing[:, k], k] = model.predict(full[np.ix_(missing[:, k], other)])
            steps.append({"of": int(k), "from": other.tolist(), "coefficients": model.coef_.tolist(),
                          "intercept": float(model.intercept_)})  # fmt: skip
    return {"start": start.tolist(), "steps": steps}


def _by_chain(x: np.ndarray, fitted: State) -> tuple[np.ndarray, str]:
    """Run the regressions in the order in which they were fitted, each on what the others gave."""
    missing, chain = np.isnan(x), fitted["chain"]
    full = np.where(missing, np.array(chain["start"]), x)
    for step in chain["steps"]:
        rows = missing[:, step["of"]]
        if rows.any():
            other = full[np.ix_(rows, step["from"])]
            full[rows, step["of"]] = other @ np.array(step["coefficients"]) + step["intercept"]
    return full, "regressed on the rest of the row"
