"""Logistic regression, one class against the rest, on sparse rows: dual coordinate descent, classes together.

    min over w_k of |w_k|^2 / 2 + sum_i C_i log(1 + exp(-y_ik w_k x_i)),  y_ik = 1 where row i is of class k,
                                                                          else -1

Yu, Huang & Lin, "Dual coordinate descent methods for logistic regression and maximum entropy models",
Machine Learning 2011: what liblinear does class after class. Here the weights of all classes of a feature lie
side by side, so a row is read once for all of them. One thread, a fixed order of rows: the same rows give the
same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TOLERANCE = 0.1  # of the dual's largest derivative; liblinear's own default
MOST_EPOCHS = 10  # probabilities hardly move after that, however weak the penalty
NEWTON_STEPS = 30


def linear_probs(x: Any, codes: np.ndarray, cost: np.ndarray, n_classes: int, x_new: Any) -> np.ndarray:
    """(m, n_classes) probabilities of the rows of `x_new` by the model that suits `x`, on one thread.

    CSR: `one_against_rest`, with the same arguments. Dense: multinomial logistic regression by L-BFGS.
    """
    from scipy.sparse import issparse
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        if issparse(x):
            return one_against_rest(x, codes, cost, n_classes, x_new)
        model = LogisticRegression(C=1.0, max_iter=1000)
        return model.fit(x, codes, sample_weight=cost).predict_proba(x_new)


def one_against_rest(
    x: csr_matrix, codes: np.ndarray, cost: np.ndarray, n_classes: int, x_new: csr_matrix
) -> np.ndarray:
    """(m, n_classes) probabilities of the rows of `x_new` (m, f), normalised over the classes.

    x : (n, f) CSR. codes : (n,) class of each row. cost : (n,) C_i > 0, inverse penalty times row weight.
    The bias is a feature that is always 1, penalised like the others.
    Cost: O(nnz x n_classes) an epoch, at most 10 epochs; (f + n) x n_classes x 8 bytes.

    >>> from scipy.sparse import csr_matrix
    >>> x = csr_matrix(np.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> one_against_rest(x, np.array([0, 1]), np.ones(2), 2, x).round(2).tolist()
    [[0.6, 0.4], [0.4, 0.6]]
    """
    random = np.random.default_rng(0)
    orders = np.stack([random.permutation(x.shape[0]) for _ in range(MOST_EPOCHS)])
    flat = np.zeros((x.shape[1] + 1) * n_classes)
    _descend(x.indptr, x.indices, x.data, codes, np.asarray(cost, np.float64), orders, n_classes, flat)
    weights = flat.reshape(-1, n_classes)  # the last line is the bias
    margins = x_new @ weights[:-1] + weights[-1]
    probs = np.exp(-np.logaddexp(0.0, -margins))
    return probs / probs.sum(axis=1, keepdims=True)


@njit(cache=True, nogil=True)
def _descend(
    indptr: np.ndarray, indices: np.ndarray, values: np.ndarray, codes: np.ndarray, cost: np.ndarray,
    orders: np.ndarray, k: int, weights: np.ndarray,
) -> None:
    """Fit `weights` (f + 1, k), row after row, in place."""
    alpha = np.zeros((codes.size, k))
    step = np.empty(k)
    for order in orders:
        worst = 0.0
        for i in order:
            columns, cells = indices[indptr[i] : indptr[i + 1]], values[indptr[i] : indptr[i + 1]]
            square = _margins(columns, cells, weights, step)
            for c in range(k):
                sign, old = (1.0 if codes[i] == c else -1.0), alpha[i, c]
                margin = sign * step[c]
                slope = abs(margin + np.log(old / (cost[i] - old))) if old > 0.0 else np.inf
                worst = max(worst, slope)
                alpha[i, c] = _minimum(margin, old, square, cost[i])
                step[c] = sign * (alpha[i, c] - old)
            _add(columns, cells, step, weights)
        if worst < TOLERANCE:
            return


@njit(cache=True, nogil=True)
def _margins(columns: np.ndarray, cells: np.ndarray, weights: np.ndarray, out: np.ndarray) -> float:
    """Write w_k x for each class into `out` (k,) and return |x|^2, the bias counted."""
    k, square = np.uint64(out.size), 1.0
    out[:] = weights[weights.size - out.size :]
    for j in range(columns.size):
        at, cell = np.uint64(columns[j]) * k, np.float64(cells[j])
        square += cell * cell
        for c in range(out.size):
            out[c] += cell * weights[at + np.uint64(c)]
    return square


@njit(cache=True, nogil=True)
def _add(columns: np.ndarray, cells: np.ndarray, step: np.ndarray, weights: np.ndarray) -> None:
    """w_k += step_k x."""
    k = np.uint64(step.size)
    weights[weights.size - step.size :] += step
    for j in range(columns.size):
        at, cell = np.uint64(columns[j]) * k, np.float64(cells[j])
        for c in range(step.size):
            weights[at + np.uint64(c)] += cell * step[c]


@njit(cache=True, nogil=True)
def _minimum(margin: float, old: float, square: float, cost: float) -> float:
    """Return the a in (0, cost) with square * (a - old) + margin + log(a / (cost - a)) = 0.

    In t = log(a / (cost - a)) the left side rises by at least 1 a unit and its root is bracketed by
    a = 0 and a = cost: Newton's method, with a bisection where it would leave the bracket.
    """
    low, high = -margin - square * (cost - old), -margin + square * old
    t = np.log(old / (cost - old)) if old > 0.0 else -margin
    t = min(max(t, low), high)
    for _ in range(NEWTON_STEPS):
        share = 1.0 / (1.0 + np.exp(-t))
        value = square * (cost * share - old) + margin + t
        if value > 0.0:
            high = t
        else:
            low = t
        if abs(value) < 1e-6:
            break
        t -= value / (1.0 + square * cost * share * (1.0 - share))
        if not low < t < high:
            t = (low + high) / 2
    # strictly inside, so that the logarithms above are finite
    return min(max(cost / (1.0 + np.exp(-t)), cost * 1e-12), cost * (1.0 - 1e-12))
