"""Weak slices of a generator: groups of rows whose answers it finds harder to say than the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from finetune.weak import ALPHA, FEWEST_ROWS, SliceResult, holm

METRIC = "token probability"


def hard_slices(masks: Mapping[str, np.ndarray], nats: np.ndarray) -> tuple[SliceResult, ...]:
    """Compare each slice with the rest of the rows; weak ones first, then by value, lowest first.

    masks : slice -> (n,) bool. nats : (n,) mean -log p of each row's answer tokens.
    value = exp(-mean of nats), the geometric mean probability of a token, in [0, 1]; its interval is
    Student's. A slice is weak when the rank-sum test, one-sided, says that its nats are higher than the
    rest's (Mann & Whitney 1947), Holm-corrected over the slices with at least 10 rows inside and outside.

    >>> inside = np.arange(60) < 20
    >>> [s.slice for s in hard_slices({"source=a": inside}, np.where(inside, 2.0, 1.0)) if s.weak]
    ['source=a']
    """
    from scipy.stats import mannwhitneyu

    n = len(nats)
    sized = {name: mask for name, mask in masks.items() if FEWEST_ROWS <= mask.sum() <= n - FEWEST_ROWS}
    p = {
        name: float(mannwhitneyu(nats[mask], nats[~mask], alternative="greater").pvalue)
        for name, mask in sized.items()
    }
    corrected = holm(p)
    results = [_result(name, mask, nats, corrected[name]) for name, mask in sized.items()]
    return tuple(sorted(results, key=lambda r: (not r.weak, r.value, r.slice)))


def _result(name: str, mask: np.ndarray, nats: np.ndarray, p: float) -> SliceResult:
    from scipy.stats import t

    own, n = nats[mask], int(mask.sum())
    half = float(t.ppf(0.975, n - 1)) * float(own.std(ddof=1)) / n**0.5
    mean, rest = float(own.mean()), float(np.exp(-nats[~mask].mean()))
    value, low, high = (float(np.exp(-x)) for x in (mean, mean + half, max(0.0, mean - half)))
    weak = p < ALPHA
    said = f"{name}: {METRIC} {value:.2f} [{low:.2f}, {high:.2f}] on {n} rows against {rest:.2f} elsewhere"
    told = f", p = {p:.2g} after correction" if weak else f", which chance explains (p = {p:.2g})"
    return SliceResult(name, METRIC, n, value, low, high, rest, p, weak, said + told)
