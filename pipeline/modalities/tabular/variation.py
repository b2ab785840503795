"""Variations of a row that stay within its class: numbers move, categories swap."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.modalities.tabular.columns import categories, numbers
from pipeline.modalities.tabular.columns import fit as fit_columns
from pipeline.modalities.tabular.formats import as_number, is_code
from pipeline.modalities.tabular.options import TabularAugment
from pipeline.modalities.tabular.repair import is_missing

_VALUES = 20  # of a category in a class, the most frequent
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_LEAST_ROWS = 2  # of a class that a value must be on to be swapped in


def fit(content: pa.Table, labels: np.ndarray) -> dict[str, Any]:
    """Return {label: {"spread": {column: s}, "range": {column: [low, high]}, "values": {column: {v: rows}}}}.

    The spread is the standard deviation within the class, but at most the robust spread of the column, so
    that an outlier does not stretch it. Only numeric columns and columns of strings take part.
    """
    learnt = fit_columns(content)["numbers"]
    out: dict[str, Any] = {}
    for label in sorted(set(labels)):
        part = content.filter(pa.array(labels == label))
        spread, span, values = {}, {}, {}
        for name in sorted(content.column_names):
            if name in learnt:
                known = numbers(part[name], learnt[name])
                known = known[~np.isnan(known)]
                if len(known) > 1:
                    spread[name] = min(float(known.std()), learnt[name]["spread"])
                    span[name] = [float(known.min()), float(known.max())]
            elif not pa.types.is_boolean(content[name].type):
                counts = Counter(cell for cell in categories(part[name]) if cell is not None)
                usual = sorted(counts, key=lambda v: (-counts[v], v))[:_VALUES]
                values[name] = {v: counts[v] for v in usual if counts[v] >= _LEAST_ROWS}
        out[str(label)] = {"spread": spread, "range": span, "values": values}
    return out


def vary(
    cells: Mapping[str, Any], label: str, seed: int, options: TabularAugment, state: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """Return a variation and how it was made; a function of its arguments.

    A number moves by a normal share of its spread in the class and stays within the class's range; where
    nothing is known of the class, of its own size. Whole numbers stay whole, plain numbers in strings stay
    strings with as many decimals, missing cells stay as they are. A category becomes, with a small chance,
    another of its class, drawn by frequency.

    >>> learnt = {"spread": {"a": 50.0}, "range": {"a": [0, 1001]}, "values": {"b": {"x": 3, "z": 2}}}
    >>> vary({"a": 1000, "b": "x"}, "p", 0, TabularAugment(swap_fraction=1), {"p": learnt})
    ({'a': 1000, 'b': 'z'}, '1 category swapped (seed 0)')
    >>> vary({"a": "10.40"}, "p", 0, TabularAugment(), {"p": {"spread": {"a": 50.0}}})
    ({'a': '10.71'}, '1 number moved (seed 0)')
    """
    of_class = state.get(label, {})
    draw, out, moved, swapped = np.random.default_rng(seed), dict(cells), 0, 0
    for column, cell in sorted(cells.items()):
        if isinstance(cell, bool) or is_missing(cell):
            continue
        number = _number(cell) if column not in of_class.get("values", {}) else None
        if number is not None:
            size = of_class.get("spread", {}).get(column, 0.0 if of_class else abs(number))
            value = number + options.jitter_fraction * size * float(draw.standard_normal())
            low, high = of_class.get("range", {}).get(column, (value, value))
            out[column] = _like(cell, cell, min(max(value, min(low, number)), max(high, number)))
            moved += out[column] != cell
        elif isinstance(cell, str):
            chance, values = draw.random(), of_class.get("values", {}).get(column, {})
            if chance < options.swap_fraction and len(values) > 1 and cell in values:
                names = [v for v in values if v != cell]
                share = np.array([values[v] for v in names], np.float64)
                out[column] = names[int(np.searchsorted(np.cumsum(share / share.sum()), draw.random()))]
                swapped += 1
    parts = [f"{moved} number{'' if moved == 1 else 's'} moved"] if moved else []
    parts += [f"{swapped} categor{'y' if swapped == 1 else 'ies'} swapped"] if swapped else []
    return out, f"{', '.join(parts)} (seed {seed})" if parts else "nothing to change"


def between(one: Mapping[str, Any], other: Mapping[str, Any], share: float) -> dict[str, Any]:
    """Return the row that lies `share` of the way from one to the other, in [0, 1].

    Numbers are interpolated: whole ones stay whole, plain ones in strings stay strings with as many decimals
    as either end has. Words, and what is missing, are the nearer row's.

    >>> between({"a": 0, "b": "x", "c": 1.0, "d": "7"}, {"a": 10, "b": "y", "c": 2.0, "d": "8.5"}, 0.25)
    {'a': 2, 'b': 'x', 'c': 1.25, 'd': '7.4'}
    """
    out = dict(one if share < 0.5 else other)
    for column in out:
        ends = _number(one[column]), _number(other[column])
        if ends[0] is not None and ends[1] is not None:
            out[column] = _like(one[column], other[column], ends[0] + share * (ends[1] - ends[0]))
    return out


def _number(cell: Any) -> int | float | None:
    """A cell as a number, None for words, codes such as 007 and what is missing."""
    if isinstance(cell, str):
        return as_number(cell) if _PLAIN.fullmatch(cell) and not is_code(cell) else None
    return cell if isinstance(cell, int | float) and not isinstance(cell, bool) and cell == cell else None


def _like(one: Any, other: Any, value: float) -> Any:
    """The number as cells between these two are held: in strings with their decimals, or whole, or not."""
    if isinstance(one, str) or isinstance(other, str):
        decimals = max(len(str(cell).partition(".")[2]) for cell in (one, other))
        return f"{value:.{decimals}f}"
    return round(value) if isinstance(one, int) and isinstance(other, int) else value
