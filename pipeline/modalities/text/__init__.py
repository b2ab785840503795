"""Text: rows whose content is one or more columns of strings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel

from pipeline.dataset import OWN_COLUMNS, objects
from pipeline.modalities import Intake, Modality, Pairs, Rule
from pipeline.modalities.text import encoder
from pipeline.modalities.text.columns import strings
from pipeline.modalities.text.options import TextAugment, TextClean, TextQuality
from pipeline.stage import NotApplicable


class Text:
    """The text modality; see `pipeline.modalities.Modality` for the contract."""

    name = "text"
    near_copy = 0.55
    stage_options: Mapping[str, type[BaseModel]] = {
        "clean": TextClean, "quality": TextQuality, "augment": TextAugment}
    encoders: Mapping[str, str] = encoder.ENCODERS
    built_on: tuple[str, ...] = ()
    labelled = True

    def content_columns(self, table: pa.Table, taken: set[str]) -> tuple[str, ...]:
        """Guess: a string column with a usual name, else the longest one if it holds more than a word or two.

        See `guess.text_column`.

        >>> MODALITY.content_columns(pa.table({"id": ["1"], "Text": ["so it is"], "y": ["a"]}), {"y"})
        ('Text',)
        """
        from pipeline.modalities.text.guess import text_column

        return text_column(table, {*taken, *OWN_COLUMNS})

    def intake(self, table: pa.Table, content: tuple[str, ...]) -> Intake:
        """Leave the columns as they were read."""
        return Intake(table, content)

    def fit(self, content: pa.Table) -> dict[str, Any]:
        """Text learns nothing."""
        return {}

    def repair(self, column: str, cell: Any, options: Any, state: Mapping[str, Any]) -> tuple[Any, list[str]]:
        """Repair Unicode, markup and whitespace; see `repair.repair`."""
        from pipeline.modalities.text.repair import repair

        return repair(cell, TextClean.model_validate(options or {}))

    def identity(self, content: pa.Table) -> np.ndarray:
        """(n,) of str: NFKC, case folded, whitespace collapsed, columns one a line; "" for an empty row.

        >>> MODALITY.identity(pa.table({"text": ["The  CAT", "the cat", None]})).tolist()
        ['the cat', 'the cat', '']
        """
        columns = [content[name].cast(pa.large_string()).to_pylist() for name in content.column_names]
        return objects(["\n".join(map(_folded, cells)).rstrip("\n") for cells in zip(*columns, strict=True)])

    def pairs(self, content: pa.Table, floor: float, is_train: np.ndarray | None) -> Pairs:
        """Compare sets of word 3-grams; see `shingles.shingles`."""
        from pipeline.modalities.text.shingles import shingles
        from pipeline.signals.pairs import near_pairs

        return near_pairs(shingles(content), floor, is_train)

    def embed(self, content: pa.Table, state: Mapping[str, Any], options: Mapping[str, Any]) -> np.ndarray:
        """(n, d) float32 unit vectors; see `encoder.encode`."""
        return encoder.encode(strings(content), options)

    def views(self, content: pa.Table, is_train: np.ndarray) -> dict[str, Any]:
        """TF-IDF of words and of characters; see `views.views`."""
        from pipeline.modalities.text.views import views

        return views(content, is_train)

    def measure(self, content: pa.Table) -> pd.DataFrame:
        """Lengths, kinds of characters, repetition; see `measures.measure`."""
        from pipeline.modalities.text.measures import measure

        return measure(content)

    def rules(self, options: Any, train: pd.DataFrame) -> list[Rule]:
        """Return the bounds on the measures, one for each issue."""
        bounds = TextQuality.model_validate(options or {})
        most = float("inf")
        return [
            Rule("length_chars", "null", 1, most, "drop", "the text is empty"),
            Rule("n_words", "too_short", bounds.min_words, most, bounds.short, "too few words to learn from"),
            Rule("n_words", "too_long", 0, bounds.max_words, "flag", "more words than a text should have"),
            Rule("nonletter_fraction", "gibberish", 0, bounds.max_nonletter_fraction, "flag",
                 "mostly digits and symbols"),
            Rule("repeated_trigram_fraction", "low_information", 0, bounds.max_repeated_trigram_fraction,
                 "flag", "the text mostly repeats itself"),
        ]

    def perturb(self, cells: Mapping[str, Any], seed: int, options: Any) -> tuple[dict[str, Any], str]:
        """Vary letters or words; see `perturb.perturb`."""
        from pipeline.modalities.text.perturb import perturb_cells

        return perturb_cells(cells, seed, TextAugment.model_validate(options or {}))

    def between(self, one: Mapping[str, Any], other: Mapping[str, Any], share: float) -> dict[str, Any]:
        """There is none."""
        raise NotApplicable("no text lies between two texts; use weights, over or augment")

    def show(self, cells: Mapping[str, Any]) -> str:
        r"""Return the text; of several columns each under its name.

        >>> MODALITY.show({"title": "A", "body": None}), MODALITY.show({"text": "B"})
        ('title: A\nbody: ', 'B')
        """
        texts = {column: "" if cell is None else str(cell) for column, cell in cells.items()}
        if len(texts) == 1:
            return next(iter(texts.values()))
        return "\n".join(f"{column}: {text}" for column, text in texts.items())

    def passages(self, cells: Mapping[str, Any]) -> list[str]:
        """Return what `show` shows."""
        return [self.show(cells)]

    def picture(self, cells: Mapping[str, Any], side_px: int) -> bytes | None:
        """Return none: words say it."""
        return None


MODALITY: Modality = Text()


_WHITESPACE = re.compile(r"\s+")


def _folded(cell: str | None) -> str:
    if not cell:
        return ""
    text = cell if cell.isascii() else unicodedata.normalize("NFKC", cell)
    return _WHITESPACE.sub(" ", text.casefold()).strip()
