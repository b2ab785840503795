"""cross_fit: what the curated rows say of each other, for the next round's detectors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from finetune.features import features
from finetune.labels import classes_of, label_key, present
from finetune.settings import Training
from pipeline import crossfit
from pipeline.crossfit_labels import cross_fit_labels
from pipeline.dataset import ROW_ID, Dataset
from pipeline.given import Given
from pipeline.labels import labels_of
from pipeline.modalities import modality
from pipeline.signals.engine import Engine

if TYPE_CHECKING:
    from pipeline.signals.pred_probs import OutOfFoldProbabilities


def cross_fit(data: Dataset, training: Training, engine: Engine, seed: int) -> Given:
    """Return a `pred_probs` table for every ingested row of `data`, learnt from its curated train rows.

    Linear probes on the embeddings and on the modality's views, mixed as `pipeline.crossfit` does, with the
    rows' weights and with the rows made by stages. Train rows get out-of-fold probabilities, held-out rows
    those of all train rows. A made row shares its ancestor's fold; one whose ancestors lie in several folds
    sits out, since it would carry a held-out row's content into the fit. `class_weight="balanced"` makes all
    classes weigh alike. Raises `NotApplicable` when labels are no classes.
    """
    from scipy.sparse import issparse

    signal: OutOfFoldProbabilities = engine.signal("pred_probs")  # type: ignore[assignment]
    classes = classes_of(data.where(data.is_train & present(data)))
    folds, split = fold_codes(data, signal.folds, seed)
    views: dict[str, Any] = {"embeddings": features(data, engine).astype(np.float64)}
    views |= modality(data.modality).views(data.content, data.is_train & ~split)
    c = {name: signal.sparse_c if issparse(matrix) else signal.dense_c for name, matrix in views.items()}
    fit = cross_fit_labels(
        views, labels_of(data, classes), data.is_train, folds, data.weights * ~split, c,
        passes=signal.passes, run=crossfit.in_threads(engine.workers),
        balance=1.0 if training.class_weight == "balanced" else signal.balance,
    )  # fmt: skip
    roots = np.array([not p for p in data.parents], dtype=bool)
    n = int(roots.sum())
    table = pa.table({
        ROW_ID: pa.array(list(data.ids[roots]), pa.large_string()),
        "probs": _lists(fit.probs[roots]),
        "fold": pa.array(np.where(data.is_train, folds, -1)[roots]),
        **{f"view_{name}": _lists(probs[roots]) for name, probs in sorted(fit.views.items())},
        "weights": pa.array([json.dumps(fit.mix)] * n, pa.large_string()),
        "classes": pa.array([label_key(list(classes))] * n, pa.large_string()),
        "labels": pa.array([label_key(v) for v in data.labels[roots]], pa.large_string()),
    })  # fmt: skip
    n_train = int((data.is_train & ~split).sum())
    return Given(
        "pred_probs", table, f"cross-fit by the probe on {n_train:,} curated rows of {data.fingerprint[:8]}"
    )


def fold_codes(data: Dataset, n_folds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's fold (n,) int64, and which made rows (n,) bool have ancestors in more than one.

    An ingested row's fold hashes its group, or its id; a made row has that of its first parent.
    """
    column = data.roles.group
    groups = data.table[column].to_pylist() if column else [None] * data.n_rows
    keys = [
        f"{seed}:row:{i}" if g is None else f"{seed}:group:{label_key(g)}"
        for i, g in zip(data.ids, groups, strict=True)
    ]
    own = crossfit.fold_of(keys, n_folds)
    out, split = own.copy(), np.zeros(data.n_rows, dtype=bool)
    for i, parents in enumerate(data.parents):
        if parents:
            of_parents = {int(own[data.position[p]]) for p in parents if p in data.position}
            out[i] = own[data.position[parents[0]]] if parents[0] in data.position else own[i]
            split[i] = len(of_parents) != 1
    return out, split


def _lists(matrix: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel(), pa.float64()), matrix.shape[1])
