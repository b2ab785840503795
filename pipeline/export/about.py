"""What only the publisher knows of a dataset: licence, languages, names. Nothing here is ever guessed."""

from __future__ import annotations

import datetime
import re

from pydantic import BaseModel, Field, field_validator

UNKNOWN = "unknown"


class About(BaseModel, frozen=True, extra="forbid"):
    """Metadata as the publisher states it; what is not stated is left out, the licence is then `unknown`.

    >>> About(version="one")
    Traceback (most recent call last):
    pydantic_core._pydantic_core.ValidationError: 1 validation error for About
    version
      Value error, 'one': write three numbers, for example 1.0.0 ...
    """

    license: str = Field(
        default=UNKNOWN, min_length=1, description="an identifier such as cc-by-4.0, or a URL"
    )
    language: tuple[str, ...] = Field(default=(), description="ISO 639 codes, for example en")
    pretty_name: str | None = Field(
        default=None, description="the dataset's name; that of the folder by default"
    )
    annotations_creators: tuple[str, ...] = Field(
        default=(), description="found, crowdsourced, expert-generated ..."
    )
    source_datasets: tuple[str, ...] = Field(default=(), description="original, or extended|NAME")
    tags: tuple[str, ...] = ()
    version: str | None = Field(default=None, description="of the dataset, MAJOR.MINOR.PATCH")
    published: str | None = Field(default=None, description="date of publication, YYYY-MM-DD")
    citation: str | None = Field(default=None, description="how to cite the dataset")
    url: str | None = Field(default=None, description="where the dataset is to be found")

    @field_validator("version")
    @classmethod
    def _three_numbers(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"\d+\.\d+\.\d+", value):
            raise ValueError(f"{value!r}: write three numbers, for example 1.0.0")
        return value

    @field_validator("published")
    @classmethod
    def _a_date(cls, value: str | None) -> str | None:
        if value is not None:
            datetime.date.fromisoformat(value)
        return value

    @property
    def licensed(self) -> bool:
        """Whether a licence was stated."""
        return self.license != UNKNOWN
