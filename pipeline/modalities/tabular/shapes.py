"""Shapes of strings that are rare in their column, and cells that hold the value of another column too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

_COVERED = 0.98  # of a column's train cells, by its usual shapes
_MOST_SHAPES = 12
_RARE = 0.002  # of the train cells
_LEAST_CELLS = 50
_NATURAL = 0.01  # of the rows whose other cell is there that may end with a value of its column
_MOST_VALUES = 500


def shape(cell: str) -> str:
    """Return what a cell looks like: runs of capitals A, of other letters a, of digits 9, signs as they are.

    >>> shape("San Luis CA"), shape("12.5 kg"), shape("O'Neil")
    ('Aa Aa A', '9.9 a', "A'Aa")
    """
    text = re.sub(r"\d+", "9", cell)
    text = re.sub(r"[^\W\d_]+", lambda run: _letters(run[0]), text)
    return re.sub(r"(\S+)( \1)+", r"\1 \1", text) if len(text) > 40 else text


def _letters(run: str) -> str:
    return (
        "A"
        if run.isupper()
        else "Aa"
        if run[0].isupper() and run[1:].islower()
        else "a"
        if run.islower()
        else "Aa*"
    )


class RareShape(NamedTuple):
    """A cell whose shape few others have."""

    row: int
    shape: str
    times: int
    usual: str


def rare_shapes(cells: Sequence[str | None], is_train: np.ndarray) -> Iterator[RareShape]:
    """Find the cells of a column whose shape is on at most 0.2 % of the train cells, if its shapes are few.

    They are few when at most 12 cover 98 % of the train cells. A value that two train rows share is no slip.
    """
    of_cell = {cell: shape(cell) for cell in set(cells) if cell is not None}
    known = [of_cell[c] for c, train in zip(cells, is_train, strict=True) if train and c is not None]
    counts = Counter(known)
    ranked = sorted(counts, key=lambda s: (-counts[s], s))[:_MOST_SHAPES]
    if len(known) < _LEAST_CELLS or sum(counts[s] for s in ranked) < _COVERED * len(known):
        return
    most, times = max(1.0, _RARE * len(known)), Counter(c for c, t in zip(cells, is_train, strict=True) if t)
    for row, cell in enumerate(cells):
        if cell is not None and counts[of_cell[cell]] <= most and times[cell] <= 1:
            yield RareShape(row, of_cell[cell], counts[of_cell[cell]], ranked[0])


class Fused(NamedTuple):
    """A cell that ends with what its row's missing cell of another column should hold."""

    row: int
    rest: str
    value: str


def fused(one: Sequence[str | None], other: Sequence[str | None], is_train: np.ndarray) -> list[Fused]:
    """Find cells of a column that end with a train value of another, where that one is missing.

    Nothing is said where such ends are natural: on more than 1 % of the train rows whose other cell is there.
    """
    values = Counter(c for c, train in zip(other, is_train, strict=True) if train and c is not None)
    domain = {v for v, times in values.items() if times > 1 and not v.isdigit()}
    if not 1 < len(domain) <= _MOST_VALUES:
        return []
    natural, there, out = 0, 0, []
    for row, (cell, beside) in enumerate(zip(one, other, strict=True)):
        found = _ending(cell, domain) if cell is not None else None
        if beside is not None:
            there += bool(is_train[row])
            natural += bool(is_train[row] and found)
        elif found:
            out.append(Fused(row, *found))
    return out if natural <= _NATURAL * there else []


def _ending(cell: str, domain: set[str]) -> tuple[str, str] | None:
    for sign in re.finditer(r"[\s,;/|]+", cell):
        rest, value = cell[: sign.start()], cell[sign.end() :]
        if rest and value in domain:
            return rest, value
    return None
