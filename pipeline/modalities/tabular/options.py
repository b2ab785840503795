"""The settings of stages that only tables have: `[stages.tabular]` in a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, model_validator

MISSING = ("", "?", "-", "N/A", "n/a", "NA", "NaN", "nan", "null", "NULL", "None", "none")


class TabularClean(BaseModel, frozen=True, extra="forbid"):
    """What `clean` repairs in a cell of a table."""

    whitespace: bool = Field(True, description="outer whitespace and runs of it in strings")
    units: bool = Field(True, description="12.0 oz, 1,234.5, 5%, $5 become numbers where a column holds them")
    spelling: bool = Field(True, description="rare variants of a frequent category: case, signs, slips")
    fill: Literal["median", "mean", "most_frequent", "constant", "knn", "iterative", "none"] = Field(
        "median", description="what missing numbers become"
    )
    fill_text: Literal["none", "most_frequent", "constant", "model"] = Field(
        "none", description="what missing words become; model: what knn or iterative fill says"
    )
    constant: float = Field(0.0, description="the number of fill = constant")
    constant_text: str = Field("missing", description="the word of fill_text = constant")
    fill_up_to: float = Field(
        0.5, ge=0, le=1, description="cells of a row that may be missing for the rest of them to be filled"
    )
    neighbors: int = Field(5, ge=1, le=100, description="train rows that fill = knn averages")
    missing: tuple[str, ...] = Field(MISSING, description="strings that mean missing in columns of numbers")
    missing_in_text: bool = Field(False, description="the same in columns of words, which become null")

    @model_validator(mode="after")
    def _model_needs_a_model(self) -> TabularClean:
        if self.fill_text == "model" and self.fill not in ("knn", "iterative"):
            raise ValueError(f"fill_text = model needs fill = knn or iterative, not {self.fill}")
        return self


class TabularCells(BaseModel, frozen=True, extra="forbid"):
    """What `cells` looks for in a table."""

    dependencies: bool = Field(True, description="columns that others determine, learnt with tolerance")
    patterns: bool = Field(True, description="shapes of strings that are rare in their column")
    models: bool = Field(True, description="cells predicted from the other cells of their row")
    min_agreement: float = Field(0.95, gt=0.5, le=1, description="of the rows that a dependency must hold in")
    unlikely: float = Field(0.005, gt=0, lt=0.5, description="probability below which a cell is unlikely")
    likely: float = Field(0.95, gt=0.5, lt=1, description="probability of another value that is needed too")
    far: float = Field(10.0, gt=3, description="robust deviations from which a number is out of its column")


class TabularQuality(BaseModel, frozen=True, extra="forbid"):
    """The bounds that `quality` puts on a row of a table."""

    max_missing_fraction: float = Field(0.5, ge=0, le=1, description="cells of a row that may be missing")


class TabularAugment(BaseModel, frozen=True, extra="forbid"):
    """How `augment` varies a row of a table."""

    jitter_fraction: float = Field(
        0.05, gt=0, le=1, description="standard deviation of changes, of the number's spread within its class"
    )
    swap_fraction: float = Field(
        0.1, ge=0, le=1, description="chance that a category becomes another of its class, drawn by frequency"
    )
