"""Cells that are wrong: what rules, dependencies and models say of each, and what it should be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.abilities import CellFinding, CellsFound
from pipeline.modalities.tabular import dependencies, shapes
from pipeline.modalities.tabular.options import TabularCells
from pipeline.modalities.tabular.table import Table, determining, taken_apart
from pipeline.modalities.tabular.unlikely import unlikely

_LONE_ROWS, _LONE_SHARE = 2, 0.002  # train rows that may hold a number that is out of its column
_ABSURD = 20  # times as far as is out: no number of rows makes that a usual number
_TO_SET = 0.95  # of the other rows, those that agree with a value before it is proposed


def wrong_cells(content: pa.Table, is_train: np.ndarray, options: TabularCells) -> CellsFound:
    """Find wrong cells; see `stages.cells`. What is said of a row depends on it and on train rows only.

    Cost: O(columns^2 n log n) for dependencies; two trees' depths a row, column and tree for models.
    """
    table = taken_apart(content, is_train)
    found: list[CellFinding] = []
    facts: dict[str, Any] = {"dependencies": []}
    if options.dependencies and (found := list(_fused(table))):
        table = taken_apart(_repaired(content, found), is_train)
    if options.dependencies:
        learnt = dependencies.learn(table.codes, determining(table), is_train, options.min_agreement)
        facts["dependencies"] = [
            {
                "of": table.names[d.of],
                "column": table.names[d.column],
                "agreement": round(d.agreement, 4),
                "rows": d.rows,
            }
            for d in learnt
        ]
        found += _violations(table, learnt, {(f.row, f.column) for f in found})
    found += _no_numbers(table)
    found += _lone_numbers(table, options.far)
    if options.patterns:
        found += _rare_shapes(table)
    if options.models:
        table = taken_apart(_repaired(content, [f for f in found if f.repaired]), is_train)
        found += unlikely(table, options, {(f.row, f.column) for f in found if not f.repaired})
    best: dict[tuple[int, str], CellFinding] = {}
    for one in found:  # the first that proposes a value speaks for a cell, else the surest
        key = (one.row, one.column)
        if key not in best or (one.repaired, -one.score) > (best[key].repaired, -best[key].score):
            best[key] = one
    return CellsFound([best[k] for k in sorted(best)], list(_odd_columns(table)), facts)


def _fused(table: Table) -> Iterator[CellFinding]:
    of_words = [name for name in table.names if name in table.words and name not in table.values]
    for one in of_words:
        for other in of_words:
            if one == other:
                continue
            for row, rest, value in shapes.fused(table.words[one], table.words[other], table.is_train):
                cell = table.words[one][row]
                yield CellFinding(
                    row,
                    one,
                    0.05,
                    f"{cell!r} ends with {value!r}, a value of {other}, which is missing",
                    rest,
                    True,
                )
                yield CellFinding(
                    row, other, 0.05, f"missing; {one} {cell!r} ends with its value {value!r}", value, True
                )


def _repaired(content: pa.Table, found: list[CellFinding]) -> pa.Table:
    """Return the table with the values that are proposed, so that the rest learns from them."""
    cells = {name: content[name].to_pylist() for name in {f.column for f in found}}
    for one in found:
        cells[one.column][one.row] = one.value
    for name, values in cells.items():
        k = content.column_names.index(name)
        content = content.set_column(k, name, pa.array(values, content.schema.field(name).type))
    return content


def _violations(
    table: Table, learnt: list[dependencies.Dependency], settled: set[tuple[int, str]]
) -> Iterator[CellFinding]:
    """Blame, of two cells that disagree, the one at odds with more of its row, else the dependent one."""
    said = [dependencies.expected(table.codes, table.is_train, d) for d in learnt]
    shape = table.codes.shape
    against, support, backed = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for d, e in zip(learnt, said, strict=True):
        spoken, own = e.code >= 0, table.codes[:, d.column]
        wrong = spoken & (own >= 0) & (own != e.code)
        right = spoken & (own == e.code)
        backed[:, d.column] = np.maximum(backed[:, d.column], np.where(right, d.agreement, 0.0))
        for column in (d.of, d.column):
            against[:, column] += wrong
            support[:, column] += right
    blame = against / np.maximum(against + support, 1)
    for d, e in zip(learnt, said, strict=True):
        of, name = table.names[d.of], table.names[d.column]
        own = table.codes[:, d.column]
        spoken = (e.code >= 0) & (own != e.code)
        guilty = spoken & ((own < 0) | (blame[:, d.column] >= blame[:, d.of]))
        mutual = guilty & (blame[:, d.column] == blame[:, d.of]) & _answered(table, learnt, said, d)
        guilty &= backed[:, d.column] < d.agreement  # no dependency as good says that the cell is right
        for i in map(int, np.flatnonzero(guilty)):
            if (i, name) in settled:
                continue
            value = table.raw[name][e.code[i]]
            what = "missing" if own[i] < 0 else repr(table.raw[name][own[i]])
            by = table.raw[of][table.codes[i, d.of]]
            because = (
                f"{what}, but {of} {by!r} has {value!r} in {e.votes[i]} of {e.others[i]} other train rows "
                f"({of} decides {name} in {100 * d.agreement:.1f} %)"
            )
            sure = bool(not mutual[i] and e.votes[i] >= _TO_SET * e.others[i])
            score = round(1 - e.votes[i] / e.others[i], 4) / 2
            yield CellFinding(i, name, score, because, value if sure else None, sure)


def _answered(
    table: Table,
    learnt: list[dependencies.Dependency],
    said: list[dependencies.Expected],
    one: dependencies.Dependency,
) -> np.ndarray:
    """(n,) bool: the dependent cell in turn says that the other is wrong: nobody knows which is."""
    for d, e in zip(learnt, said, strict=True):
        if (d.of, d.column) == (one.column, one.of):
            return (e.code >= 0) & (e.code != table.codes[:, d.column])
    return np.zeros(len(table.codes), bool)


def _no_numbers(table: Table) -> Iterator[CellFinding]:
    for name, words in table.words.items():
        if name not in table.values:
            continue
        for i, (word, value) in enumerate(zip(words, table.values[name], strict=True)):
            if word is not None and np.isnan(value):
                yield CellFinding(
                    i, name, 0.1, f"{word!r} is no number, as the cells of this column are", None, False
                )


def _lone_numbers(table: Table, far: float) -> Iterator[CellFinding]:
    """Find numbers far out of their column, also on a log scale if all are positive, and rare."""
    for name, values in table.values.items():
        learnt = table.state["numbers"][name]
        known = values[table.is_train & ~np.isnan(values)]
        if len(known) < 20:
            continue
        plain = z = np.abs(values - learnt["median"]) / _width(known, learnt["spread"])
        if (known > 0).mean() > 0.98:
            positive = np.log(known[known > 0])
            logs = np.log(np.where(values > 0, values, np.nan)) - np.median(positive)
            z = np.minimum(z, 2 * np.nan_to_num(np.abs(logs), nan=np.inf) / _width(positive, 1e-9))
        distinct, times = np.unique(known, return_counts=True)
        where = np.minimum(np.searchsorted(distinct, values), len(distinct) - 1)
        common = (distinct[where] == values) & (times[where] > max(_LONE_ROWS, _LONE_SHARE * len(known)))
        common &= plain <= _ABSURD * far
        for i in map(int, np.flatnonzero((z > far) & ~common)):
            because = (
                f"{values[i]:g} is {z[i]:.0f} robust deviations from the column's median "
                f"{learnt['median']:g}, beyond {far:g}"
            )
            yield CellFinding(i, name, round(0.5 ** (z[i] / far), 4), because, None, False)


def _width(known: np.ndarray, least: float) -> float:
    """The normal deviation that the middle half has, or the middle 95 % if that is wider."""
    low, first, last, high = np.quantile(known, (0.025, 0.25, 0.75, 0.975))
    return float(max((last - first) / 1.349, (high - low) / 3.92)) or least


def _rare_shapes(table: Table) -> Iterator[CellFinding]:
    for name, words in table.words.items():
        if name in table.values:
            continue
        for rare in shapes.rare_shapes(words, table.is_train):
            because = (
                f"{words[rare.row]!r} looks like {rare.shape!r}, as {rare.times} train cells do; "
                f"the usual look is {rare.usual!r}"
            )
            yield CellFinding(rare.row, name, 0.3, because, None, False)


def _odd_columns(table: Table) -> Iterator[tuple[str, str, str]]:
    """(column, issue, because) for columns that say what another one says in the train rows."""
    seen: dict[str, str] = {}
    for k, name in enumerate(table.names):
        codes = table.codes[table.is_train, k]
        if len(codes) < 2:
            return
        if len(np.unique(codes)) == 1:
            continue  # says nothing at all: `fitness` names it
        known = codes[codes >= 0]
        if 2 * len(np.unique(known)) > len(known):  # nearly all cells differ: only equal ones say the same
            key = repr([None if c < 0 else table.raw[name][c] for c in codes])
            how = "has the cells of"
        else:
            first: dict[int, int] = {}
            key = repr([first.setdefault(int(c), len(first)) for c in codes])
            how = "says, in other words, what is said by"
        if key in seen:
            yield name, "duplicate_column", f"{name} {how} {seen[key]} in every train row"
        seen.setdefault(key, name)
