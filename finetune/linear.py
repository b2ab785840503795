"""The probe's linear model: logistic regression on weighted, soft targets, multinomial or class by class."""

from __future__ import annotations

import numpy as np


def fit_linear(
    x: np.ndarray, targets: np.ndarray, c: float, tolerance: float = 1e-5, sets: bool = False
) -> np.ndarray:
    """Return the coefficients (K, d + 1), the bias last.

    Minimises  (1 / W) (sum_ik -T_ik log p_ik + |A|^2 / (2 c)),  W = sum of T, the bias not penalised: for
    hard, unit targets this is scikit-learn's `LogisticRegression(C=c)`. A class without weight gets what the
    penalty leaves. `sets`: T is (n, 2 K), see `finetune.loss.set_targets`, and log p the logarithm of the
    sigmoid and of its complement: K binary models with one penalty.

    x : (n, d). targets : T, (n, K), see `finetune.loss.targets`. tolerance : largest slope at the end.
    Cost: about 100 products (n, d) x (d, K); one thread, so that the answer does not depend on the machine's
    load.

    >>> x = np.array([[0.0], [0.2], [0.8], [1.0]])
    >>> a = fit_linear(x, np.eye(2)[[0, 0, 1, 1]], c=10.0)
    >>> softmax(x, a).argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    x, targets = np.asarray(x, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    n_classes, d = targets.shape[1] // (2 if sets else 1), x.shape[1]
    row_weight, total = targets.sum(axis=1), targets.sum()

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        a = flat.reshape(n_classes, d + 1)
        logits = x @ a[:, :d].T + a[:, d]  # (n, K)
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        norm = p.sum(axis=1)
        value = row_weight @ np.log(norm) - np.vdot(targets, logits)
        p *= (row_weight / norm)[:, None]
        p -= targets
        slope = np.empty_like(a)
        slope[:, :d] = p.T @ x + a[:, :d] / c
        slope[:, d] = p.sum(axis=0)
        return (value + np.vdot(a[:, :d], a[:, :d]) / (2 * c)) / total, slope.ravel() / total

    def loss_of_each(flat: np.ndarray) -> tuple[float, np.ndarray]:
        a = flat.reshape(n_classes, d + 1)
        logits = x @ a[:, :d].T + a[:, d]  # (n, K)
        yes, no = targets[:, :n_classes], targets[:, n_classes:]
        value = np.vdot(yes, np.logaddexp(0.0, -logits)) + np.vdot(no, np.logaddexp(0.0, logits))
        p = _sigmoid(logits) * (yes + no) - yes
        slope = np.empty_like(a)
        slope[:, :d] = p.T @ x + a[:, :d] / c
        slope[:, d] = p.sum(axis=0)
        return (value + np.vdot(a[:, :d], a[:, :d]) / (2 * c)) / total, slope.ravel() / total

    with threadpool_limits(1):
        options = {"gtol": tolerance, "ftol": 1e-12, "maxiter": 500, "maxcor": 20}
        start, wanted = np.zeros(n_classes * (d + 1)), loss_of_each if sets else loss
        found = minimize(wanted, start, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x.reshape(n_classes, d + 1))


def probabilities(x: np.ndarray, coefficients: np.ndarray, sets: bool) -> np.ndarray:
    """Return the probabilities (n, K) of one class among all, or with `sets` of each class for itself."""
    return _sigmoid(_logits(x, coefficients)) if sets else softmax(x, coefficients)


def softmax(x: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return the probabilities (n, K) float64 that coefficients (K, d + 1) give to rows (n, d)."""
    logits = _logits(x, coefficients)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _logits(x: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return np.asarray(x, dtype=np.float64) @ coefficients[:, :-1].T + coefficients[:, -1]


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)) without overflow."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1.0 / (1.0 + small), small / (1.0 + small))
