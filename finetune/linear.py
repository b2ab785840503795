"""The probe's linear model: multinomial logistic regression on weighted, soft targets."""

from __future__ import annotations

import numpy as np


def fit_linear(x: np.ndarray, targets: np.ndarray, c: float, tolerance: float = 1e-5) -> np.ndarray:
    """Return the coefficients (K, d + 1), the bias last.

    Minimises  (1 / W) (sum_ik -T_ik log p_ik + |A|^2 / (2 c)),  W = sum of T, the bias not penalised: for
    hard, unit targets this is scikit-learn's `LogisticRegression(C=c)`. A class without weight gets what the
    penalty leaves.

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
    n_classes, d = targets.shape[1], x.shape[1]
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

    with threadpool_limits(1):
        options = {"gtol": tolerance, "ftol": 1e-12, "maxiter": 500, "maxcor": 20}
        found = minimize(loss, np.zeros(n_classes * (d + 1)), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x.reshape(n_classes, d + 1))


def softmax(x: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return the probabilities (n, K) float64 that coefficients (K, d + 1) give to rows (n, d)."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        logits = np.asarray(x, dtype=np.float64) @ coefficients[:, :-1].T + coefficients[:, -1]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))
