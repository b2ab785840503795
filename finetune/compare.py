"""compare: two datasets, one training, the same held-out rows. Is the difference more than chance?

Rows and training runs are crossed: every run predicts every row. The interval resamples both at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from finetune import metrics
from finetune.labels import codes, label_key, present
from finetune.linear import fit_linear, softmax
from finetune.probe import row_features
from finetune.settings import Training
from finetune.train import fit, train_rows, train_targets
from pipeline.dataset import Dataset
from pipeline.modalities import modality
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable

METRICS = ("macro_f1", "accuracy", "balanced_accuracy")


@dataclass(frozen=True, eq=False)
class Replicates:
    """What R training runs predict for n held-out rows: predicted (R, n) int64 codes into `classes` (JSON texts)."""

    row_ids: tuple[str, ...]
    labels: tuple[str, ...]  # JSON
    clusters: tuple[str, ...]  # rows with the same text are one piece of evidence
    classes: tuple[str, ...]  # JSON
    predicted: np.ndarray
    method: str


@dataclass(frozen=True)
class Comparison:
    """Curated minus raw on the same rows. metrics : name -> raw, curated, difference, low, high (95 %).

    verdict : "proved" when the interval of `metric` lies above 0, "harmful" below, else "not proved".
    """

    verdict: str
    metric: str
    metrics: dict[str, dict[str, float]]
    n_rows: int
    n_replicates: int
    n_disagreements: float
    method: str
    because: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values, numbers rounded to 6 decimals."""
        rounded = {name: {k: round(v, 6) for k, v in of.items()} for name, of in self.metrics.items()}
        return {**asdict(self), "metrics": rounded, "n_disagreements": round(self.n_disagreements, 6)}


def compare(raw: Replicates, curated: Replicates, metric: str = "macro_f1", n_boot: int = 1000, seed: int = 0) -> Comparison:
    """Compare run by run on the same rows; run r of both must share its draw or seed.

    Variance: pigeonhole bootstrap, which resamples row clusters and runs independently (Owen, Ann. Appl. Stat. 2007);
    the interval is Student's, with Satterthwaite's degrees of freedom, so few runs make it wide. With one run the
    chance in training itself is not in it. Raises `ValueError` when rows, labels or numbers of runs differ.
    Cost: O(R n_boot n K).
    """
    if raw.row_ids != curated.row_ids or raw.labels != curated.labels:
        raise ValueError("raw and curated were not judged on the same rows with the same labels")
    if len(raw.predicted) != len(curated.predicted):
        raise ValueError(f"raw has {len(raw.predicted)} runs, curated {len(curated.predicted)}")
    classes = sorted({*raw.classes, *curated.classes, *raw.labels})
    place = {c: i for i, c in enumerate(classes)}
    truth = np.array([place[v] for v in raw.labels], dtype=np.int64)
    clusters = np.unique(np.array(raw.clusters, dtype=str), return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    weights = np.vstack([np.ones((1, len(truth)), np.float32), metrics.bootstrap_weights(clusters, n_boot, rng)])
    n_runs = len(raw.predicted)
    run_weights = rng.multinomial(n_runs, np.full(n_runs, 1.0 / n_runs), size=n_boot) / n_runs  # (B, R)
    sides = [_by_run(np.array([place[c] for c in side.classes])[side.predicted], truth, len(classes), weights) for side in (raw, curated)]
    found = {}
    for name in METRICS:
        before, after = sides[0][name], sides[1][name]  # (1 + B, R), the first line without resampling
        found[name] = {"raw": float(before[0].mean()), "curated": float(after[0].mean()),
                       **_interval(after - before, run_weights, int(clusters.max()) + 1)}  # fmt: skip
    chosen = found[metric]
    verdict = "proved" if chosen["low"] > 0 else "harmful" if chosen["high"] < 0 else "not proved"
    names = [np.array(side.classes)[side.predicted] for side in (raw, curated)]
    said = (f"{metric} {chosen['raw']:.3f} on raw, {chosen['curated']:.3f} on curated: "
            f"{chosen['difference']:+.3f} [{chosen['low']:+.3f}, {chosen['high']:+.3f}], {raw.method}, "
            f"{n_runs} paired run{'s' * (n_runs != 1)}, {len(truth):,} rows")  # fmt: skip
    return Comparison(verdict, metric, found, len(truth), n_runs, float((names[0] != names[1]).sum(axis=1).mean()), raw.method, said)


def replicate_predictions(
    data: Dataset, training: Training, engine: Engine, split: str, n_replicates: int = 20, seed: int = 0
) -> Replicates:
    """Train n times and predict the labelled, ingested rows of a split.

    The probe has no randomness of its own: run r weighs each train row by a Poisson(1) draw that is a function of
    (seed, r, root ancestor) only, so raw and curated data share the draws, and a row goes with the rows made from
    it. Methods partial and full: run r has seed `seed + r`, nothing is reweighted.
    Raises `NotApplicable`. Cost: n fits; 20 probes of 1,300 x 384, 5 classes: about 2 s.
    """
    roots = data.roots
    rows = roots.where((roots.splits == split) & present(roots))
    if not rows.n_rows:
        raise NotApplicable(f"split {split!r} has no labelled row to judge on")
    train, classes = train_rows(data)
    if training.method == "probe":
        x, x_new = row_features(train, data, engine), row_features(rows, data, engine)
        predicted = []
        for draw in poisson_draws(train, n_replicates, seed):
            kept = draw > 0
            t = train_targets(train.where(kept), classes, training, (train.weights * draw)[kept])
            predicted.append(softmax(x_new, fit_linear(x[kept], t, training.c, tolerance=1e-4)).argmax(axis=1))
    else:
        predicted = []
        for r in range(n_replicates):
            with TemporaryDirectory() as folder:
                predicted.append(fit(data, training, engine, seed + r, Path(folder)).predict(rows, engine).argmax(axis=1))
    return Replicates(
        tuple(rows.ids), tuple(label_key(v) for v in rows.labels), tuple(modality(rows.modality).identity(rows.content)),
        tuple(label_key(c) for c in classes), np.array(predicted, dtype=np.int64), training.method,
    )  # fmt: skip


def poisson_draws(data: Dataset, n_replicates: int, seed: int) -> np.ndarray:
    """Return Poisson(1) counts (n_replicates, n), a function of seed, replicate and root ancestor.

    A row made from several has the smallest of their counts: it is there only where all of them are.
    """
    ancestors = [list(p) or [i] for i, p in zip(data.ids, data.parents, strict=True)]
    names = sorted({a for of_row in ancestors for a in of_row})
    keys = np.array([int.from_bytes(hashlib.blake2b(f"{seed}:{a}".encode(), digest_size=8).digest(), "big") for a in names], np.uint64)
    place = {a: i for i, a in enumerate(names)}
    first = np.array([place[of_row[0]] for of_row in ancestors])
    several = [(i, [place[a] for a in of_row]) for i, of_row in enumerate(ancestors) if len(of_row) > 1]
    cdf = np.cumsum([np.exp(-1.0) / np.prod(np.arange(1, k + 1, dtype=np.float64)) for k in range(18)])
    out = np.zeros((n_replicates, data.n_rows), dtype=np.int64)
    for r in range(n_replicates):
        uniform = (_mixed(keys + np.uint64(r) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)) / 2.0**53
        counts = np.searchsorted(cdf, uniform, side="right")
        out[r] = counts[first]
        for i, of_row in several:
            out[r, i] = counts[of_row].min()
    return out


def _mixed(x: np.ndarray) -> np.ndarray:
    """Splitmix64's finaliser: (n,) uint64 to well-mixed uint64. Steele, Lea & Flood, OOPSLA 2014."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _by_run(predicted: np.ndarray, truth: np.ndarray, n_classes: int, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return each metric as (1 + B, R): of every run under every weighting of the rows."""
    runs = [metrics.from_counts(metrics.counts(truth, p, n_classes, weights)) for p in predicted]
    return {name: np.stack([run[name] for run in runs], axis=1) for name in METRICS}


def _interval(difference: np.ndarray, run_weights: np.ndarray, n_clusters: int) -> dict[str, float]:
    """Return the difference and its interval from (1 + B, R) differences.

    V = var of the pigeonhole draws + s^2 / R^2, the last because R resampled runs vary (R - 1) / R as much as R runs.
    """
    from scipy.stats import t

    plain, drawn = difference[0], difference[1:]
    n_runs, value = len(plain), float(plain.mean())
    of_runs = float(plain.var(ddof=1)) / n_runs if n_runs > 1 else 0.0
    of_rows = float(drawn.mean(axis=1).var(ddof=1))
    total = float((drawn * run_weights).sum(axis=1).var(ddof=1)) + of_runs / n_runs
    if total == 0.0:
        return {"difference": value, "low": value, "high": value}
    freedom = (of_rows + of_runs) ** 2 / (of_rows**2 / max(1, n_clusters - 1) + of_runs**2 / max(1, n_runs - 1) + 1e-300)
    half = float(t.ppf(0.975, max(1.0, freedom))) * total**0.5
    return {"difference": value, "low": value - half, "high": value + half}


def of_predictions(table: Any, method: str) -> Replicates:
    """Return an evaluation's predictions table as one run, for `compare`."""
    import json

    lists = [json.loads(c) for c in table["classes"].to_pylist()[:1]]
    classes: Sequence[Any] = lists[0] if lists else []
    predicted = codes([json.loads(v) for v in table["predicted"].to_pylist()], classes)
    return Replicates(tuple(table["row_id"].to_pylist()), tuple(table["label"].to_pylist()),
                      tuple(str(c) for c in table["cluster"].to_pylist()), tuple(label_key(c) for c in classes),
                      predicted[None, :], method)  # fmt: skip
