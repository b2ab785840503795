"""Labels in training: which rows can be learnt from, what classes there are, what a model decides.

A label is one class, a set of classes or the votes of several annotators: see `pipeline.labels`. Votes are
learnt as shares and judged by their majority; a tie is learnt from and not judged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.dataset import Dataset
from pipeline.labels import classes_in, is_missing, is_tied, labels_of, shape_of
from pipeline.slices import cell_text
from pipeline.stage import NotApplicable

MOST_NUMBERS = 20  # fractional numbers with more distinct values are a quantity, not classes


def label_key(value: Any) -> str:
    """Return a label as JSON, the form in which classes are compared between files.

    >>> label_key("tech"), label_key(3)
    ('"tech"', '3')
    """
    return json.dumps(value, default=str)


def class_names(classes: Sequence[Any]) -> list[str]:
    """Return the classes as people read them."""
    return [cell_text(c) for c in classes]


def present(data: Dataset) -> np.ndarray:
    """Return which rows have a label, (n,) bool."""
    return np.array([not is_missing(v) for v in data.labels], dtype=bool)


def to_judge(data: Dataset) -> np.ndarray:
    """Return which rows a model can be right or wrong about, (n,) bool: of votes those with a winner."""
    return np.array([not is_missing(v) and not is_tied(v) for v in data.labels], dtype=bool)


def independent(data: Dataset) -> bool:
    """Return whether a row may be of several classes at once, so that each has a probability of its own."""
    return shape_of(data) == "set"


def truths(data: Dataset) -> list[Any]:
    """Return what each row counts as where a model is judged: its class, its list, its votes' majority."""
    votes = shape_of(data) == "votes"
    return [(classes_in(v) or [None])[0] if votes else v for v in data.labels]


def decided(probs: np.ndarray, sets: bool) -> np.ndarray:
    """Return what a model says, (n, K) bool: the likeliest class, or every class from probability 1/2 on.

    >>> decided(np.array([[0.2, 0.7], [0.6, 0.3]]), sets=True).tolist()
    [[False, True], [True, False]]
    """
    return probs >= 0.5 if sets else np.eye(probs.shape[1], dtype=bool)[probs.argmax(axis=1)]


def cells_of(said: np.ndarray, classes: Sequence[Any], sets: bool) -> list[Any]:
    """Return the label cells that decisions (n, K) stand for."""
    named = [[classes[k] for k in np.flatnonzero(line).tolist()] for line in said]
    return named if sets else [line[0] for line in named]


def membership(cells: Sequence[Any], classes: Sequence[Any]) -> np.ndarray:
    """Return which of the classes each label cell names, (n, K) bool; unknown ones are passed over.

    >>> membership(["b", ["a", "b"]], ["a", "b"]).tolist()
    [[False, True], [True, True]]
    """
    place = {label_key(c): k for k, c in enumerate(classes)}
    out = np.zeros((len(cells), len(classes)), dtype=bool)
    for i, cell in enumerate(cells):
        out[i, [k for c in classes_in(cell) if (k := place.get(label_key(c))) is not None]] = True
    return out


def classes_of(data: Dataset) -> tuple[Any, ...]:
    """Return the distinct labels in ascending order; rows without one are passed over.

    Raises `NotApplicable` when the labels are no classes, are a measured quantity, or fewer than 2.
    """
    if data.roles.label is None:
        raise NotApplicable("the data has no label column; name one with --label-column")
    found = labels_of(data.where(present(data)))
    classes = [c for c, n in zip(found.classes, found.targets.sum(axis=0), strict=True) if n]
    if len(classes) > MOST_NUMBERS and any(isinstance(c, float) and not c.is_integer() for c in classes):
        raise NotApplicable(
            f"column {data.roles.label!r} holds {len(classes)} different fractional numbers, not classes"
        )
    if len(classes) < (1 if found.shape == "set" else 2):
        raise NotApplicable(f"column {data.roles.label!r} has {len(classes)} class, a classifier needs 2")
    return tuple(classes)


def codes(labels: Sequence[Any] | np.ndarray, classes: Sequence[Any]) -> np.ndarray:
    """Return each label's place in `classes`, (n,) int64, -1 for a label that is not there.

    >>> codes(["b", "c"], ["a", "b"]).tolist()
    [1, -1]
    """
    place = {label_key(c): i for i, c in enumerate(classes)}
    return np.array([place.get(label_key(v), -1) for v in labels], dtype=np.int64)
