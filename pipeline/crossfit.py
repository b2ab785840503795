"""Out-of-fold class probabilities from several views of the rows, mixed by how well each predicts.

1. For each view a linear model is fitted K-fold; its strength C is the one of a short list with the best
   out-of-fold likelihood after a temperature has been fitted (so that a strongly regularised model, which is
   right but timid, is not passed over). Where labels are wrong in part, the C that suits clean labels is far
   too large.
2. The views are mixed by the weights that maximise the out-of-fold likelihood of the given labels (EM over
   the simplex), so a view that predicts badly gets a weight near 0.
3. Rows whose label the mixture finds less than a quarter as likely as another are left out and all is fitted
   once more (`passes`): a wrong label then no longer teaches the others' model. They still get probabilities.

Every fit runs on one thread and is a function of its arguments, so worker processes do not change a bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from pipeline.progress import counted

EM_STEPS = 100
SEARCH_ROWS = 4000  # C is chosen on so many labelled rows
SUSPECT_RATIO = 4.0  # another label is so many times as likely as the given one
MOST_FACTOR = 10.0  # by which balancing may multiply a row's weight
FLOOR = 1e-12  # probability below which logarithms stop


class CrossFit(NamedTuple):
    """What `cross_fit` found."""

    probs: np.ndarray  # (n, k) float64, the mixture; out of fold for train rows
    views: dict[str, np.ndarray]  # (n, k) of each view, tempered
    mix: dict[str, float]  # weight of each view, sums to 1
    c: dict[str, float]  # strength chosen for each view
    suspects: np.ndarray  # (n,) bool, rows left out of the last fit


class _Job(NamedTuple):
    matrix: Any  # (n, f) dense or CSR
    fit: np.ndarray  # (m,) positions
    predict: np.ndarray
    codes: np.ndarray  # (m,) classes of the rows to fit
    weights: np.ndarray  # (m,)
    n_classes: int
    c: float


def fold_of(keys: Iterable[str], folds: int) -> np.ndarray:
    """Return a fold for each key, (n,) int64 in [0, folds): a function of the key alone.

    >>> fold_of(["a", "c", "a"], 5).tolist()
    [3, 0, 3]
    """
    hashed = (hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest() for key in keys)
    return np.array([int.from_bytes(h, "big") % folds for h in hashed], np.int64)


def cross_fit(
    views: Mapping[str, Any],
    labels: np.ndarray,
    is_train: np.ndarray,
    folds: np.ndarray,
    weights: np.ndarray,
    n_classes: int,
    c: Mapping[str, Sequence[float]],
    *,
    passes: int = 2,
    balance: float = 1.0,
    run: Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]] | None = None,
) -> CrossFit:
    """Return out-of-fold probabilities for train rows and ordinary ones for the rest.

    views : matrices (n, f), dense (multinomial logistic regression, L-BFGS) or CSR (one against the rest,
        `pipeline.linear`).
    labels : (n,) int class codes, -1 for none; a row without one is predicted, not learnt from.
    is_train : (n,) bool.
    folds : (n,) int; rows that must not teach each other (a row and its children) share one.
    weights : (n,) row weights, >= 0.
    c : for each view the strengths (inverse L2 penalties) to choose from.
    passes : 1, or more to leave suspects out and fit again.
    balance : rows of class j weigh (n / n_j) ** balance in the fits: 0 as they come, 1 all classes alike.
    run : maps a function over jobs, in order, such as `in_threads(2)`. `Engine.map` works too, but sends the
        matrices to a process for each of some 50 fits.

    A class that a fold's training rows lack gets probability 0 there.
    Cost: (len(c) + passes) x (folds + 1) fits a view.
    """
    labels, folds = np.asarray(labels), np.asarray(folds)
    mapped = run or (lambda function, jobs: [function(job) for job in jobs])
    known = is_train & (labels >= 0) & (weights > 0)
    strength = _strengths(views, labels, known, folds, weights, n_classes, c, balance, mapped)
    suspects = np.zeros(len(labels), bool)
    for turn in range(passes):
        use = _balanced(labels, weights * (known & ~suspects), n_classes, balance)
        raw = _fitted(views, labels, is_train, folds, use, n_classes, strength, mapped)
        tempered = {name: _tempered(p, labels, weights * known)[0] for name, p in raw.items()}
        mix = _mixture(tempered, labels, weights * known)
        probs = np.sum([mix[name] * p for name, p in tempered.items()], axis=0)
        if turn + 1 < passes:
            suspects = _suspects(probs, labels, known, n_classes)
    return CrossFit(probs, tempered, mix, strength, suspects)


def in_threads(threads: int) -> Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]:
    """Return a `run` for `cross_fit` that shares the matrices; compiled fits release the interpreter lock.

    >>> in_threads(2)(abs, [-1, 2])
    [1, 2]
    """

    def run(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1), ThreadPoolExecutor(max(threads, 1)) as pool:  # one limit around them all
            return list(counted("cross-fitting", pool.map(function, jobs), len(jobs)))

    return run


def _strengths(
    views: Mapping[str, Any], labels: np.ndarray, known: np.ndarray, folds: np.ndarray, weights: np.ndarray,
    n_classes: int, c: Mapping[str, Sequence[float]], balance: float, mapped: Callable[..., list[Any]],
) -> dict[str, float]:
    """Return for each view the C of the best tempered out-of-fold likelihood, the smallest of equals."""
    rows = np.flatnonzero(known)
    if len(rows) > SEARCH_ROWS:  # evenly over the rows, which are sorted by id
        rows = rows[np.linspace(0, len(rows) - 1, SEARCH_ROWS).astype(np.int64)]
    sample = np.zeros(len(labels), bool)
    sample[rows] = True
    use = _balanced(labels, weights * sample, n_classes, balance)
    trials = [(name, value, _jobs(views[name], labels, sample, folds, use, n_classes, value))
              for name in views if len(c[name]) > 1 for value in sorted(c[name])]
    done = iter(mapped(_fit_predict, [job for _, _, jobs in trials for job in jobs]))
    best = {name: (np.inf, float(min(c[name]))) for name in views}
    for name, value, jobs in trials:
        loss = _tempered(_gathered(jobs, done, len(labels), n_classes), labels, weights * sample)[1]
        best[name] = min(best[name], (loss, float(value)))
    return {name: value for name, (_, value) in best.items()}


def _fitted(
    views: Mapping[str, Any], labels: np.ndarray, is_train: np.ndarray, folds: np.ndarray, use: np.ndarray,
    n_classes: int, strength: Mapping[str, float], mapped: Callable[..., list[Any]],
) -> dict[str, np.ndarray]:
    """(n, k) probabilities of each view: out of fold for train rows, from all of them for held-out rows."""
    jobs = {name: _jobs(matrix, labels, is_train, folds, use, n_classes, strength[name])
            for name, matrix in views.items()}
    held_out = np.flatnonzero(~is_train)
    if len(held_out):
        everything = np.flatnonzero(use > 0)
        for of_view in jobs.values():
            of_view.append(of_view[0]._replace(fit=everything, predict=held_out, codes=labels[everything],
                                               weights=use[everything]))
    done = iter(mapped(_fit_predict, [job for of_view in jobs.values() for job in of_view]))
    return {name: _gathered(of_view, done, len(labels), n_classes) for name, of_view in jobs.items()}


def _jobs(
    matrix: Any, labels: np.ndarray, rows: np.ndarray, folds: np.ndarray, use: np.ndarray,
    n_classes: int, c: float,
) -> list[_Job]:
    """One job a fold: learn from the other folds' rows with use > 0, predict this fold's `rows`."""
    out = []
    for fold in np.unique(folds[rows]):
        fit = np.flatnonzero((use > 0) & (folds != fold))
        predict = np.flatnonzero(rows & (folds == fold))
        out.append(_Job(matrix, fit, predict, labels[fit], use[fit], n_classes, c))
    return out


def _gathered(jobs: Sequence[_Job], done: Iterable[np.ndarray], n: int, n_classes: int) -> np.ndarray:
    out = np.zeros((n, n_classes))
    for job, probs in zip(jobs, done, strict=False):  # `done` goes on with the next view's
        out[job.predict] = probs
    return out


def _fit_predict(job: _Job) -> np.ndarray:
    """(len(job.predict), k) probabilities; 0 for a class that the rows to fit lack, uniform without any."""
    from pipeline.linear import linear_probs

    out = np.zeros((len(job.predict), job.n_classes))
    present, codes = np.unique(job.codes, return_inverse=True)
    if len(present) < 2:
        out[:, present if len(present) else slice(None)] = 1.0
        return out / out.sum(axis=1, keepdims=True)
    cost = job.c * job.weights
    out[:, present] = linear_probs(job.matrix[job.fit], codes, cost, len(present), job.matrix[job.predict])
    return out


def _balanced(labels: np.ndarray, weights: np.ndarray, n_classes: int, balance: float) -> np.ndarray:
    """(n,) weights times (mean class weight / weight of the row's class) ** balance, at most MOST_FACTOR."""
    known = weights > 0
    totals = np.bincount(labels[known], weights=weights[known], minlength=n_classes)
    factor = np.ones(len(labels))
    factor[known] = np.minimum((totals.sum() / n_classes / totals[labels[known]]) ** balance, MOST_FACTOR)
    return weights * factor


def _tempered(probs: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Return p ** t normalised, t in [1/20, 20] by the likelihood of the labels, and its mean loss."""
    from scipy.optimize import minimize_scalar

    rows = np.flatnonzero(weights > 0)
    logs, w = np.log(np.maximum(probs, FLOOR)), weights[rows]

    def power(t: float, of: np.ndarray) -> np.ndarray:
        scaled = of * np.exp(t)
        scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return scaled / scaled.sum(axis=1, keepdims=True)

    def loss(t: float) -> float:
        given = power(t, logs[rows])[np.arange(len(rows)), labels[rows]]
        return float(-(w * np.log(np.maximum(given, FLOOR))).sum() / w.sum())

    best = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded")
    out = np.where(probs > 0, power(best.x, logs), 0.0)
    return out / np.maximum(out.sum(axis=1, keepdims=True), FLOOR), float(best.fun)


def _mixture(views: Mapping[str, np.ndarray], labels: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Return the weights on the simplex that maximise sum_i w_i log sum_v pi_v p_v(label_i), by EM."""
    rows = np.flatnonzero(weights > 0)
    given = np.stack([np.maximum(p[rows, labels[rows]], FLOOR) for p in views.values()])  # (v, m)
    pi, w = np.full(len(given), 1 / len(given)), weights[rows]
    for _ in range(EM_STEPS):
        share = pi[:, None] * given
        pi = (share / share.sum(axis=0) * w).sum(axis=1) / w.sum()
    return {name: float(value) for name, value in zip(views, pi, strict=True)}


def _suspects(probs: np.ndarray, labels: np.ndarray, known: np.ndarray, n_classes: int) -> np.ndarray:
    """(n,) bool: rows with a label SUSPECT_RATIO times likelier than their own; at most half of a class."""
    given = probs[np.arange(len(labels)), np.maximum(labels, 0)]
    ratio = given / np.maximum(probs.max(axis=1), FLOOR)
    out = known & (ratio * SUSPECT_RATIO < 1)
    for k in range(n_classes):
        of_class, doubted = np.flatnonzero(known & (labels == k)), np.flatnonzero(out & (labels == k))
        most = len(of_class) // 2
        if len(doubted) > most:
            out[doubted[np.argsort(ratio[doubted], kind="stable")[most:]]] = False
    return out
