"""Label cells of every shape: one class, a set of classes, or the votes of several annotators.

| shape    | Arrow type of the column              | a cell in Python           | means                    |
| -------- | ------------------------------------- | -------------------------- | ------------------------ |
| `single` | text, number or boolean               | `"sport"`                  | the row's class          |
| `set`    | large_list of text or numbers         | `["cup", "sport"]`         | every class that applies |
| `votes`  | struct with one float64 field a class | `{"film": 1.0, "tv": 2.0}` | how many, or what share  |

A struct holds votes because that is what JSON, Parquet and a fingerprint already make of a mapping, and
because its type names every class, those without a vote too. The shape is read off the column's type and
never off a cell: a list may be empty (no class applies), which is a label; null is a missing one, and so are
votes that are all null or 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pipeline.dataset import Dataset
from pipeline.hashing import cell_json
from pipeline.label_types import Shape, class_order, shape_of_type
from pipeline.stage import NotApplicable

_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")  # 007 is a code
_MOST_CLASSES = 20  # that numbers may stand for, however few the rows are


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of n rows in numbers; column k of `targets` is `classes[k]`.

    targets : (n, K) float64: 1 for each class that a cell names; for votes the share that each class got.
        A missing label, and one that names no known class, is a line of zeros.
    known : (n,) bool, whether there is a label. n_votes : (n,) float64, how many votes a row has, else 1 or
    0.
    """

    shape: Shape
    classes: tuple[Any, ...]
    targets: np.ndarray
    known: np.ndarray
    n_votes: np.ndarray

    @cached_property
    def codes(self) -> np.ndarray:
        """(n,) int64: the class, of votes the one with the most (the first of equals); -1 for none.

        Of a set it is the first class named.
        """
        if not len(self.classes):
            return np.full(len(self.known), -1, np.int64)
        return np.where(self.targets.sum(axis=1) > 0, self.targets.argmax(axis=1), -1)

    @cached_property
    def agreement(self) -> np.ndarray:
        """(n,) float64: the largest share of the votes, in [0, 1]; 1 where one class is given as such."""
        return self.targets.max(axis=1, initial=0.0)

    def where(self, mask: np.ndarray) -> Labels:
        """Return the rows where `mask` is true, or at the positions it holds."""
        return Labels(self.shape, self.classes, self.targets[mask], self.known[mask], self.n_votes[mask])

    def cell(self, line: np.ndarray) -> Any:
        """Return the label cell that a line of targets (K,) stands for: a class, a sorted list, or votes."""
        if self.shape == "set":
            return [c for c, t in zip(self.classes, line, strict=True) if t > 0.5]
        if self.shape == "votes":
            return {c: float(t) for c, t in zip(self.classes, line, strict=True)}
        return self.classes[int(line.argmax())]


def shape_of(data: Dataset) -> Shape:
    """Return what the label column holds, "none" where there is no label column."""
    label = data.roles.label
    return "none" if label is None else shape_of_type(data.table.schema.field(label).type)


def labels_of(data: Dataset, classes: Sequence[Any] | None = None) -> Labels:
    """Return the labels of all rows in numbers, over `classes` or over all that are named, sorted.

    Raises `NotApplicable` where there is no label column or its cells are no labels.

    >>> from pipeline.dataset import Roles
    >>> rows = {"row_id": ["i", "j"], "t": ["", ""], "y": [["b", "a"], []]}
    >>> found = labels_of(Dataset.of(rows, Roles(content=("t",), label="y"), "text"))
    >>> found.shape, found.classes, found.targets.tolist()
    ('set', ('a', 'b'), [[1.0, 1.0], [0.0, 0.0]])
    """
    shape, cells = shape_of(data), data.labels
    if shape == "none":
        raise NotApplicable("there is no label column")
    if shape == "other":
        kind = data.table.schema.field(str(data.roles.label)).type
        raise NotApplicable(f"label cells are {kind}; labels are classes, lists of classes or votes a class")
    if shape == "votes":
        return _votes(data, cells, classes)
    named = [classes_in(cell) for cell in cells]
    known = np.array([not is_missing(cell) for cell in cells], dtype=bool)
    if classes is None:
        classes = sorted({c for row in named for c in row}, key=class_order)
    place = {cell_json(c): k for k, c in enumerate(classes)}
    targets = np.zeros((len(cells), len(classes)))
    for i, row in enumerate(named):
        for c in row:
            if (k := place.get(cell_json(c))) is not None:
                targets[i, k] = 1.0
    return Labels(shape, tuple(classes), targets, known, known.astype(np.float64))


def classes_in(cell: Any) -> list[Any]:
    """Return the classes that a label cell names: one, several, or the one with the most votes.

    >>> classes_in("a"), classes_in(["a", "b"]), classes_in({"a": 1, "b": 2}), classes_in(None)
    (['a'], ['a', 'b'], ['b'], [])
    """
    if is_missing(cell):
        return []
    if isinstance(cell, dict):
        return [max(sorted(cell), key=lambda c: cell[c] or 0.0)]
    return [c for c in cell if c is not None] if isinstance(cell, list | tuple) else [cell]


def measured(data: Dataset) -> str | None:
    """Say why the label column holds measurements and no classes; None where it may hold classes.

    Numbers of more than 20 different values on the train rows do: more than a value for 5 rows where some
    have decimals, a value for 2 where all are whole.

    >>> from pipeline.dataset import Roles
    >>> rows = {"row_id": [f"{k:02d}" for k in range(30)], "x": [0] * 30, "y": [k / 7 for k in range(30)]}
    >>> measured(Dataset.of(rows, Roles(content=("x",), label="y"), "tabular"))
    "label 'y' holds 30 different numbers on 30 train rows: regression is not supported, labels are classes"
    """
    if shape_of(data) != "single":
        return None
    known = [v for v, t in zip(data.labels, data.is_train, strict=True) if t and not is_missing(v)]
    if any(isinstance(v, bool) or _NUMBER.fullmatch(str(v)) is None for v in known):
        return None
    different, per_value = len(set(known)), 2 if all(float(v).is_integer() for v in known) else 5
    if different <= max(_MOST_CLASSES, len(known) / per_value):
        return None
    what = f"label {data.roles.label!r} holds {different:,} different numbers on {len(known):,} train rows"
    return f"{what}: regression is not supported, labels are classes"


def as_named(cell: Any) -> str:
    """Return a label cell as JSON, votes as their winner: what tells whether two rows disagree.

    >>> as_named({"a": 3.0, "b": 0.0}) == as_named({"a": 2.0, "b": 1.0}) == as_named("a")
    True
    """
    return cell_json(classes_in(cell)[0] if isinstance(cell, dict) and not is_missing(cell) else cell)


def is_missing(cell: Any) -> bool:
    """Return whether a cell is no label: null, not a number, or votes of which there are none."""
    if isinstance(cell, dict):
        return not any(cell.values())
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def is_tied(cell: Any) -> bool:
    """Return whether a cell's votes name no winner.

    >>> is_tied({"a": 1.0, "b": 1.0}), is_tied({"a": 2.0, "b": 1.0}), is_tied("a")
    (True, False, False)
    """
    votes = [v or 0.0 for v in cell.values()] if isinstance(cell, dict) else []
    return bool(votes) and max(votes) > 0 and votes.count(max(votes)) > 1


def _votes(data: Dataset, cells: np.ndarray, classes: Sequence[Any] | None) -> Labels:
    kind = data.table.schema.field(str(data.roles.label)).type
    names = sorted(f.name for f in kind) if classes is None else list(classes)
    counts = np.zeros((len(cells), len(names)))
    for i, cell in enumerate(cells):
        counts[i] = [(cell or {}).get(c) or 0.0 for c in names]
    every = np.array([sum(v or 0.0 for v in (cell or {}).values()) for cell in cells], dtype=np.float64)
    total = counts.sum(axis=1)
    shares = np.divide(counts, total[:, None], out=np.zeros_like(counts), where=total[:, None] > 0)
    return Labels("votes", tuple(names), shares, every > 0, every)
