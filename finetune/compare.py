"""compare: two datasets, one training, the same held-out rows. Is the difference more than chance?

Rows and training runs are crossed: every run predicts every row. The interval resamples both at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from finetune import metrics
from finetune.labels import label_key, membership
from finetune.replicates import Replicates

POINTS = "points"
LEAST_RUNS = 3  # a side, below which the chance in training is unknown and nothing can be proved
METRICS = ("macro_f1", "accuracy", "balanced_accuracy")


@dataclass(frozen=True)
class Comparison:
    """Curated minus raw on the same rows: `difference` of `metric` with its 95 % interval.

    verdict : "proved" when the interval lies above 0, "harmful" below, else "not proved"; that too with fewer
        than 3 runs a side, whose interval lacks the chance in training.
    unit : "points" when the metric is a share and more is better, else what the numbers are in; then less is.
    also : the other metrics, each raw, curated, difference, low, high; the verdict is not theirs.
    disagreements : rows on which raw and curated differ, the mean over runs.
    """

    verdict: str
    metric: str
    raw: float
    curated: float
    difference: float
    low: float
    high: float
    also: dict[str, dict[str, float]]
    method: str
    replicates: int
    rows: int
    disagreements: float
    because: str
    unit: str = POINTS

    def to_json(self) -> dict[str, Any]:
        """Return plain values, numbers rounded to 6 decimals."""
        also = {name: {k: round(v, 6) for k, v in of.items()} for name, of in self.also.items()}
        plain = {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return {**plain, "also": also}


def compare(
    raw: Replicates, curated: Replicates, metric: str = "macro_f1", n_boot: int = 1000, seed: int = 0
) -> Comparison:
    """Compare run by run on the same rows; run r of both must share its draw or seed.

    Variance: pigeonhole bootstrap, which resamples clusters of rows and runs independently (Owen, Ann. Appl.
    Stat. 2007); the interval is Student's, with Satterthwaite's degrees of freedom, so few runs make it wide.
    With one run the chance in training itself is not in it.
    Raises `ValueError` when rows, labels or numbers of runs differ. Cost: O(R n_boot n K).
    """
    if raw.row_ids != curated.row_ids or raw.labels != curated.labels:
        raise ValueError("raw and curated were not judged on the same rows with the same labels")
    if len(raw.predicted) != len(curated.predicted):
        raise ValueError(f"raw has {len(raw.predicted)} runs, curated {len(curated.predicted)}")
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r} is none of {', '.join(METRICS)}")
    classes = sorted({*raw.classes, *curated.classes, *raw.labels})
    member = _member(classes)
    truth, before, after = (_codes(part, classes) for part in (raw.labels, raw, curated))
    clusters = np.unique(np.array(raw.clusters, dtype=str), return_inverse=True)[1]
    n_runs, n_rows = before.shape
    rng = np.random.default_rng(seed)
    ones = np.ones((1, n_rows), dtype=np.float32)
    weights = np.vstack([ones, metrics.bootstrap_weights(clusters, n_boot, rng)])  # (1 + B, n)
    run_weights = rng.multinomial(n_runs, np.full(n_runs, 1.0 / n_runs), size=n_boot) / n_runs  # (B, R)
    sides = [_by_run(predicted, truth, member, weights) for predicted in (before, after)]
    found = {}
    for name in METRICS:
        one, two = sides[0][name], sides[1][name]  # (1 + B, R), the first line without resampling
        means = {"raw": float(one[0].mean()), "curated": float(two[0].mean())}
        found[name] = {**means, **interval(two - one, run_weights, int(clusters.max()) + 1)}
    chosen = found.pop(metric)
    verdict = verdict_of(chosen, n_runs)
    runs = f"{n_runs} paired run{'s' * (n_runs != 1)} of method {raw.method}"
    because = (
        f"{metric} {chosen['raw']:.3f} on raw, {chosen['curated']:.3f} on curated: "
        f"{chosen['difference']:+.3f} [{chosen['low']:+.3f}, {chosen['high']:+.3f}], "
        f"{runs} on {n_rows:,} rows: {verdict}{too_few(n_runs)}"
    )
    return Comparison(
        verdict=verdict, metric=metric, unit=POINTS, **chosen, also=found, method=raw.method,
        replicates=n_runs, rows=n_rows, because=because,
        disagreements=float((before != after).sum(axis=1).mean()),
    )  # fmt: skip


def verdict_of(found: Mapping[str, float], n_runs: int, less_is_better: bool = False) -> str:
    """Return what an interval allows to say.

    >>> verdict_of({"low": 0.01, "high": 0.05}, 20), verdict_of({"low": 0.01, "high": 0.05}, 1)
    ('proved', 'not proved')
    """
    low, high = (-found["high"], -found["low"]) if less_is_better else (found["low"], found["high"])
    if n_runs < LEAST_RUNS:
        return "not proved"
    return "proved" if low > 0 else "harmful" if high < 0 else "not proved"


def too_few(n_runs: int) -> str:
    """Return why so few runs prove nothing, "" where they are enough."""
    return "" if n_runs >= LEAST_RUNS else f", since fewer than {LEAST_RUNS} runs a side prove nothing"


def effect(comparison: Mapping[str, Any]) -> str:
    """Return a comparison's difference and interval in words.

    >>> effect({"metric": "accuracy", "difference": 0.02, "low": -0.01, "high": 0.05})
    'accuracy +2.0 points [-1.0, +5.0]'
    >>> effect({"metric": "loss", "difference": -0.2, "low": -0.3, "high": -0.1, "unit": "nats"})
    'loss -0.200 [-0.300, -0.100] nats, less is better'
    """
    numbers = [comparison[k] for k in ("difference", "low", "high")]
    unit = comparison.get("unit", POINTS)
    if unit == POINTS:
        value, low, high = (f"{100 * number:+.1f}" for number in numbers)
        return f"{comparison['metric']} {value} points [{low}, {high}]"
    value, low, high = (f"{number:+.3f}" for number in numbers)
    return f"{comparison['metric']} {value} [{low}, {high}] {unit}, less is better"


def _codes(what: Replicates | tuple[str, ...], classes: list[str]) -> np.ndarray:
    """Return labels (n,) or predictions (R, n) as places in `classes`."""
    place = {c: i for i, c in enumerate(classes)}
    if isinstance(what, Replicates):
        return np.array([place[c] for c in what.classes], dtype=np.int64)[what.predicted]
    return np.array([place[v] for v in what], dtype=np.int64)


def _member(cells: list[str]) -> np.ndarray:
    """Return which class each label cell, as JSON, names, (C, K) bool: itself, or the items of a list."""
    read = [json.loads(cell) for cell in cells]
    named = [cell if isinstance(cell, list) else [cell] for cell in read]
    return membership(named, sorted({c for row in named for c in row}, key=label_key))


def _by_run(
    predicted: np.ndarray, truth: np.ndarray, member: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Return each metric as (1 + B, R): of every run under every weighting of the rows.

    Of sets the accuracy is that of whole sets.
    """
    runs = []
    for p in predicted:
        found = metrics.from_counts(metrics.counts_of(member[truth], member[p], weights))
        runs.append({**found, "accuracy": metrics.weighted_mean(truth == p, weights)})
    return {name: np.stack([run[name] for run in runs], axis=1) for name in METRICS}


def interval(difference: np.ndarray, run_weights: np.ndarray, n_clusters: int) -> dict[str, float]:
    """Return the difference and its interval from (1 + B, R) differences.

    V = variance of the pigeonhole draws + s^2 / R^2, with s^2 / R the variance that runs give the mean: R
    resampled runs vary by only (R - 1) / R of that.
    """
    from scipy.stats import t

    plain, drawn = difference[0], difference[1:]
    n_runs, value = len(plain), float(plain.mean())
    of_runs = float(plain.var(ddof=1)) / n_runs if n_runs > 1 else 0.0
    of_rows = float(drawn.mean(axis=1).var(ddof=1))
    total = float((drawn * run_weights).sum(axis=1).var(ddof=1)) + of_runs / n_runs
    if of_rows + of_runs == 0.0:
        return {"difference": value, "low": value, "high": value}
    parts = of_rows**2 / max(1, n_clusters - 1) + of_runs**2 / max(1, n_runs - 1)
    half = float(t.ppf(0.975, max(1.0, (of_rows + of_runs) ** 2 / parts))) * total**0.5
    return {"difference": value, "low": value - half, "high": value + half}
