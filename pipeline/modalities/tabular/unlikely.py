"""Cells that the rest of their row makes unlikely."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from pipeline.abilities import CellFinding
from pipeline.modalities.tabular import predicted
from pipeline.modalities.tabular.columns import is_number
from pipeline.modalities.tabular.formats import as_text
from pipeline.modalities.tabular.options import TabularCells
from pipeline.modalities.tabular.table import Table, features

_BEYOND_PRIOR = 0.05  # of what was open before the row was looked at that may still be
_FACTORS = (1000.0, 100.0, 10.0, 0.1, 0.01, 0.001)  # by which a point or a unit may be off
_AGREES = 3.0  # robust deviations within which a number is what the rest of its row says
_RECOGNISED = 0.5  # of the other rows of a value, those whose value the model names
_FEW = 20  # distinct whole numbers that are judged like words


def unlikely(table: Table, options: TabularCells, outside: set[tuple[int, str]]) -> Iterator[CellFinding]:
    """Compare cells with predictions from the rest of their row; what is unlikely is named, never replaced.

    A row with a cell that is known to be wrong, `outside`, is not judged and teaches nothing: what it
    predicts is wrong too. Of the numbers of a row that are far from their prediction the farthest is named,
    since it misleads the rest.
    """
    known = features(table, outside)
    ranks = known[table.is_train].argsort(axis=0, kind="stable").argsort(axis=0).astype(float)
    judged = np.ones(len(known), bool)
    judged[[row for row, _ in outside]] = False
    farthest: dict[int, tuple[float, CellFinding]] = {}
    for k, name in enumerate(table.names):
        others = known[:, predicted.nearest_columns(ranks, k)]
        if not others.shape[1]:
            return
        codes = table.codes[:, k]
        times = np.bincount(codes[table.is_train & (codes >= 0)], minlength=1)
        if name not in table.state["numbers"] or len(times) <= _FEW:
            if 1 < (times >= 2).sum() <= predicted.MOST_CLASSES:
                said = predicted.likelihood(np.where(judged, codes, -1), others, table.is_train)
                yield from _unlikely_words(table, k, said, judged, options)
            continue
        values = table.values[name]
        guess, deviation = predicted.prediction(np.where(judged, values, np.nan), others, table.is_train)
        yield from _misplaced_points(table, name, guess, deviation, outside)
        z = np.abs(values - guess) / deviation
        for i in map(int, np.flatnonzero((z > options.far) & judged)):
            because = (
                f"{values[i]:g}, where the rest of the row says {guess[i]:.4g}: "
                f"{z[i]:.0f} robust deviations, beyond {options.far:g}"
            )
            one = CellFinding(i, name, round(0.5 ** (z[i] / options.far), 4), because, None, False)
            farthest[i] = max(farthest.get(i, (0.0, one)), (float(z[i]), one), key=lambda pair: pair[0])
    yield from (one for _, one in farthest.values())


def _misplaced_points(
    table: Table, name: str, guess: np.ndarray, deviation: np.ndarray, outside: set[tuple[int, str]]
) -> Iterator[CellFinding]:
    """Move the decimal point of a number that is out where one place for it gives what the row says."""
    rows = Counter(row for row, _ in outside)
    for i, column in sorted(outside):
        value = table.values[name][i] if column == name else np.nan
        if rows[i] > 1 or np.isnan(value):
            continue
        z = {factor: abs(value / factor - guess[i]) / deviation[i] for factor in _FACTORS}
        best, second = sorted(z, key=lambda factor: z[factor])[:2]
        if z[best] <= _AGREES and z[second] > _AGREES and np.isfinite(deviation[i]):
            moved = float(f"{value / best:.12g}")
            because = f"{value:g} is {best:g} times {moved:g}, and the rest of the row says {guess[i]:.4g}"
            yield CellFinding(i, name, 0.01, because, _as_cell(table, name, moved), True)


def _as_cell(table: Table, name: str, value: float) -> int | float | str:
    """The number as its column holds cells."""
    kind = table.content.schema.field(name).type
    if not is_number(kind):
        return as_text(value)
    return round(value) if pa.types.is_integer(kind) else value


def _unlikely_words(
    table: Table, k: int, said: predicted.Likelihood, judged: np.ndarray, options: TabularCells
) -> Iterator[CellFinding]:
    """Name the words that are unlikely. Of values that such a model was sure of, half were right in adult."""
    name, codes = table.names[k], table.codes[:, k]
    confident = table.is_train & judged & (codes >= 0) & (said.best > options.likely)
    if not confident.any() or (said.code == codes)[confident].mean() < options.likely:
        return  # where it is confident the model is wrong too often to be believed
    times = np.bincount(codes[table.is_train & (codes >= 0)], minlength=codes.max(initial=0) + 2)
    prior = times / max(int(table.is_train.sum()), 1)
    usual = np.where(said.code >= 0, prior[said.code], 1.0)
    told = (1 - said.best) < _BEYOND_PRIOR * (1 - usual)  # that the other value is likely is due to the row
    told &= said.given < _BEYOND_PRIOR * np.maximum(prior[codes], 2 * options.unlikely)
    told &= _recognised(codes, said.code, table.is_train & judged & (codes >= 0), len(times))
    for i in map(
        int, np.flatnonzero((said.given < options.unlikely) & (said.best > options.likely) & told & judged)
    ):
        cell, value = table.raw[name][table.codes[i, k]], table.raw[name][said.code[i]]
        because = (
            f"{cell!r} has probability {said.given[i]:.2g} given the rest of the row, "
            f"{value!r} {said.best[i]:.2f}"
        )
        yield CellFinding(i, name, round(float(said.given[i]), 4), because, None, False)


def _recognised(codes: np.ndarray, named: np.ndarray, known: np.ndarray, n_codes: int) -> np.ndarray:
    """(n,) bool: the value of the row is one that the model names, out of fold, in half of its train rows.

    A model that never names a value, since it is rare and the rest of the row does not tell it, has nothing
    to say against it: that the usual value is likely is then the base rate alone.
    """
    times = np.bincount(codes[known], minlength=n_codes)
    right = np.bincount(codes[known & (named == codes)], minlength=n_codes)
    return (right >= _RECOGNISED * np.maximum(times, 1))[codes]
