"""The distributions of measures: the first in full, others side by side; the sizes of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.dataset import Dataset
from pipeline.modalities import modality
from pipeline.report.multiples import plane, small_histogram

BINS, SMALL_BINS, MOST_MEASURED, MOST_MEASURES, MOST_POINTS = 24, 20, 20_000, 12, 1_500
SIZE, ABOUT_SIZE = ("width_px", "height_px"), ("odd_size", "odd_aspect_ratio")


def measured(data: Dataset) -> tuple[pd.DataFrame, np.ndarray]:
    """Measure at most 20,000 rows, evenly spaced in the order of ids; return the numbers and the places."""
    n = min(data.n_rows, MOST_MEASURED)
    rows = np.unique(np.linspace(0, max(data.n_rows - 1, 0), n).astype(np.int64))
    return modality(data.modality).measure(data.content.take(pa.array(rows)).combine_chunks()), rows


def lengths(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any] | None:
    """Histogram of the modality's first measure, raw and curated, on common bins, even or logarithmic."""
    return _histogram(str(before.columns[0]), before, after, BINS) if len(before.columns) else None


def others(before: pd.DataFrame, after: pd.DataFrame) -> list[dict[str, Any]]:
    """Histograms of the measures after the first, those that differ between rows, at most twelve."""
    names = [str(c) for c in before.columns[1:] if str(c) not in SIZE]
    found = [_histogram(name, before, after, SMALL_BINS) for name in names]
    return [f for f in found if f is not None and f["edges"][-1] > f["edges"][0] and f["varies"]][
        :MOST_MEASURES
    ]


def sizes(
    data: Dataset, measures: pd.DataFrame, rows: np.ndarray, edits: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return width and height of at most 1,500 rows, and whether they are odd; None where rows have no size.

    measures : (m, k) numbers about the rows at positions `rows` (m,).
    """
    if not set(SIZE) <= set(measures.columns) or not len(measures):
        return None
    odd = {e["row_id"] for e in edits if e["issue"] in ABOUT_SIZE}
    width, height = (measures[c].to_numpy(dtype=np.float64, na_value=np.nan) for c in SIZE)
    is_odd = np.array([data.ids[i] in odd for i in rows], dtype=bool)
    usual = np.flatnonzero(np.isfinite(width) & np.isfinite(height) & ~is_odd)
    places = np.linspace(0, max(len(usual) - 1, 0), min(len(usual), MOST_POINTS))
    strange = np.flatnonzero(is_odd & np.isfinite(width) & np.isfinite(height))[:MOST_POINTS]
    kept = np.concatenate([usual[np.unique(places.astype(int))], strange])
    kinds = Counter(zip(width.tolist(), height.tolist(), strict=True))
    most = sorted(kinds.items(), key=lambda p: (-p[1], p[0]))[:6]
    return {
        "measured": len(measures), "kinds": len(kinds), "odd": len(odd),
        "most": [{"width_px": w, "height_px": h, "rows": n} for (w, h), n in most],
        "points": [[float(width[i]), float(height[i]), int(is_odd[i])] for i in kept],
    }  # fmt: skip


def _histogram(name: str, before: pd.DataFrame, after: pd.DataFrame, bins: int) -> dict[str, Any] | None:
    if before.empty or name not in after.columns:
        return None
    raw, curated = (frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for frame in (before, after))
    raw, curated = raw[np.isfinite(raw)], curated[np.isfinite(curated)]
    both = np.concatenate([raw, curated])
    if not len(both):
        return None
    edges = spaced_edges(both, bins)
    return {
        "measure": name, "measured": len(raw), "varies": bool(both.min() < both.max()),
        "edges": [round(float(e), 6) for e in edges],
        "raw": np.histogram(raw, edges)[0].tolist(), "curated": np.histogram(curated, edges)[0].tolist(),
        "median": {
            "raw": float(np.median(raw)) if len(raw) else None,
            "curated": float(np.median(curated)) if len(curated) else None,
        },
    }  # fmt: skip


def spaced_edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Return the edges of bins over values: even, or logarithmic where few values are much larger."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low, low + 1.0])
    if low < 0 or high <= 8 * float(np.median(values)) + 1:
        return np.linspace(low, high, bins + 1)
    edges = np.expm1(np.linspace(np.log1p(low), np.log1p(high), bins + 1))
    edges[0], edges[-1] = low, high
    return edges


def view(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the charts of the measures and of the sizes as the page shows them."""
    first = [data["lengths"]] if data.get("table") and (data.get("lengths") or {}).get("varies") else []
    small = [
        {**f, "name": measure_name(f["measure"]), "chart": small_histogram(
            f"measure-{k}", f"Distribution of the {measure_name(f['measure'])}", f["edges"],
            [("raw", f["raw"]), ("curated", f["curated"])])}
        for k, f in enumerate([*first, *(data.get("measures") or [])])
    ]  # fmt: skip
    found = data.get("sizes")
    chart = None
    if found and found["points"]:
        points = [(max(w, 0.5), max(h, 0.5), odd) for w, h, odd in found["points"]]
        chart = plane("sizes", "Width and height", "One point a size; odd ones stand out.", points,
                      ("width in pixels", "height in pixels"), ("s0", "c0"), diagonal=True)  # fmt: skip
    return {"small": small, "sizes": {**found, "chart": chart} if found else None} if small or found else None


def measure_name(measure: str) -> str:
    """Return a measure's name in words.

    >>> measure_name("length_chars"), measure_name("n_words")
    ('length in characters', 'number of words')
    """
    units = {"chars": "characters", "px": "pixels", "seconds": "seconds", "tokens": "tokens",
             "bytes": "bytes"}  # fmt: skip
    *head, unit = measure.split("_")
    if head[:1] == ["n"]:
        return " ".join(["number of", *head[1:], unit])
    return f"{' '.join(head)} in {units[unit]}" if unit in units and head else measure.replace("_", " ")
