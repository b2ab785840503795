"""Weak slices: groups of held-out rows on which a model is worse than elsewhere, by more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.findings import Edit, Findings

if TYPE_CHECKING:
    from finetune.evaluate import Evaluation

ALPHA = 0.05  # chance that any slice of an evaluation is called weak when none is
FEWEST_ROWS = 10  # a slice, and the rest, need as many


class SliceResult(NamedTuple):
    """One slice, judged. `low`, `high`: exact 95 % interval. `p`: after Holm's correction over all slices."""

    slice: str
    metric: str  # recall for label slices, else accuracy
    n: int
    value: float
    low: float
    high: float
    rest: float
    p: float
    weak: bool
    because: str


def weak_slices(masks: Mapping[str, np.ndarray], right: np.ndarray) -> tuple[SliceResult, ...]:
    """Compare each slice with the rest of the rows; weak ones first, then by value, lowest first.

    masks : slice -> (n,) bool. right : (n,) bool, whether each row was classified rightly.
    A slice is weak when Fisher's exact one-sided test says that it holds more of the errors than its size
    explains, Holm-corrected over the slices with at least 10 rows inside and outside (Holm, Scand. J.
    Statist. 1979).

    >>> inside = np.arange(200) < 50
    >>> right = np.arange(200) >= 25
    >>> [s.slice for s in weak_slices({"label=a": inside, "label=b": ~inside}, right) if s.weak]
    ['label=a']
    """
    from scipy.stats import hypergeom

    n, n_wrong = len(right), int((~right).sum())
    sized = {name: mask for name, mask in masks.items() if FEWEST_ROWS <= mask.sum() <= n - FEWEST_ROWS}
    p = {
        name: float(hypergeom.sf((mask & ~right).sum() - 1, n, n_wrong, mask.sum()))
        for name, mask in sized.items()
    }
    corrected = holm(p)
    results = [_result(name, mask, right, corrected[name]) for name, mask in sized.items()]
    return tuple(sorted(results, key=lambda r: (not r.weak, r.value, r.slice)))


def findings(evaluation: Evaluation) -> Findings:
    """Return the weak slices as findings on the whole dataset, `issue` underperforming_group."""
    edits = [Edit(None, "underperforming_group", s.value, "flag", s.because) for s in evaluation.weak]
    weak = [s.slice for s in evaluation.weak]
    return Findings.of(
        "evaluation", edits, metrics={"weak_slices": weak, "slices_examined": len(evaluation.slices)}
    )


def exact_interval(hits: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a proportion; Clopper & Pearson, Biometrika 1934.

    >>> [round(v, 3) for v in exact_interval(0, 59)]
    [0.0, 0.061]
    """
    from scipy.stats import beta

    low = float(beta.ppf(0.025, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for their number, in the order given."""
    out, worst = {}, 0.0
    for i, name in enumerate(sorted(p, key=lambda s: (p[s], s))):
        worst = max(worst, min(1.0, p[name] * (len(p) - i)))
        out[name] = worst
    return out


def _result(name: str, mask: np.ndarray, right: np.ndarray, p: float) -> SliceResult:
    metric = "recall" if name.startswith("label=") else "accuracy"
    n, hits = int(mask.sum()), int((mask & right).sum())
    value, rest = hits / n, float(right[~mask].mean())
    low, high = exact_interval(hits, n)
    weak = p < ALPHA
    said = f"{name}: {metric} {value:.2f} [{low:.2f}, {high:.2f}] on {n} rows against {rest:.2f} elsewhere"
    because = (
        f"{said}, p = {p:.2g} after correction" if weak else f"{said}, which chance explains (p = {p:.2g})"
    )
    return SliceResult(name, metric, n, value, low, high, rest, p, weak, because)
