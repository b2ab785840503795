"""Splits: their class mix, and how far the held-out rows have drifted from the train rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.dataset import OWN_COLUMNS, SPLITS, WEIGHT, Dataset
from pipeline.report.rows import cell_text

BINS, MOST_VALUES, SOME_DRIFT, MUCH_DRIFT = 10, 50, 0.1, 0.25
Classes = Callable[[Any], list[str]]


def splits(data: Dataset, measures: pd.DataFrame, rows: np.ndarray, classes_of: Classes) -> dict[str, Any]:
    """Return class mix and drift of each held-out split against train.

    measures : (m, k) numbers about the rows at positions `rows` (m,), a sample where data are many.

    PSI = sum over bins of (p - q) ln(p / q), bins = train deciles, values or classes; KS = largest gap
    between the two distribution functions. `noise` is what PSI reaches by chance alone: with B bins,
    PSI / (1/n + 1/m) is about chi-square with B - 1 degrees; exceeded once in a thousand.
    """
    present = [s for s in SPLITS if (data.splits == s).any()]
    mix: dict[str, Counter[str]] = {s: Counter() for s in present}
    for split, cell in zip(data.splits, data.labels, strict=True):
        mix[split].update(classes_of(cell))
    names = sorted(set().union(*mix.values()), key=lambda c: (-sum(m[c] for m in mix.values()), c))
    held_out = [s for s in present if s != "train"] if "train" in present else []
    lines = [line for split in held_out for line in _drift(data, split, measures, rows, mix)]
    return {
        "splits": present,
        "mix": [{"class": c, "counts": [mix[s][c] for s in present]} for c in names],
        "drift": sorted(lines, key=lambda d: (-(d["psi"] - d["noise"]), d["what"], d["split"])),
        "measured_rows": len(rows),
    }


def _drift(
    data: Dataset, split: str, measures: pd.DataFrame, rows: np.ndarray, mix: dict[str, Counter[str]]
) -> list[dict[str, Any]]:
    out = []
    if mix["train"] and mix[split]:
        out.append(_line("class", split, *_counts(mix["train"], mix[split]), None))
    of = data.splits[rows]
    for name in measures.columns:
        values = measures[name].to_numpy(dtype=np.float64, na_value=np.nan)
        out += _of_numbers(str(name), split, values[of == "train"], values[of == split])
    taken = {*OWN_COLUMNS, WEIGHT, data.roles.label}
    for field in data.table.schema:
        if field.name in taken:
            continue
        column = data.table[field.name]
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
            values = column.cast(pa.float64(), safe=False).to_numpy()
            out += _of_numbers(
                field.name, split, values[data.splits == "train"], values[data.splits == split]
            )
        elif pa.types.is_large_string(field.type) and 2 <= len(column.unique()) <= MOST_VALUES:
            cells = np.array([cell_text(c) or "" for c in column.to_pylist()], dtype=object)
            train, other = (Counter(cells[data.splits == s]) for s in ("train", split))
            out.append(_line(field.name, split, *_counts(train, other), None))
    return out


def _of_numbers(what: str, split: str, train: np.ndarray, other: np.ndarray) -> list[dict[str, Any]]:
    train, other = train[np.isfinite(train)], other[np.isfinite(other)]
    if not len(train) or not len(other) or train.min() == train.max():
        return []
    cuts = np.unique(np.quantile(train, np.linspace(0, 1, BINS + 1)[1:-1]))
    p, q = (np.bincount(np.searchsorted(cuts, v, "right"), minlength=len(cuts) + 1) for v in (train, other))
    return [_line(what, split, p, q, ks_distance(train, other))]


def psi(p: np.ndarray, q: np.ndarray) -> float:
    """Return the population stability index of two arrays of counts; half a row stands for none.

    >>> psi(np.array([50, 50]), np.array([50, 50]))
    0.0
    """
    shares = [np.maximum(c, 0.5) / max(np.maximum(c, 0.5).sum(), 1) for c in (p, q)]
    return round(float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()), 6)


def ks_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples, in [0, 1].

    >>> ks_distance(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    1.0
    """
    one, other = np.sort(one), np.sort(other)
    at = np.concatenate([one, other])
    gap = np.searchsorted(one, at, "right") / len(one) - np.searchsorted(other, at, "right") / len(other)
    return round(float(np.abs(gap).max()), 6)


def _line(what: str, split: str, p: np.ndarray, q: np.ndarray, ks: float | None) -> dict[str, Any]:
    found, freedom = psi(p, q), max(len(p) - 1, 1)
    once_in_1000 = (
        freedom * (1 - 2 / (9 * freedom) + 3.09 * (2 / (9 * freedom)) ** 0.5) ** 3
    )  # Wilson-Hilferty
    noise = once_in_1000 * (1 / max(p.sum(), 1) + 1 / max(q.sum(), 1))
    clear = found > noise
    word = "much" if clear and found >= MUCH_DRIFT else "some" if clear and found >= SOME_DRIFT else "none"
    return {"what": what, "split": split, "psi": found, "ks": ks, "noise": round(float(noise), 6),
            "drift": word, "rows": int(q.sum())}  # fmt: skip


def _counts(one: Counter[str], other: Counter[str]) -> tuple[np.ndarray, np.ndarray]:
    names: Sequence[str] = sorted({*one, *other})
    return np.array([one[n] for n in names]), np.array([other[n] for n in names])
