"""Rows that belong to no class: off-topic, foreign, broken."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.dataset import Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.hashing import cell_json
from pipeline.labels import labels_of
from pipeline.signals.engine import Signals
from pipeline.stage import NotApplicable, Stage


class Anomalies(Stage, frozen=True):
    """Rows far from every class and far from their neighbours, in embedding space.

    c(i) = cosine distance of row i to the nearest class centre, d(i) = mean cosine distance to its k nearest
    train rows; both as robust z = (x - median) / (1.4826 MAD) over the train rows, and z(i) their mean. The
    centres see what a group of outliers hides from its neighbours, the neighbours what a class with several
    modes hides from its centre. score(i) = 0.5 ** (max(z, 0) / cut), so that a row is an outlier below 0.5.
    Ramaswamy, Rastogi & Shim, SIGMOD 2000; Lee et al., NeurIPS 2018.
    Cost: that of `neighbors`, plus O(n K d).
    """

    name = "anomalies"
    needs: ClassVar[tuple[str, ...]] = ("embeddings", "neighbors")
    actions: ClassVar[tuple[Action, ...]] = ("flag", "drop")

    cut: float = Field(2.5, gt=0, description="robust z above which a row is an outlier")
    action: Literal["flag", "drop"] = "flag"
    min_rows: int = Field(20, ge=5, description="train rows below which nothing can be said")

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Score every row and flag or drop the outliers."""
        n_train = int(data.is_train.sum())
        if n_train < self.min_rows:
            raise NotApplicable(f"{n_train} train rows, fewer than min_rows={self.min_rows}")
        vectors = _unit(signals["embeddings"])
        centres, names = _centres(vectors, data)
        similarity = vectors @ centres.T  # (n, K)
        nearest = similarity.argmax(axis=1)
        neighbors = signals["neighbors"]
        far = np.where(np.isfinite(neighbors.distance), neighbors.distance, np.nan)
        to_centre, to_rows = 1.0 - similarity.max(axis=1), np.nanmean(far, axis=1)
        z = (_robust_z(to_centre, data.is_train) + _robust_z(to_rows, data.is_train)) / 2
        score = np.round(0.5 ** (np.maximum(z, 0.0) / self.cut), 6)
        edits = []
        for i in np.flatnonzero(z > self.cut):
            action: Action = self.action if data.is_train[i] else "flag"
            because = (
                f"cosine distance {to_centre[i]:.2f} to the nearest class ({names[nearest[i]]}) and "
                f"{to_rows[i]:.2f} to its nearest rows: {z[i]:.1f} robust deviations out, "
                f"above cut={self.cut:g}"
            )
            related = [data.ids[j] for j in neighbors.index[i, :3] if j >= 0]
            edits.append(Edit(data.ids[i], "outlier", float(score[i]), action, because, related=related))
        return Findings.of(self.name, edits, [("outlier", data.ids, score)], metrics={"cut_score": 0.5})


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors, dtype=np.float64) / np.where(length > 0, length, 1.0)


def _centres(vectors: np.ndarray, data: Dataset) -> tuple[np.ndarray, list[str]]:
    """Return the unit mean of each class's train rows, (K, d), and one of the rows of no class.

    A row counts in every class that its label names, by its share of the votes where there are several.
    """
    try:
        labels = labels_of(data)
        targets, names = labels.targets[data.is_train], [cell_json(c) for c in labels.classes]
    except NotApplicable:
        targets, names = np.zeros((int(data.is_train.sum()), 0)), []
    targets = np.column_stack([targets, targets.sum(axis=1) == 0])  # (n, K + 1)
    present = targets.sum(axis=0) > 0
    sums = targets[:, present].T @ vectors[data.is_train]
    return _unit(sums), [n for n, p in zip([*names, "all rows"], present, strict=True) if p]


def _robust_z(values: np.ndarray, is_train: np.ndarray) -> np.ndarray:
    median = np.median(values[is_train])
    spread = 1.4826 * np.median(np.abs(values[is_train] - median))
    return (values - median) / max(float(spread), 1e-9)
