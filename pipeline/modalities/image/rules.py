"""Bounds on the measures of pictures: cleanvision's checks, those about size and colour learnt from train."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.modalities import Rule
from pipeline.modalities.image.options import ImageQuality

GREY = 6 / 255  # chroma below which a picture is grey: what JPEG leaves of none
_SPREADS = 5.0  # robust standard deviations that are still usual
_BLANK_BITS = 0.5  # entropy below which a picture is blank, whatever the others are
_ENOUGH = 8  # train pictures from which "usual" can be learnt


def rules(bounds: ImageQuality, train: pd.DataFrame) -> list[Rule]:
    """Return the bounds, one for each issue.

    odd_size : a side more than r times larger or smaller than the train median, r = the larger of
        `max_size_ratio` and 5 robust standard deviations of its logarithm.
    odd_aspect_ratio : above `max_aspect_ratio`, or twice the train median where that is more.
    low_information : below `min_entropy_bits`, less where train pictures usually have less.
    grayscale : only where at least `min_colour_share` of the train pictures have colour.
    """
    most = float("inf")
    seen = train[train["width_px"] > 0]
    usual = len(seen) >= _ENOUGH
    found = [
        Rule("width_px", "null", 1, most, "drop", "there is no picture that can be read"),
        Rule("brightness_p99", "dark", bounds.min_bright_fraction, 1, "flag", "hardly a bright pixel"),
        Rule("brightness_p5", "light", 0, bounds.max_dim_fraction, "flag", "hardly a dim pixel"),
        Rule("sharpness", "blurry", bounds.min_sharpness, most, "flag", "edges are smeared"),
        Rule("entropy_bits", "low_information", _least_entropy(bounds, seen, usual), most, "flag",
             "almost all pixels are alike"),
        Rule("aspect_ratio", "odd_aspect_ratio", 1,
             max(bounds.max_aspect_ratio, 2 * float(seen["aspect_ratio"].median()) if usual else 0),
             "flag", "much longer than wide"),
    ]
    if usual:
        centre, spread = _centre(np.log(seen["side_px"].to_numpy()))
        ratio = max(float(np.log(bounds.max_size_ratio)), _SPREADS * spread)
        found.append(Rule("side_px", "odd_size", float(np.exp(centre - ratio)), float(np.exp(centre + ratio)),
                          "flag", f"the train pictures' median is {np.exp(centre):.0f}"))
        if (coloured := float((seen["chroma_p99"] > GREY).mean())) >= bounds.min_colour_share:
            found.append(Rule("chroma_p99", "grayscale", GREY, 1, "flag",
                              f"no colour, where {coloured:.0%} of the train pictures have some"))
    return found


def _least_entropy(bounds: ImageQuality, seen: pd.DataFrame, usual: bool) -> float:
    if not usual:
        return bounds.min_entropy_bits
    centre, spread = _centre(seen["entropy_bits"].to_numpy())
    least = min(_BLANK_BITS, bounds.min_entropy_bits)
    return max(min(bounds.min_entropy_bits, centre - _SPREADS * spread), least)


def _centre(values: np.ndarray) -> tuple[float, float]:
    """Return the median and a standard deviation from the median deviation."""
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))
