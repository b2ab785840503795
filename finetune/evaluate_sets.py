"""Lists of classes, judged: whether each class is rightly named, and whether whole lists are right."""

from __future__ import annotations

import numpy as np

from finetune import metrics
from finetune.labels import decided


def set_metrics(
    named: np.ndarray, probs: np.ndarray, weights: np.ndarray, n_ranked: int
) -> dict[str, np.ndarray]:
    """Return each metric under each weighting, (B,), and per-class F1 as (B, K).

    named : (n, K) bool. micro_x counts all (row, class) pairs alike, macro_x is the mean over classes with
    rows. accuracy: the whole list is right (subset accuracy, as in
    scikit-learn). log_loss: binary, the mean over rows and classes.
    average_precision: see `metrics.average_precision`; under the first `n_ranked` weightings.
    """
    said = decided(probs, sets=True)
    c = metrics.counts_of(named, said, weights)
    averaged = metrics.from_counts(c)
    hits, support, predicted = (part.sum(axis=1) for part in (c.hits, c.support, c.predicted))
    p = np.clip(np.where(named, probs, 1.0 - probs), 1e-15, 1.0)
    return {
        "micro_f1": metrics.ratio(2 * hits, support + predicted),
        "micro_precision": metrics.ratio(hits, predicted),
        "micro_recall": metrics.ratio(hits, support),
        **{name: averaged[name] for name in ("macro_f1", "macro_precision", "macro_recall", "weighted_f1")},
        "accuracy": metrics.weighted_mean((said == named).all(axis=1), weights),
        "average_precision": metrics.average_precision(named, probs, weights[: max(0, n_ranked)]),
        "log_loss": metrics.weighted_mean(-np.log(p).mean(axis=1), weights),
        "per_class_f1": metrics.ratio(2 * c.hits, c.support + c.predicted),
    }


def set_calibration(named: np.ndarray, probs: np.ndarray) -> list[dict[str, float]]:
    """Return the bins of all (row, class) probabilities that hold any: bounds, number, mean, share named."""
    flat, right = probs.ravel(), named.ravel()
    bins = np.minimum((flat * metrics.BINS).astype(np.int64), metrics.BINS - 1)
    return [
        {"low": b / metrics.BINS, "high": (b + 1) / metrics.BINS, "n": int((bins == b).sum()),
         "confidence": float(flat[bins == b].mean()), "accuracy": float(right[bins == b].mean())}
        for b in range(metrics.BINS) if (bins == b).any()
    ]  # fmt: skip
