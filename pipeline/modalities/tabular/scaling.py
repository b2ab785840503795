"""Scaling of numbers: fitted on train rows, kept as JSON, applied when a model reads and never to cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

MOST_DEVIATIONS = 10.0  # a number further out counts as this far
SCALINGS: dict[str, str] = {
    "robust": "numbers in robust deviations from the median, categories one-hot",
    "standard": "numbers in standard deviations from the mean, categories one-hot",
    "minmax": "numbers in shares of the train range, categories one-hot",
    "quantile": "numbers by their rank among the train rows, as normal deviates, categories one-hot",
}


def scaled(values: np.ndarray, learnt: Mapping[str, Any], how: str) -> np.ndarray:
    """Return a column of numbers scaled, (n,) float64, 0 where missing.

    learnt : `state["numbers"][column]`. robust (x - median) / spread; standard (x - mean) / deviation; minmax
    (x - low) / (high - low) within [-1, 2], minus a half; quantile: the normal deviate of the rank, within 3.

    >>> learnt = {"mean": 2.0, "deviation": 1.0, "low": 0.0, "high": 4.0, "median": 2.0, "spread": 2.0,
    ...           "quantiles": [0.0, 1.0, 2.0, 3.0, 4.0]}
    >>> [scaled(np.array([3.0, np.nan]), learnt, how).round(3).tolist() for how in sorted(SCALINGS)]
    [[0.25, 0.0], [0.674, 0.0], [0.5, 0.0], [1.0, 0.0]]
    """
    if how == "quantile":
        out = _deviates(values, np.array(learnt["quantiles"], np.float64))
    elif how == "minmax":
        span = (learnt["high"] - learnt["low"]) or 1.0
        out = np.clip((values - learnt["low"]) / span, -1.0, 2.0) - 0.5
    elif how == "standard":
        out = np.clip((values - learnt["mean"]) / learnt["deviation"], -MOST_DEVIATIONS, MOST_DEVIATIONS)
    else:
        out = (values - (learnt["median"] or 0.0)) / learnt["spread"]
        out = np.clip(out, -MOST_DEVIATIONS, MOST_DEVIATIONS)
    return np.asarray(np.nan_to_num(out), np.float64)


def _deviates(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Normal deviates of the ranks between knots; a run of equal knots counts as its middle."""
    from scipy.special import ndtri

    if not len(knots):
        return np.zeros(len(values))
    grid = np.linspace(0.0, 1.0, len(knots))
    ranks = (np.interp(values, knots, grid) + 1.0 - np.interp(-values, -knots[::-1], grid)) / 2
    return np.clip(ndtri(np.clip(ranks, 1e-9, 1 - 1e-9)), -3.0, 3.0)
