"""evaluate: a model on held-out rows, every headline with an interval, and the groups of rows it fails on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from finetune import metrics
from finetune.evaluate_sets import set_calibration, set_metrics
from finetune.generation.generator import Generator
from finetune.labels import (
    cells_of,
    class_names,
    decided,
    independent,
    label_key,
    membership,
    to_judge,
    truths,
)
from finetune.train import Model
from finetune.weak import SliceResult, exact_interval, weak_slices
from pipeline import slices as slicing
from pipeline.dataset import ROW_ID, Dataset
from pipeline.labels import classes_in, labels_of
from pipeline.modalities import modality
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable

BLOCK_CELLS = 20_000_000  # resamples x rows held at once, 80 MB
AUC_CELLS = 300_000_000  # resamples x rows x classes; above it ROC AUC gets fewer resamples, never under 200


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model does on one split.

    metrics : name -> {"value", "low", "high"} with a 95 % interval, or {"value": None, "why"}. slices : every
    group of rows looked at, the weak ones first. predictions : table of row_id, label, predicted (JSON; of
    votes the majority), cluster, classes (JSON list), probs (K,) float64.
    """

    split: str
    n: int
    method: str
    model: str
    fingerprint: str
    metrics: dict[str, dict[str, Any]]
    per_class: list[dict[str, Any]]
    confusion: dict[str, Any]
    calibration: list[dict[str, float]]
    slices: tuple[SliceResult, ...]
    predictions: pa.Table

    @property
    def weak(self) -> tuple[SliceResult, ...]:
        """The slices that are worse than the rest by more than chance, worst first."""
        return tuple(s for s in self.slices if s.weak)

    def to_json(self) -> dict[str, Any]:
        """Return all but the predictions as plain values, numbers rounded to 6 decimals."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "predictions"}
        return _rounded({**plain, "slices": [s._asdict() for s in self.slices]})

    @classmethod
    def from_json(cls, values: Mapping[str, Any], predictions: pa.Table) -> Evaluation:
        """Return the evaluation that `to_json` wrote, with its table of predictions."""
        slices = tuple(SliceResult(**s) for s in values["slices"])
        return cls(**{**values, "slices": slices, "predictions": predictions})


def evaluate(
    model: Model | Generator,
    data: Dataset,
    split: str,
    engine: Engine,
    slices: Sequence[str] | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Judge `model` on the ingested, labelled rows of a split.

    Intervals are percentiles of a bootstrap over rows, clustered by exact identity. That of the calibration
    error, which resampling inflates, is shifted back by the mean of the inflation. An accuracy of 0 or 1,
    which resampling cannot move, gets the exact binomial one. A label the model never saw counts as always
    missed. Lists of classes get the metrics of `finetune.evaluate_sets` and no confusion matrix. Several
    annotators are judged by their majority; beside, `soft_log_loss` is the mean of -sum_k share_k log p_k and
    `vote_agreement` the share of the votes that say what the model says.

    slices : which groups to look at; by default `pipeline.slices.candidates`.
    Raises `NotApplicable` when the split has no labelled row. Cost: O(n_boot n K).
    """
    if isinstance(model, Generator):
        from finetune.generation.evaluate import evaluate_generator

        return evaluate_generator(model, data, split, engine, slices, n_boot, seed)
    roots = data.roots
    rows = roots.where((roots.splits == split) & to_judge(roots))
    if not rows.n_rows:
        raise NotApplicable(f"split {split!r} has no labelled row to judge on")
    probs, classes = model.predict(rows, engine), list(model.classes)
    known, sets, judged = {label_key(c) for c in classes}, independent(rows), truths(rows)
    unseen = sorted({c for cell in judged for c in classes_in(cell) if label_key(c) not in known})
    classes += unseen
    probs = np.hstack([probs, np.zeros((rows.n_rows, len(unseen)))])  # (n, K)
    truth, predicted = membership(judged, classes), decided(probs, sets)  # (n, K) bool
    identity = modality(rows.modality).identity(rows.content)
    clusters = np.unique(identity.astype(str), return_inverse=True)[1]
    values, draws = _resampled(truth, probs, clusters, n_boot, seed, sets, _of_votes(rows, classes, probs))
    measures = (
        _measures(data, engine) if slices is None or any("<=" in s or ">=" in s for s in slices) else None
    )
    looked_at = slicing.candidates(roots, measures) if slices is None else list(slices)
    aligned = None if measures is None else measures[np.isin(roots.ids, rows.ids)].reset_index(drop=True)
    masks = {name: slicing.mask(name, rows, aligned) for name in looked_at}
    names = class_names(classes)
    return Evaluation(
        split=split, n=rows.n_rows, method=model.method, model=model.describe(), fingerprint=data.fingerprint,
        metrics=_intervals(values, draws, int(clusters.max()) + 1),
        per_class=_per_class(truth, predicted, names, draws["per_class_f1"]),
        confusion={} if sets else {"classes": names, "counts": (truth.T.astype(int) @ predicted).tolist()},
        calibration=set_calibration(truth, probs) if sets
        else metrics.calibration_bins(truth.argmax(axis=1), probs),
        slices=weak_slices(masks, (predicted == truth).all(axis=1)),
        predictions=_predictions(
            rows, judged, classes, probs, cells_of(predicted, classes, sets), clusters
        ),
    )  # fmt: skip


def _measures(data: Dataset, engine: Engine) -> pd.DataFrame:
    frame: pd.DataFrame = engine.signals(data)["measures"]
    return frame.reset_index(drop=True)


def _of_votes(rows: Dataset, classes: list[Any], probs: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is averaged over the rows beside, (n,) each: nothing where nobody voted."""
    labels = labels_of(rows, classes)
    if labels.shape != "votes":
        return {}
    soft = -(labels.targets * np.log(np.clip(probs, 1e-15, 1.0))).sum(axis=1)
    return {"soft_log_loss": soft, "vote_agreement": (labels.targets * decided(probs, False)).sum(axis=1)}


def _resampled(
    truth: np.ndarray, probs: np.ndarray, clusters: np.ndarray, n_boot: int, seed: int, sets: bool,
    means: Mapping[str, np.ndarray],
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return each metric's value and its (B,) values under resampling; per-class F1 as (B, K)."""
    n, n_classes = probs.shape
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // n)
    n_auc = min(n_boot, max(200, AUC_CELLS // (n * n_classes)))
    every = set_metrics if sets else _all

    def measured(weights: np.ndarray, n_ranked: int) -> dict[str, np.ndarray]:
        beside = {name: metrics.weighted_mean(of, weights) for name, of in means.items()}
        return {**every(truth, probs, weights, n_ranked), **beside}

    plain = measured(np.ones((1, n), dtype=np.float32), 1)
    parts = []
    for start in range(0, n_boot, block):
        weights = metrics.bootstrap_weights(clusters, min(block, n_boot - start), rng)
        parts.append(measured(weights, n_auc - start))
    draws = {name: np.concatenate([part[name] for part in parts]) for name in plain}
    return {name: float(v[0]) for name, v in plain.items() if v.ndim == 1}, draws


def _all(truth: np.ndarray, probs: np.ndarray, weights: np.ndarray, n_auc: int) -> dict[str, np.ndarray]:
    c = metrics.counts_of(truth, decided(probs, False), weights)
    codes = truth.argmax(axis=1)
    return {
        **metrics.from_counts(c),
        "roc_auc": metrics.roc_auc(codes, probs, weights[: max(0, n_auc)]),
        "ece": metrics.calibration_error(codes, probs, weights),
        "log_loss": metrics.log_loss(codes, probs, weights),
        "per_class_f1": metrics.ratio(2 * c.hits, c.support + c.predicted),
    }


def _intervals(
    values: dict[str, float], draws: dict[str, np.ndarray], n_clusters: int
) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if np.isnan(value):
            out[name] = {"value": None, "low": None, "high": None, "why": "the rows hold one class only"}
            continue
        drawn = draws[name] - (draws[name].mean() - value if name == "ece" else 0.0)
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        if name == "accuracy" and value in (0.0, 1.0):
            low, high = exact_interval(round(value * n_clusters), n_clusters)
        out[name] = {"value": value, "low": max(0.0, float(low)), "high": float(high)}
    return out


def _per_class(
    truth: np.ndarray, predicted: np.ndarray, names: list[str], f1_draws: np.ndarray
) -> list[dict[str, Any]]:
    c = metrics.counts_of(truth, predicted, np.ones((1, len(truth))))
    out = []
    for k, name in enumerate(names):
        hits, support, n_predicted = (int(part[0, k]) for part in (c.hits, c.support, c.predicted))
        f1 = metrics.ratio(2 * c.hits, c.support + c.predicted)[0, k]
        row: dict[str, Any] = {"class": name, "support": support, "predicted": n_predicted}
        for metric, whole in (("precision", n_predicted), ("recall", support)):
            low, high = exact_interval(hits, whole) if whole else (0.0, 1.0)
            row[metric] = {"value": hits / whole if whole else None, "low": low, "high": high}
        low, high = np.quantile(f1_draws[:, k], [0.025, 0.975])
        out.append({**row, "f1": {"value": float(f1), "low": float(low), "high": float(high)}})
    return out


def _predictions(
    rows: Dataset, judged: list[Any], classes: list[Any], probs: np.ndarray, said: list[Any],
    clusters: np.ndarray,
) -> pa.Table:
    n = rows.n_rows
    return pa.table({
        ROW_ID: pa.array(list(rows.ids), pa.large_string()),
        "label": pa.array([label_key(v) for v in judged], pa.large_string()),
        "predicted": pa.array([label_key(v) for v in said], pa.large_string()),
        "cluster": pa.array(clusters, pa.int64()),
        "classes": pa.array([label_key(classes)] * n, pa.large_string()),
        "probs": pa.FixedSizeListArray.from_arrays(pa.array(probs.ravel(), pa.float64()), probs.shape[1]),
    })  # fmt: skip


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    return round(float(value), 6) if isinstance(value, (float, np.floating)) else value
