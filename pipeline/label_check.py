"""Does a made row still deserve its parent's label? A linear model that never saw the parent is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipeline.crossfit import fold_of
from pipeline.dataset import PARENTS, ROW_ID, Dataset
from pipeline.hashing import cell_json
from pipeline.linear import linear_probs
from pipeline.made import signals_of_made
from pipeline.signals.engine import Signals

FOLDS = 5
STRENGTH = 10.0  # inverse L2 penalty; embeddings are about as long as 1
TIMES = 2.0  # another label must be so many times as likely


def flips(data: Dataset, signals: Signals, children: pa.Table) -> tuple[np.ndarray, str]:
    """(m,) bool: which children have lost their parent's label; and why nothing was checked, or "".

    For each fifth of the rows, multinomial logistic regression on the embeddings of the other train rows
    predicts the fifth's rows and their children. A child has lost its label when the model gives its parent
    the parent's label, but finds another label at least twice as likely for the child. Where the model does
    not understand the parent it cannot judge the child.
    Cost: 5 fits, and an embedding for each child, which training reads from the cache.
    """
    none = np.zeros(children.num_rows, dtype=bool)
    labels = [None if v is None or isinstance(v, list | dict) else cell_json(v) for v in data.labels]
    classes = sorted({label for label, train in zip(labels, data.is_train, strict=True) if train and label})
    if len(classes) < 2:
        return none, "rows have no single labels of two classes or more"
    vectors = np.asarray(signals["embeddings"], np.float64)
    if signals.origins["embeddings"] != "computed":
        return none, "the embeddings were given, so made rows have none"
    place = {name: k for k, name in enumerate(classes)}
    codes = np.array([place.get(label, -1) if label else -1 for label in labels])
    of_children = _vectors_of(data, signals, children)
    parents = np.array([data.position[p[0]] for p in children[PARENTS].to_pylist()], np.int64)
    folds = fold_of([f"row:{i}" for i in data.ids], FOLDS)
    usable = data.is_train & (codes >= 0)
    out = none.copy()
    for fold in np.unique(folds[parents]):
        fit = usable & (folds != fold)
        mine = np.flatnonzero(folds[parents] == fold)
        given = codes[parents[mine]]
        present, targets = np.unique(codes[fit], return_inverse=True)
        if len(present) < 2:
            continue
        cost = np.full(len(targets), STRENGTH)
        both = np.concatenate([vectors[parents[mine]], of_children[mine]])
        probs = np.zeros((len(both), len(classes)))
        probs[:, present] = linear_probs(vectors[fit], targets, cost, len(present), both)
        of_parent, of_child = probs[: len(mine)], probs[len(mine) :]
        understood = of_parent.argmax(axis=1) == given
        out[mine] = understood & (of_child.max(axis=1) >= TIMES * of_child[np.arange(len(mine)), given])
    return out, ""


def _vectors_of(data: Dataset, signals: Signals, children: pa.Table) -> np.ndarray:
    """(m, d) embeddings in the order of the children."""
    made = Dataset.of(children, data.roles, data.modality)
    vectors = np.asarray(signals_of_made(made, signals.engine, signals.state)["embeddings"], np.float64)
    order: Sequence[int] = [made.position[i] for i in children[ROW_ID].to_pylist()]
    return vectors[np.array(order, np.int64)]
