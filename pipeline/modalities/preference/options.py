"""The settings of stages that only preference pairs have: `[stages.preference]` in a recipe."""

from __future__ import annotations

from pydantic import Field

from pipeline.modalities.sft.options import SftAugment, SftClean, SftQuality


class PreferenceClean(SftClean, frozen=True, extra="forbid"):
    """What `clean` repairs in a prompt and in both answers."""


class PreferenceQuality(SftQuality, frozen=True, extra="forbid"):
    """What `quality` looks for in a pair; the chosen answer is checked as an instruction pair's."""

    swapped: bool = Field(True, description="pairs whose rejected answer looks like the set's chosen ones")
    swapped_below: float = Field(
        0.2, gt=0, lt=0.5, description="probability of the given order below which a pair looks swapped")
    length_bias_share: float = Field(
        0.65, gt=0.5, le=1, description="share of pairs won by the longer answer above which length decides")


class PreferenceAugment(SftAugment, frozen=True, extra="forbid"):
    """How `augment` varies the user's turns of the prompt. Answers are never varied."""
