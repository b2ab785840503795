"""Choose the probe's penalty on the validation rows of one dataset.

In a run that dataset is the raw one, so that raw and curated are trained with the same settings and the
choice favours raw, if any.
"""

from __future__ import annotations

import numpy as np

from finetune import metrics
from finetune.crossfit import fold_codes
from finetune.generation import generates
from finetune.generation.settings import for_generation
from finetune.labels import codes, present
from finetune.linear import fit_linear, softmax
from finetune.probe import row_features
from finetune.settings import Training
from finetune.train import train_rows, train_targets
from pipeline.dataset import Dataset
from pipeline.signals.engine import Engine

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # of C, the inverse penalty
FOLDS = 5  # of the train rows, where there are no validation rows to ask


def with_strength(data: Dataset, training: Training, engine: Engine) -> Training:
    """Return the settings with a value for `c`: the given one, or that with the best validation macro-F1.

    Conversations have no penalty to choose: they get the defaults of a model that answers.
    Without validation rows, train rows are asked in turn, those of a group or an ancestor together. The
    smallest of equals wins. Cost: six probes, or thirty. Raises `NotApplicable` where labels are no single classes.
    """
    if generates(data):
        return for_generation(training)
    if training.c is not None:
        return training
    train, classes = train_rows(data)
    held = data.roots.where((data.roots.splits == "validation") & present(data.roots))
    truth = codes(held.labels, classes)
    held, truth = held.where(truth >= 0), truth[truth >= 0]
    targets, x = train_targets(train, classes, training), row_features(train, data, engine)
    fold = None
    if held.n_rows:
        x_held = row_features(held, data, engine)
    else:
        fold, truth = fold_codes(train, FOLDS, 0)[0], codes(train.labels, classes)
    scores = []
    for c in STRENGTHS:
        if fold is None:
            predicted = softmax(x_held, fit_linear(x, targets, c)).argmax(axis=1)
        else:
            predicted = _out_of_fold(x, targets, fold, c)
        counts = metrics.counts(truth, predicted, len(classes), np.ones((1, len(truth))))
        scores.append(round(float(metrics.from_counts(counts)["macro_f1"][0]), 6))
    return training.model_copy(update={"c": STRENGTHS[int(np.argmax(scores))]})


def _out_of_fold(x: np.ndarray, targets: np.ndarray, fold: np.ndarray, c: float) -> np.ndarray:
    """Return each row's class (n,) as predicted by the rows of the other folds."""
    out = np.zeros(len(x), np.int64)
    for k in np.unique(fold):
        own = fold == k
        out[own] = softmax(x[own], fit_linear(x[~own], targets[~own], c)).argmax(axis=1)
    return out
