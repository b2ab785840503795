"""The `[data]` table of a recipe: what to read, and which column is what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, field_validator, model_validator

from pipeline.masking import has_credentials
from pipeline.modalities import modality_names
from pipeline.recipe_faults import meant

ENCODING = Field(
    None, description="of text files, as Python calls it: gb18030, shift_jis, cp1251; found out if none"
)


def _encoding(name: str | None) -> str | None:
    from pipeline.ingest.looks import text_encoding

    return text_encoding(name) if name is not None else None


def _path(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError(f"{value!r} is no path; name a file or a folder")
    if has_credentials(value):
        raise ValueError("an address with a password or token in it (keep those in environment variables)")
    return value


def _absolute(path: str) -> str:
    return str(Path(path).resolve()) if Path(path).exists() else path


PathText = Annotated[str, AfterValidator(_path)]


class Source(BaseModel, frozen=True, extra="forbid"):
    """One of several sources; ids become `name:id`."""

    name: str = Field(min_length=1)
    path: PathText
    columns: dict[str, str] = Field({}, description="its column name -> the dataset's")
    labels: dict[str, str] = Field({}, description="its word for a class -> the dataset's")
    split: Literal["train", "validation", "test"] | None = Field(
        None, description="where all its rows belong to one split"
    )
    encoding: str | None = ENCODING

    _known_encoding = field_validator("encoding")(_encoding)


class Data(BaseModel, frozen=True, extra="forbid"):
    """What to read. Columns that are not named are guessed, and the guess is printed."""

    path: PathText | None = None
    sources: tuple[Source, ...] = ()
    encoding: str | None = ENCODING
    modality: str | None = None
    text: str | None = None
    image: str | None = Field(
        None, description="column of pictures, or of the names of their files relative to the data file"
    )
    columns: tuple[str, ...] = Field((), description="content columns, when there are several")
    label: str | None = None
    label_delimiter: str | None = Field(
        None, min_length=1, description="cuts a text label into a list of classes, e.g. ;"
    )
    annotators: tuple[str, ...] = Field(
        (), description="columns with one annotator's class each; their votes become the label"
    )
    id: str | None = None
    split: str | None = None
    group: str | None = None
    time: str | None = None
    test_fraction: float = Field(0.2, ge=0, lt=1, description="made when the data has no split column")
    validation_fraction: float = Field(0.1, ge=0, lt=1)

    _known_encoding = field_validator("encoding")(_encoding)

    @property
    def at_home(self) -> Data:
        """The same with absolute paths, however they were typed."""
        sources = tuple(s.model_copy(update={"path": _absolute(s.path)}) for s in self.sources)
        return self.model_copy(update={"path": self.path and _absolute(self.path), "sources": sources})

    @field_validator("modality")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in modality_names():
            raise ValueError(
                f"{value!r} is none of {', '.join(modality_names())}{meant(value, modality_names())}"
            )
        return value

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> Data:
        if self.path is not None and self.sources:
            raise ValueError("both path and [[data.sources]] are given; use one of the two")
        given = [n for n, v in (("text", self.text), ("image", self.image), ("columns", self.columns)) if v]
        if len(given) > 1:
            raise ValueError(f"both {given[0]} and {given[1]} are given; use one of the two")
        if self.image is not None and self.modality not in (None, "image"):
            raise ValueError(f"image is given, but modality is {self.modality!r}; leave one of the two out")
        if self.test_fraction + self.validation_fraction >= 1:
            held_out = (
                f"test_fraction {self.test_fraction} and validation_fraction {self.validation_fraction}"
            )
            raise ValueError(f"{held_out} leave no train rows; their sum must be below 1")
        return self
