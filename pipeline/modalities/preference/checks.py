"""What is wrong with preference pairs: alike, swapped, decided by length; the chosen answer's faults."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.abilities import Checks, Fault
from pipeline.modalities.preference.options import PreferenceQuality
from pipeline.modalities.preference.swapped import features, out_of_fold
from pipeline.modalities.sft.checks import check as check_conversations
from pipeline.modalities.sft.turns import Turn, answer_of, prompt_of, told

_FEWEST_PAIRS = 50  # from which a share, or a probe, says something
_WORTH_ASKING = 0.75  # out-of-fold accuracy from which the probe is believed


class Pair(NamedTuple):
    """A row as texts."""

    prompt: str
    chosen: str
    rejected: str
    system: str = ""


def texts(row: dict[str, Sequence[Turn] | None]) -> Pair:
    """Return a row's prompt, the last answers of both sides, and what the system says."""
    prompt = row["prompt"] or ()
    system = "\n".join(" ".join((t["content"] or "").split()) for t in prompt if t["role"] == "system")
    return Pair(prompt_of(prompt), answer_of(row["chosen"]), answer_of(row["rejected"]), system)


def check(rows: list[dict[str, Any]], is_train: np.ndarray, options: PreferenceQuality) -> Checks:
    """Return the faults of every pair, those of the chosen answer as an instruction pair's included."""
    pairs = [texts(row) for row in rows]
    whole = [[*(row["prompt"] or ()), *(row["chosen"] or ())] for row in rows]
    own = check_conversations(whole, is_train, options)
    faults = [*own.faults, *_alike(rows), *_empty(pairs, options),
              *_length_bias(pairs, is_train, options)]
    examined = [*own.examined, "identical_pair", "empty_answer"]
    if options.swapped:
        examined.append("swapped_pair")
        faults += _swapped(pairs, is_train, options.swapped_below)
    return Checks(tuple(sorted(set(examined))), faults)


def _alike(rows: list[dict[str, Any]]) -> Iterator[Fault]:
    for i, row in enumerate(rows):
        won, lost = (" ".join(told(row[c]).casefold().split()) for c in ("chosen", "rejected"))
        if won and won == lost:
            yield Fault(i, "identical_pair", 0.0, "drop", "chosen and rejected are the same")


def _empty(pairs: list[Pair], options: PreferenceQuality) -> Iterator[Fault]:
    for i, pair in enumerate(pairs):
        if not pair.rejected.strip():
            yield Fault(i, "empty_answer", 0.0, options.empty, "the rejected answer has no text")


def _length_bias(pairs: list[Pair], is_train: np.ndarray, options: PreferenceQuality) -> Iterator[Fault]:
    """Yield one fault of the whole set where the longer answer wins (or loses) most pairs of train.

    The share is tested against one half by the normal approximation, |z| > 3.3 (p < 0.001).
    """
    lengths = [(len(p.chosen), len(p.rejected)) for p, train in zip(pairs, is_train, strict=True) if train]
    longer, shorter = (sum(a > b for a, b in lengths), sum(a < b for a, b in lengths))
    n = longer + shorter
    if n < _FEWEST_PAIRS:
        return
    share = max(longer, shorter) / n
    z = (share - 0.5) * 2 * math.sqrt(n)
    if share >= options.length_bias_share and z > 3.3:
        which = "longer" if longer >= shorter else "shorter"
        won, lost = (int(np.median([pair[k] for pair in lengths])) for k in (0, 1))
        because = (f"the {which} answer is the chosen one in {max(longer, shorter):,} of {n:,} train pairs "
                   f"({100 * share:.0f} %; median {won:,} against {lost:,} characters): length decides")
        yield Fault(None, "length_bias", max(1.0 - share, 0.0), "flag", because)


def _swapped(pairs: list[Pair], is_train: np.ndarray, below: float) -> Iterator[Fault]:
    """Yield pairs that a probe, fitted on other train pairs, would order the other way round."""
    usable = np.array([bool(p.chosen.strip() and p.rejected.strip()) and p.chosen != p.rejected
                       for p in pairs], dtype=bool)
    if (usable & is_train).sum() < _FEWEST_PAIRS:
        return
    x = np.array([features(p.prompt, p.chosen) - features(p.prompt, p.rejected) for p in pairs])
    probability, accuracy = out_of_fold(x, usable & is_train, [p.prompt for p in pairs])
    if accuracy < _WORTH_ASKING:
        return
    for i in np.flatnonzero(usable & (probability < below)):
        because = (f"a probe fitted on other pairs (right on {100 * accuracy:.0f} % of them) gives "
                   f"this order a probability of {probability[i]:.3f}: it may be swapped")
        yield Fault(int(i), "swapped_pair", float(probability[i]), "flag", because)
