"""Cells against what the other cells of their row say: extremely randomised trees, out of fold.

A train row is judged by trees that did not see it, a held-out row by trees of train rows.
Geurts, Ernst & Wehenkel, Machine Learning 2006.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FOLDS = 3
FIT_ROWS = 4_000  # train rows that a model learns from, evenly spaced
_TREES = 30
_LEAF_ROWS, _MANY_ROWS = 3, 1_000  # rows in a leaf at least, of so many and more rows; else one
_MOST_FEATURES = 20  # other columns that a model sees, those most correlated by rank
MOST_CLASSES = 50
_NORMAL = 0.6827  # of residuals, within one deviation
_EXPLAINED = 0.6  # of the spread, the usual residual, above which a row does not tell its number


class Likelihood(NamedTuple):
    """What is thought of each cell of a column of words."""

    given: np.ndarray  # (n,) probability of the cell
    best: np.ndarray  # (n,) of the likeliest code
    code: np.ndarray  # (n,) int64 likeliest code


def likelihood(codes: np.ndarray, features: np.ndarray, is_train: np.ndarray) -> Likelihood:
    """Return the probability of each cell and of the likeliest value; cells of code -1 have given = 1.

    codes : (n,) int64, -1 where missing or of a value too rare to be a class. features : (n, f) float64.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    n = len(codes)
    given, best, code = np.ones(n), np.zeros(n), np.full(n, -1, np.int64)
    for learn, judge in _folds(codes >= 0, is_train):
        if len(np.unique(codes[learn])) < 2:
            continue
        model = ExtraTreesClassifier(
            _TREES, min_samples_leaf=_leaf_rows(learn), max_features=0.5, random_state=0
        )
        model.fit(features[learn], codes[learn])
        chance = model.predict_proba(features[judge])
        where = np.searchsorted(model.classes_, codes[judge])
        known = np.isin(codes[judge], model.classes_)
        own = chance[np.arange(len(judge)), np.minimum(where, len(model.classes_) - 1)]
        given[judge] = np.where(codes[judge] < 0, 1.0, np.where(known, own, 0.0))
        best[judge], code[judge] = chance.max(axis=1), model.classes_[chance.argmax(axis=1)]
    return Likelihood(given, best, code)


def prediction(
    values: np.ndarray, features: np.ndarray, is_train: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each number should be, (n,), and the robust deviation of such predictions, (n,).

    The deviation grows with the distance of the prediction from the middle, as most measures do. It is
    infinite when the rest of the row says little of the column. Rows whose number is NaN teach nothing.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    predicted = np.full(len(values), np.nan)
    for learn, judge in _folds(~np.isnan(values), is_train):
        model = ExtraTreesRegressor(_TREES, min_samples_leaf=_LEAF_ROWS, max_features=0.5, random_state=0)
        predicted[judge] = model.fit(features[learn], values[learn]).predict(features[judge])
    apart = np.abs(values - predicted)
    known = is_train & ~np.isnan(apart)
    if not known.any():
        return predicted, np.full(len(values), np.inf)
    low, middle, high = np.quantile(values[known], (0.25, 0.5, 0.75))
    spread = float(high - low) / 1.349 or float(values[known].std()) or 1.0
    usual = float(np.quantile(apart[known], _NORMAL))
    if usual > _EXPLAINED * spread or np.unique(values[known], return_counts=True)[1].max() > known.sum() / 2:
        return predicted, np.full(len(values), np.inf)  # the row does not tell, or one number is half of them
    widening = 1.0 + np.abs(predicted - middle) / spread
    usual = _deviation(apart[known] / widening[known]) or spread * 1e-3
    return predicted, widening * usual


def _deviation(apart: np.ndarray) -> float:
    """The normal deviation that 68 % of the distances have, or 95 % if that is more."""
    most, nearly_all = np.quantile(apart, (_NORMAL, 0.95))
    return float(max(most, nearly_all / 1.96))


def nearest_columns(ranks: np.ndarray, column: int) -> np.ndarray:
    """Return the other columns, at most 20, those that go with this one by rank.

    ranks : (n, f) ranks of the train cells.
    """
    others = np.delete(np.arange(ranks.shape[1]), column)
    if len(others) <= _MOST_FEATURES:
        return others
    centred = ranks - ranks.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    related = np.abs(centred[:, others].T @ centred[:, column]) / np.maximum(
        length[others] * length[column], 1e-12
    )
    return np.sort(others[np.argsort(-related.round(9), kind="stable")[:_MOST_FEATURES]])


def _folds(known: np.ndarray, is_train: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(rows to learn from, rows to judge): three thirds of the train rows in turn, then the held-out rows."""
    train = np.flatnonzero(is_train)
    fold = np.arange(len(train)) % FOLDS
    out = []
    for k in range(FOLDS):
        out.append((_some(train[(fold != k) & known[train]]), train[fold == k]))
    out.append((_some(train[known[train]]), np.flatnonzero(~is_train)))
    return [(learn, judge) for learn, judge in out if len(learn) >= FOLDS * _LEAF_ROWS and len(judge)]


def _leaf_rows(learn: np.ndarray) -> int:
    return _LEAF_ROWS if len(learn) >= _MANY_ROWS else 1


def _some(rows: np.ndarray) -> np.ndarray:
    if len(rows) <= FIT_ROWS:
        return rows
    return rows[np.unique(np.linspace(0, len(rows) - 1, FIT_ROWS).round().astype(int))]
