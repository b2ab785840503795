"""The settings of stages that only tables have: `[stages.tabular]` in a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

MISSING = ("", "?", "-", "N/A", "n/a", "NA", "NaN", "nan", "null", "NULL", "None", "none")


class TabularClean(BaseModel, frozen=True, extra="forbid"):
    """What `clean` repairs in a cell of a table."""

    whitespace: bool = Field(True, description="outer whitespace and runs of it in strings")
    fill: Literal["median", "mean", "none"] = Field("median", description="what missing numbers become")
    missing: tuple[str, ...] = Field(MISSING, description="strings that mean missing in columns of numbers")
    missing_in_text: bool = Field(False, description="the same in columns of words, which become null")


class TabularQuality(BaseModel, frozen=True, extra="forbid"):
    """The bounds that `quality` puts on a row of a table."""

    max_missing_fraction: float = Field(0.5, ge=0, le=1, description="cells of a row that may be missing")


class TabularAugment(BaseModel, frozen=True, extra="forbid"):
    """How `augment` varies a row of a table."""

    jitter_fraction: float = Field(0.02, gt=0, le=1, description="standard deviation of changes, of a number")
