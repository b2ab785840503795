"""Metrics of a classifier under many row weightings at once: counts and products, no loop over resamples.

Every function takes `weights` (B, n), how often each row counts in each of B resamples; one line of ones
gives the plain metric. Classes that have no row in a resample are left out of its averages.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BINS = 15  # equal-width bins of the top probability in the calibration error; Guo et al., ICML 2017


class Counts(NamedTuple):
    """Per resample and class, (B, K) float64: rows of the class, rows predicted as it, rows that are both."""

    support: np.ndarray
    predicted: np.ndarray
    hits: np.ndarray


def bootstrap_weights(clusters: np.ndarray, n_boot: int, rng: np.random.Generator) -> np.ndarray:
    """Draw whole clusters of rows with replacement; returns (n_boot, n) float32 counts.

    clusters : (n,) codes 0 ... C - 1; rows of one cluster stay together (exact copies are one piece of
        evidence).

    >>> bootstrap_weights(np.array([0, 0, 1]), 2, np.random.default_rng(0)).shape
    (2, 3)
    """
    n_clusters = int(clusters.max()) + 1
    drawn = rng.multinomial(n_clusters, np.full(n_clusters, 1.0 / n_clusters), size=n_boot)
    return drawn.astype(np.float32)[:, clusters]


def counts(truth: np.ndarray, predicted: np.ndarray, n_classes: int, weights: np.ndarray) -> Counts:
    """Count per class. truth, predicted : (n,) class codes. Cost: three products (B, n) x (n, K)."""
    eye = np.eye(n_classes, dtype=weights.dtype)
    return counts_of(eye[truth], eye[predicted], weights)


def counts_of(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> Counts:
    """Count per class. truth, predicted : (n, K), the classes of each row, one or several."""
    of_truth, of_predicted = truth.astype(weights.dtype), predicted.astype(weights.dtype)
    parts = (of_truth, of_predicted, of_truth * of_predicted)
    return Counts(*((weights @ part).astype(np.float64) for part in parts))


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=whole > 0)


def from_counts(c: Counts) -> dict[str, np.ndarray]:
    """Return accuracy, balanced accuracy and the averaged precision, recall and F1, each (B,).

    macro_x = mean of x over classes with rows; weighted_x = mean weighted by rows. balanced_accuracy = macro
    recall. As in scikit-learn with `zero_division=0`, when every predicted class has a row.
    """
    n = c.support.sum(axis=1)
    present = c.support > 0
    per_class = {
        "precision": ratio(c.hits, c.predicted),
        "recall": ratio(c.hits, c.support),
        "f1": ratio(2 * c.hits, c.support + c.predicted),
    }
    out = {"accuracy": ratio(c.hits.sum(axis=1), n), "balanced_accuracy": _mean(per_class["recall"], present)}
    for name, values in per_class.items():
        out[f"macro_{name}"] = _mean(values, present)
        out[f"weighted_{name}"] = ratio((values * c.support).sum(axis=1), n)
    return out


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean of values (n,) under each weighting, (B,)."""
    return np.asarray(weights @ values.astype(np.float64) / weights.sum(axis=1))


def log_loss(truth: np.ndarray, probs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of -log p(truth), natural logarithm, p at least 1e-15; (B,)."""
    own = -np.log(np.clip(probs[np.arange(len(truth)), truth], 1e-15, 1.0))
    return (weights @ own) / weights.sum(axis=1)


def calibration_error(truth: np.ndarray, probs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Expected calibration error of the top probability over 15 bins, in [0, 1]; (B,).

    ECE = sum over bins of |rows right - sum of confidences| / n. Guo et al., ICML 2017.
    """
    confidence, right, bins = top_label(truth, probs)
    gap = np.eye(BINS)[bins] * (right - confidence)[:, None]  # (n, bins)
    return np.abs(weights @ gap).sum(axis=1) / weights.sum(axis=1)


def calibration_bins(truth: np.ndarray, probs: np.ndarray) -> list[dict[str, float]]:
    """Return the bins that hold rows: bounds, number of rows, mean confidence, accuracy."""
    confidence, right, bins = top_label(truth, probs)
    return [
        {"low": b / BINS, "high": (b + 1) / BINS, "n": int((bins == b).sum()),
         "confidence": float(confidence[bins == b].mean()), "accuracy": float(right[bins == b].mean())}
        for b in range(BINS) if (bins == b).any()
    ]  # fmt: skip


def top_label(truth: np.ndarray, probs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each row's top probability, whether the top class is right (0 or 1), and its bin."""
    confidence = probs.max(axis=1)
    right = (probs.argmax(axis=1) == truth).astype(np.float64)
    return confidence, right, np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def roc_auc(truth: np.ndarray, probs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Macro one-against-rest area under the ROC curve, ties counted half; (B,), NaN where fewer than 2
    classes are left.

    Mean over the classes that have rows. Cost: O(K B n) after one sort a class.
    """
    n_classes = probs.shape[1]
    total, used = np.zeros(len(weights)), np.zeros(len(weights))
    for k in range(n_classes):
        positive = truth == k
        if not positive.any() or positive.all():
            continue
        order = np.argsort(probs[:, k], kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(probs[order, k]) > 0])  # first row of each tie
        sorted_weights = weights[:, order]
        up = np.add.reduceat(sorted_weights * positive[order], starts, axis=1, dtype=np.float64)  # (B, ties)
        down = np.add.reduceat(sorted_weights * ~positive[order], starts, axis=1, dtype=np.float64)
        pairs = up.sum(axis=1) * down.sum(axis=1)
        won = (up * (np.cumsum(down, axis=1) - down / 2)).sum(axis=1)
        total += ratio(won, pairs)
        used += pairs > 0
    return np.divide(total, used, out=np.full(len(weights), np.nan), where=used > 0)


def average_precision(named: np.ndarray, probs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Macro average precision of sets, (B,): the mean over classes that have rows, NaN where none has.

    AP = sum over the rows of a class, most probable first, of the precision up to there / their number;
    rows of equal probability count as one step. named : (n, K) bool. Cost: O(K B n).
    """
    total, used = np.zeros(len(weights)), np.zeros(len(weights))
    for k in np.flatnonzero(named.any(axis=0)):
        order = np.argsort(-probs[:, k], kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(probs[order, k]) < 0])
        hits = np.add.reduceat(weights[:, order] * named[order, k], starts, axis=1, dtype=np.float64)
        seen = np.add.reduceat(weights[:, order], starts, axis=1, dtype=np.float64)
        precision = ratio(np.cumsum(hits, axis=1), np.cumsum(seen, axis=1))
        rows = hits.sum(axis=1)
        total += ratio((precision * hits).sum(axis=1), rows)
        used += rows > 0
    return np.divide(total, used, out=np.full(len(weights), np.nan), where=used > 0)


def _mean(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    return ratio((values * present).sum(axis=1), present.sum(axis=1).astype(np.float64))
