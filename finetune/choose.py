"""Choose the probe's penalty on the validation rows of one dataset.

In a run that dataset is the raw one, so that raw and curated are trained with the same settings and the
choice favours raw, if any.
"""

from __future__ import annotations

import numpy as np

from finetune import metrics
from finetune.crossfit import fold_codes
from finetune.generation import generates
from finetune.generation.settings import with_steps
from finetune.labels import decided, independent, membership, to_judge, truths
from finetune.linear import fit_linear, probabilities
from finetune.probe import row_features
from finetune.settings import Training
from finetune.train import spoken_of, train_rows, train_targets
from pipeline.dataset import Dataset
from pipeline.signals.engine import Engine

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # of C, the inverse penalty
FOLDS = 5  # of the train rows, where there are no validation rows to ask


def with_strength(data: Dataset, training: Training, engine: Engine) -> Training:
    """Return the settings with a value for `c`: the given one, or that with the best validation macro-F1.

    Conversations have no penalty to choose: they get the defaults of a model that answers, and as many steps
    of the optimizer as the epochs take on `data`, whatever is curated later.
    Without validation rows, train rows are asked in turn, those of a group or an ancestor together. The
    smallest of equals wins. Cost: six probes, or thirty. Raises `NotApplicable` where labels are no classes.
    """
    if generates(data):
        return with_steps(training, data)
    if training.c is not None:
        return training
    train, classes = train_rows(data)
    held = data.roots.where((data.roots.splits == "validation") & to_judge(data.roots))
    held = held.where(spoken_of(held, classes)) if held.n_rows else held
    targets, sets = train_targets(train, classes, training), independent(train)
    x = row_features(train, data, engine)
    if held.n_rows:
        truth, x_held = membership(truths(held), classes), row_features(held, data, engine)
        parts = [(np.ones(train.n_rows, dtype=bool), slice(None))]
    else:
        truth, x_held = membership(truths(train), classes), x
        fold = fold_codes(train, FOLDS, 0)[0]
        parts = [(fold != k, fold == k) for k in np.unique(fold)]
    ones, scores = np.ones((1, len(truth))), []
    for c in STRENGTHS:
        predicted = np.zeros_like(truth)
        for learns, asked in parts:
            fitted = fit_linear(x[learns], targets[learns], c, sets=sets)
            predicted[asked] = decided(probabilities(x_held[asked], fitted, sets), sets)
        counts = metrics.counts_of(truth, predicted, ones)
        scores.append(round(float(metrics.from_counts(counts)["macro_f1"][0]), 6))
    return training.model_copy(update={"c": STRENGTHS[int(np.argmax(scores))]})
