"""Is this dataset right for the job: columns that give the label away, only name rows or say nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.crossfit import fold_of
from pipeline.dataset import Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.hashing import cell_json
from pipeline.signals.engine import Signals
from pipeline.stage import NotApplicable, Stage

FOLDS = 5
BINS = 32  # of a column of numbers, by rank
_SPAN = 3  # times as many numbers as rows, at most, that a counter runs through: a third may be train rows
_DIGITS = 6  # of whole numbers that are codes, at least: fewer make a measure


class Fitness(Stage, frozen=True):
    """Content columns that should not be learnt from, judged on the train rows.

    constant: one value everywhere, or none; one value and blanks, as ticks are, is not. identifier: words
    that hardly repeat, or whole numbers that never do and that lie as close as a counter's or have equally
    many digits, six at least, as codes have: measures such as salaries are not. label_leakage: predicting
    from the column alone, out of fold, the commonest label of its value (numbers: of its 1/32 by rank) is
    right in a share `leak` of the rows of each class, on average (balanced accuracy; of classes with fewer
    than 5 rows nothing can be told out of fold, they are left out). Such a column is a leak when it is not
    known where the model is used; only a person can say.
    score: 1 - distinct share, or 1 - balanced accuracy; 0 for a constant. Flags on columns, never on rows.
    Kaufman, Rosset & Perlich, KDD 2011 (leakage). Cost: O(rows) a column.
    """

    name = "fitness"
    actions: ClassVar[tuple[Action, ...]] = ("flag",)

    leak: float = Field(0.98, gt=0.5, le=1, description="balanced accuracy of one column at which it leaks")
    distinct: float = Field(0.98, gt=0, le=1, description="share of different values of an identifier")
    min_rows: int = Field(20, ge=5, description="train rows below which nothing can be said")

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Look at every content column that holds single values."""
        train = data.where(data.is_train)
        if train.n_rows < self.min_rows:
            raise NotApplicable(f"{train.n_rows} train rows, fewer than min_rows={self.min_rows}")
        columns = [c for c in data.roles.content if _is_single(train.table.schema.field(c).type)]
        if not columns:
            raise NotApplicable("no content column holds single numbers or words")
        edits: list[Edit] = []
        measured = {}
        for column in columns:
            cells = train.table[column].to_pylist()
            known = [cell for cell in cells if cell is not None]
            different = len({cell_json(cell) for cell in known})
            accuracy = _alone(column, cells, train)
            measured[column] = {"distinct": different, "balanced_accuracy": accuracy}
            edits += self._said(column, cells, known, different, accuracy)
        return Findings.of(self.name, edits, metrics={"columns": measured})

    def _said(
        self, column: str, cells: list[Any], known: list[Any], different: int, accuracy: float | None
    ) -> Iterator[Edit]:
        if not known or (different == 1 and len(known) == len(cells)):
            what = f"{cell_json(known[0])} in all" if known else "missing in all"
            yield Edit(None, "constant", 0.0, "flag", f"{column}: {what} {len(cells):,} train rows", column)
        elif _names(known) and different >= max(self.distinct * len(known), 2):
            share = different / len(known)
            why = f"{column}: {different:,} different values in {len(known):,} train rows, so it names rows"
            yield Edit(None, "identifier", 1 - share, "flag", f"{why} (use it as the id column)", column)
        if accuracy is not None and accuracy >= self.leak:
            why = f"{column}: alone it gives the label away (balanced accuracy {accuracy:.3f}, out of fold)"
            yield Edit(None, "label_leakage", 1 - accuracy, "flag",
                       f"{why}; leave it out if it is not known when the model is used", column)  # fmt: skip


def _is_single(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _names(known: list[Any]) -> bool:
    """Whether values look like names of rows: numbers as counters and codes are, or words without spaces.

    >>> _names([1, 2, 4, 5]), _names([104729, 350377, 815669]), _names([31250, 154270, 91428])
    (True, True, False)
    """
    if all(isinstance(cell, int) and not isinstance(cell, bool) for cell in known):
        counted = max(known) - min(known) < _SPAN * len(known)
        coded = min(known) >= 10 ** (_DIGITS - 1) and len(str(min(known))) == len(str(max(known)))
        return len(set(known)) == len(known) and (counted or coded)
    return all(isinstance(cell, str) and not any(map(str.isspace, cell.strip())) for cell in known)


def _alone(column: str, cells: list[Any], train: Dataset) -> float | None:
    """Return the balanced accuracy of one column, None where labels are no single classes."""
    labels = [None if v is None or isinstance(v, list | dict) else cell_json(v) for v in train.labels]
    times = Counter(labels)
    rows = [i for i, label in enumerate(labels) if label is not None and times[label] >= FOLDS]
    classes = sorted({str(labels[i]) for i in rows})
    if not 2 <= len(classes) <= max(2, len(rows) // 5):
        return None
    y = np.array([classes.index(str(labels[i])) for i in rows])
    value = _binned([cells[i] for i in rows])
    folds = fold_of([f"row:{train.ids[i]}" for i in rows], FOLDS)
    predicted = np.full(len(rows), -1)
    for fold in range(FOLDS):
        fit, held = folds != fold, folds == fold
        counts = np.zeros((value.max(initial=0) + 1, len(classes)))
        np.add.at(counts, (value[fit], y[fit]), 1)
        counts /= np.maximum(np.bincount(y[fit], minlength=len(classes)), 1)  # classes alike
        best = np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
        predicted[held] = best[value[held]]
    right = [float((predicted[y == k] == k).mean()) for k in range(len(classes))]
    return round(float(np.mean(right)), 6)


def _binned(cells: list[Any]) -> np.ndarray:
    """(n,) int64: a code for each value, missing included; numbers by rank where they have many values."""
    if all(cell is None or isinstance(cell, int | float) for cell in cells):
        numbers = np.array([math.nan if cell is None else float(cell) for cell in cells])
        known = np.unique(numbers[np.isfinite(numbers)])
        if len(known) > BINS:
            edges = np.unique(np.quantile(numbers[np.isfinite(numbers)], np.arange(1, BINS) / BINS))
            return np.where(np.isfinite(numbers), np.searchsorted(edges, numbers, "right"), len(edges) + 1)
    texts = [cell_json(cell) for cell in cells]
    place = {text: k for k, text in enumerate(sorted(set(texts)))}
    return np.array([place[text] for text in texts], np.int64)
