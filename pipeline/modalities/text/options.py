"""The settings of stages that only text has: `[stages.text]` in a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Operation = Literal["keyboard", "swap_letters", "swap_words", "delete_words", "misspell"]


class TextClean(BaseModel, frozen=True, extra="forbid"):
    """What `clean` repairs in a text."""

    unicode: bool = Field(True, description="mojibake, control characters, invisible characters, NFC")
    markup: bool = Field(True, description="HTML tags, comments, scripts and entities")
    whitespace: bool = Field(True, description="line ends, runs of spaces and blank lines, outer whitespace")


class TextQuality(BaseModel, frozen=True, extra="forbid"):
    """The bounds that `quality` puts on a text."""

    min_words: int = Field(3, ge=0, description="a text with fewer words is too short")
    max_words: int = Field(50_000, ge=1, description="a text with more words is too long")
    max_nonletter_fraction: float = Field(0.5, gt=0, le=1, description="share of digits and symbols")
    max_repeated_trigram_fraction: float = Field(0.5, gt=0, le=1, description="word 3-grams there before")
    short: Literal["flag", "drop"] = Field("flag", description="what to do with a text that is too short")


class TextAugment(BaseModel, frozen=True, extra="forbid"):
    """How `augment` varies a text. Names are nlpaug's operations; one is drawn for each child."""

    operations: tuple[Operation, ...] = Field(
        ("keyboard", "swap_letters", "swap_words", "delete_words", "misspell"), min_length=1)
    words_fraction: float = Field(0.1, gt=0, le=1, description="words to change, of those looked at")
    max_words: int = Field(200, ge=2, le=5_000, description="words looked at in one text; the others stay")
