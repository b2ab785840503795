"""Doubts: how much out-of-sample probabilities contradict each train row's label, whatever its shape.

gap = p(what would be right instead) - p(what is given), in [-1, 1]: of one class against another; of a class
being there against its not being there, the worst class of a set, whose many classes are as many chances to
look wrong; of one consensus against another where several annotators voted (`pipeline.consensus`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.dataset import Dataset
from pipeline.labels import Labels, labels_of
from pipeline.signals.pred_probs import PredProbs
from pipeline.stage import NotApplicable


@dataclass(frozen=True, eq=False)
class Doubts:
    """What can be said of m train rows.

    rows : (m,) positions. gap, p_given, p_right : (m,) float64. confident : (m,) bool, whether cleanlab's
        filter finds the row. right : label cell that would be right instead, of a line. why : the sentence of
        a line. scores : further issues' scores, (m,) each. metrics : for the summary.
    """

    rows: np.ndarray
    gap: np.ndarray
    p_given: np.ndarray
    p_right: np.ndarray
    confident: np.ndarray
    right: Callable[[int], Any]
    why: Callable[[int], str]
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)


def doubts_of(data: Dataset, predicted: PredProbs, margin: float) -> Doubts:
    """Return the doubts about the labels of train rows.

    margin : of a set, the classes with at least half of this gap are put right together.
    Raises `NotApplicable` where the probabilities speak of no labelled train row.
    """
    labels = labels_of(data, predicted.classes)
    spoken_of = labels.known if labels.shape == "set" else labels.codes >= 0
    rows = np.flatnonzero(data.is_train & spoken_of)
    if not len(rows):
        raise NotApplicable("no labelled train row that the probabilities speak of")
    part, probs = labels.where(rows), predicted.probs[rows]
    if part.shape == "set":
        return _of_sets(rows, part, probs, margin)
    if part.shape == "votes":
        from pipeline.consensus import doubts_of_votes

        return doubts_of_votes(data, rows, part, probs)
    return _of_classes(rows, part, probs)


def _of_classes(rows: np.ndarray, labels: Labels, probs: np.ndarray) -> Doubts:
    given, classes = labels.codes, labels.classes
    gap, best = margins(probs, given)

    def why(k: int) -> str:
        own, other, p = classes[given[k]], classes[best[k]], probs[k]
        return f"labelled {own}, but {other} has probability {p[best[k]]:.2f} and {own} {p[given[k]]:.2f}"

    line = np.arange(len(rows))
    return Doubts(rows, gap, probs[line, given], probs[line, best], _confident_learning(probs, given),
                  lambda k: classes[best[k]], why)  # fmt: skip


def margins(probs: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return p(best other class) - p(given), in [-1, 1], and the most probable class, both (m,)."""
    own = probs[np.arange(len(given)), given]
    others = probs.copy()
    others[np.arange(len(given)), given] = -1.0
    gap = others.max(axis=1) - own
    return gap, np.where(gap > 0, others.argmax(axis=1), given)


def _of_sets(rows: np.ndarray, labels: Labels, probs: np.ndarray, margin: float) -> Doubts:
    """p(given) = p of a class that is named, else 1 - p; the odds of being wrong are divided by K / 2."""
    named = labels.targets > 0.5
    p_given = np.where(named, probs, 1.0 - probs)  # (m, K)
    chances = max(named.shape[1] / 2, 1.0)
    gaps = (1.0 - p_given - chances * p_given) / (1.0 - p_given + chances * p_given)
    worst, line = gaps.argmax(axis=1), np.arange(len(rows))
    flipped = (gaps > 0) & (gaps >= margin / 2)
    flipped[line, worst] |= gaps[line, worst] > 0
    p_right = np.where(flipped, 1.0 - p_given, 1.0).min(axis=1)

    def why(k: int) -> str:
        order = sorted(np.flatnonzero(flipped[k]), key=lambda j: (-gaps[k, j], j)) or [worst[k]]
        said = [f"{labels.classes[j]} is {'named' if named[k, j] else 'not named'} and has probability "
                f"{probs[k, j]:.2f}" for j in order[:3]]  # fmt: skip
        return f"labelled {labels.cell(labels.targets[k])}, but {'; '.join(said)}"

    return Doubts(rows, gaps[line, worst], p_given[line, worst], p_right, _confident_sets(probs, named),
                  lambda k: labels.cell((named[k] ^ flipped[k]).astype(float)), why)  # fmt: skip


def _confident_learning(probs: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return what cleanlab's default filter flags, (m,) bool."""
    from cleanlab.filter import find_label_issues

    present = np.unique(given)
    if len(present) < 2:
        return np.zeros(len(given), dtype=bool)
    codes = np.searchsorted(present, given)
    part = probs[:, present]
    part = part / np.maximum(part.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray(find_label_issues(codes, part, n_jobs=1))


def _confident_sets(probs: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Return the rows with a class that cleanlab's filter flags, class by class, (m,) bool."""
    from cleanlab.filter import find_label_issues

    out = np.zeros(len(probs), dtype=bool)
    for k in np.flatnonzero(named.any(axis=0) & ~named.all(axis=0)):
        both = np.column_stack([1.0 - probs[:, k], probs[:, k]])
        out |= np.asarray(find_label_issues(named[:, k].astype(int), both, n_jobs=1))
    return out
