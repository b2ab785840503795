"""Labels as class codes: which rows can be learnt from, and what their classes are called."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.dataset import Dataset
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
    return np.array(
        [v is not None and not (isinstance(v, float) and math.isnan(v)) for v in data.labels], dtype=bool
    )


def classes_of(data: Dataset) -> tuple[Any, ...]:
    """Return the distinct labels in ascending order; rows without one are passed over.

    Raises `NotApplicable` when the labels are no scalars, are a measured quantity, or fewer than 2.
    """
    if data.roles.label is None:
        raise NotApplicable("the data has no label column; name one with --label-column")
    labels = data.labels[present(data)]
    if odd := next((v for v in labels if isinstance(v, (list, dict, bytes))), None):
        raise NotApplicable(f"label {str(odd)[:60]!r} is not a single class; this needs one class a row")
    classes = sorted(set(labels))
    if len(classes) > MOST_NUMBERS and any(isinstance(c, float) and not c.is_integer() for c in classes):
        raise NotApplicable(
            f"column {data.roles.label!r} holds {len(classes)} different fractional numbers, not classes"
        )
    if len(classes) < 2:
        raise NotApplicable(f"column {data.roles.label!r} has {len(classes)} class, a classifier needs 2")
    return tuple(classes)


def codes(labels: Sequence[Any] | np.ndarray, classes: Sequence[Any]) -> np.ndarray:
    """Return each label's place in `classes`, (n,) int64, -1 for a label that is not there.

    >>> codes(["b", "c"], ["a", "b"]).tolist()
    [1, -1]
    """
    place = {label_key(c): i for i, c in enumerate(classes)}
    return np.array([place.get(label_key(v), -1) for v in labels], dtype=np.int64)
