"""Choose the probe's penalty on the validation rows of one dataset.

In a run that dataset is the raw one, so that raw and curated are trained with the same settings and the
choice favours raw, if any.
"""

from __future__ import annotations

import numpy as np

from finetune import metrics
from finetune.generation import generates
from finetune.generation.settings import for_generation
from finetune.labels import decided, independent, membership, present, truths
from finetune.linear import fit_linear, probabilities
from finetune.probe import row_features
from finetune.settings import Training
from finetune.train import spoken_of, train_rows, train_targets
from pipeline.dataset import Dataset
from pipeline.signals.engine import Engine

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # of C, the inverse penalty
NO_ANSWER = 1.0  # where there are no validation rows to ask


def with_strength(data: Dataset, training: Training, engine: Engine) -> Training:
    """Return the settings with a value for `c`: the given one, or that with the best validation macro-F1.

    Conversations have no penalty to choose: they get the defaults of a model that answers.
    The smallest of equals wins. Cost: six probes. Raises `NotApplicable` where labels are no classes.
    """
    if generates(data):
        return for_generation(training)
    if training.c is not None:
        return training
    train, classes = train_rows(data)
    held = data.roots.where((data.roots.splits == "validation") & present(data.roots))
    held = held.where(spoken_of(held, classes)) if held.n_rows else held
    if not held.n_rows:
        return training.model_copy(update={"c": NO_ANSWER})
    targets, sets = train_targets(train, classes, training), independent(train)
    truth, ones = membership(truths(held), classes), np.ones((1, held.n_rows))
    x, x_held = row_features(train, data, engine), row_features(held, data, engine)
    scores = []
    for c in STRENGTHS:
        predicted = decided(probabilities(x_held, fit_linear(x, targets, c, sets=sets), sets), sets)
        counts = metrics.counts_of(truth, predicted, ones)
        scores.append(round(float(metrics.from_counts(counts)["macro_f1"][0]), 6))
    return training.model_copy(update={"c": STRENGTHS[int(np.argmax(scores))]})
