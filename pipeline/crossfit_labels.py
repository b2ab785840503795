"""Out-of-fold probabilities for labels of every shape, by the one method of `pipeline.crossfit`.

single : one fit over all classes.
votes : a row with votes for several classes stands once for each, weighing its share: logistic regression on
    soft targets. Nobody's vote is a suspect, so there is one pass, and classes weigh as they come: the
    probabilities are to be shares of votes.
set : each class against the rest. Penalties are chosen on the most frequent class and serve the others, which
    have fewer rows to choose by; classes weigh as they come, since a class is there from probability 1/2 on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.crossfit import CrossFit, cross_fit
from pipeline.labels import Labels


def cross_fit_labels(
    views: Mapping[str, Any],
    labels: Labels,
    is_train: np.ndarray,
    folds: np.ndarray,
    weights: np.ndarray,
    c: Mapping[str, Sequence[float]],
    *,
    passes: int = 2,
    balance: float = 1.0,
    run: Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]] | None = None,
) -> CrossFit:
    """Return probabilities (n, K) for all rows: see `pipeline.crossfit.cross_fit` for the arguments.

    Those of a set are independent: each in [0, 1], their sum is how many classes to expect.
    Cost: that of `cross_fit`; K times that of two classes for sets.
    """
    if labels.shape == "set":
        return _each_class(views, labels, is_train, folds, weights, c, passes, run)
    if labels.shape == "votes":
        return _shares(views, labels, is_train, folds, weights, c, run)
    return cross_fit(views, labels.codes, is_train, folds, weights, len(labels.classes), c,
                     passes=passes, balance=balance, run=run)  # fmt: skip


def _shares(
    views: Mapping[str, Any], labels: Labels, is_train: np.ndarray, folds: np.ndarray, weights: np.ndarray,
    c: Mapping[str, Sequence[float]], run: Any,
) -> CrossFit:
    """Fit rows that stand once for each class they have votes for."""
    rows, codes = np.nonzero(labels.targets)
    silent = np.flatnonzero(labels.targets.sum(axis=1) == 0)
    rows, codes = np.r_[rows, silent], np.r_[codes, np.full(len(silent), -1)]
    order = np.argsort(rows, kind="stable")
    rows, codes = rows[order], codes[order].astype(np.int64)
    share = np.where(codes >= 0, labels.targets[rows, np.maximum(codes, 0)], 1.0)
    wide = {name: matrix[rows] for name, matrix in views.items()}
    fit = cross_fit(wide, codes, is_train[rows], folds[rows], weights[rows] * share, len(labels.classes), c,
                    passes=1, balance=0.0, run=run)  # fmt: skip
    first = np.searchsorted(rows, np.arange(len(labels.known)))
    by_view = {name: probs[first] for name, probs in fit.views.items()}
    return CrossFit(fit.probs[first], by_view, fit.mix, fit.c, np.zeros(len(labels.known), dtype=bool))


def _each_class(
    views: Mapping[str, Any], labels: Labels, is_train: np.ndarray, folds: np.ndarray, weights: np.ndarray,
    c: Mapping[str, Sequence[float]], passes: int, run: Any,
) -> CrossFit:
    known = labels.known & is_train & (weights > 0)
    frequent = np.argsort(-labels.targets[known].sum(axis=0), kind="stable")
    fits: dict[int, CrossFit] = {}
    strengths: dict[str, tuple[float, ...]] = {name: tuple(values) for name, values in c.items()}
    for turn, k in enumerate(frequent.tolist()):
        if turn:
            strengths = {name: (fits[frequent[0]].c[name],) for name in views}
        codes = np.where(labels.known, labels.targets[:, k] > 0.5, -1).astype(np.int64)
        fits[k] = cross_fit(views, codes, is_train, folds, weights, 2, strengths,
                            passes=passes, balance=0.0, run=run)  # fmt: skip
    ordered = [fits[k] for k in range(len(labels.classes))]
    return CrossFit(
        np.column_stack([fit.probs[:, 1] for fit in ordered]),
        {name: np.column_stack([fit.views[name][:, 1] for fit in ordered]) for name in views},
        {name: float(np.mean([fit.mix[name] for fit in ordered])) for name in views},
        fits[frequent[0]].c,
        np.any([fit.suspects for fit in ordered], axis=0),
    )
