"""Tables: rows whose content is columns of numbers and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel

from pipeline.abilities import CellsFound, Change
from pipeline.dataset import OWN_COLUMNS, WEIGHT, objects
from pipeline.hashing import cell_json
from pipeline.modalities import Intake, Modality, Pairs, Rule
from pipeline.modalities.tabular import columns, features, variation
from pipeline.modalities.tabular.options import TabularAugment, TabularCells, TabularClean, TabularQuality
from pipeline.modalities.tabular.repair import is_missing, repair
from pipeline.modalities.tabular.scaling import SCALINGS

_USUAL = "robust"


class Tabular:
    """The tabular modality; see `pipeline.modalities.Modality` for the contract."""

    name = "tabular"
    near_copy = 0.93
    stage_options: Mapping[str, type[BaseModel]] = {
        "clean": TabularClean, "cells": TabularCells, "quality": TabularQuality, "augment": TabularAugment}
    encoders: Mapping[str, str] = SCALINGS
    built_on: tuple[str, ...] = ()
    labelled = True

    def content_columns(self, table: pa.Table, taken: set[str]) -> tuple[str, ...]:
        """Return every column of numbers, strings, true and false that has no other role.

        >>> MODALITY.content_columns(pa.table({"b": [1], "a": ["x"], "y": ["p"]}), {"y"})
        ('a', 'b')
        """
        other = {*taken, *OWN_COLUMNS, WEIGHT}
        return tuple(sorted(field.name for field in table.schema
                            if field.name not in other and columns.is_content(field.type)))

    def intake(self, table: pa.Table, content: tuple[str, ...]) -> Intake:
        """Leave the columns as they were read."""
        return Intake(table, content)

    def fit(self, content: pa.Table) -> dict[str, Any]:
        """Learn means, spreads and categories of the train rows; see `columns.fit`."""
        return columns.fit(content)

    def repair(self, column: str, cell: Any, options: Any, state: Mapping[str, Any]) -> tuple[Any, list[str]]:
        """Repair whitespace, units, spellings and missing values; see `repair.repair`."""
        return repair(column, cell, TabularClean.model_validate(options or {}), state)

    def fit_rows(self, content: pa.Table, options: Any) -> dict[str, Any]:
        """Learn what `fit` does and, for fill = knn or iterative, how to fill cells; see `impute.fit`."""
        from pipeline.modalities.tabular import repair_rows

        return repair_rows.fit(content, TabularClean.model_validate(options or {}))

    def repair_rows(self, content: pa.Table, options: Any, state: Mapping[str, Any]) -> list[Change]:
        """Repair every cell on its own, then fill from the rest of the row; see `repair_rows.changes`."""
        from pipeline.modalities.tabular import repair_rows

        return repair_rows.changes(content, TabularClean.model_validate(options or {}), state)

    def wrong_cells(self, content: pa.Table, is_train: np.ndarray, options: Any) -> CellsFound:
        """Find wrong cells; see `cells.wrong_cells`."""
        from pipeline.modalities.tabular.cells import wrong_cells

        return wrong_cells(content, is_train, TabularCells.model_validate(options or {}))

    def identity(self, content: pa.Table) -> np.ndarray:
        """(n,) of str: the cells that are there as JSON; "" for a row without any.

        >>> MODALITY.identity(pa.table({"b": [1.0, None], "a": ["x", None]})).tolist()
        ['{"a": "x", "b": 1.0}', '']
        """
        rows = [{column: cell for column, cell in row.items() if not is_missing(cell)}
                for row in content.to_pylist()]
        return objects([cell_json(row) if row else "" for row in rows])

    def pairs(self, content: pa.Table, floor: float, is_train: np.ndarray | None) -> Pairs:
        """Compare records, fuzzily; see `records.record_pairs`."""
        from pipeline.modalities.tabular.records import record_pairs

        return record_pairs(content, floor, is_train)

    def embed(self, content: pa.Table, state: Mapping[str, Any], options: Mapping[str, Any]) -> np.ndarray:
        """(n, d) float32; see `features.vectors`. Encoders are scalings; raises `ValueError` for another."""
        encoder = options.get("encoder") or _USUAL
        if encoder not in SCALINGS:
            raise ValueError(f"encoder {encoder!r} is not for tables; they have {', '.join(SCALINGS)}")
        return features.vectors(content, state, encoder)

    def views(self, content: pa.Table, is_train: np.ndarray) -> dict[str, Any]:
        """Return bins and categories, one-hot; see `features.bins`."""
        return {"bins": features.bins(content, is_train)}

    def measure(self, content: pa.Table) -> pd.DataFrame:
        """Return how much of a row is there.

        n_present_cells, n_missing_cells; missing_fraction in [0, 1]; longest_cell_chars of its strings.
        """
        missing = columns.cells_missing(content)
        lengths = np.zeros(missing.shape, np.int64)
        for k, name in enumerate(content.column_names):
            if not columns.is_number(content.schema.field(name).type):
                lengths[:, k] = [len(cell or "") for cell in columns.categories(content[name])]
        n_missing = missing.sum(axis=1).astype(np.int64)
        return pd.DataFrame({
            "n_present_cells": missing.shape[1] - n_missing,
            "n_missing_cells": n_missing,
            "missing_fraction": n_missing / max(missing.shape[1], 1),
            "longest_cell_chars": lengths.max(axis=1, initial=0),
        })

    def rules(self, options: Any, train: pd.DataFrame) -> list[Rule]:
        """Return the bounds on the measures, one for each issue."""
        bounds = TabularQuality.model_validate(options or {})
        return [
            Rule("n_present_cells", "null", 1, float("inf"), "drop", "every cell is missing"),
            Rule("missing_fraction", "mostly_missing", 0, bounds.max_missing_fraction, "flag",
                 "too little of the row is there"),
        ]

    def perturb(self, cells: Mapping[str, Any], seed: int, options: Any) -> tuple[dict[str, Any], str]:
        """Move every number by a normal share of its size: what can be done without the rows of its class.

        >>> MODALITY.perturb({"a": 1000, "b": "x"}, 0, None)
        ({'a': 1006, 'b': 'x'}, '1 number moved (seed 0)')
        """
        return variation.vary(cells, "", seed, TabularAugment.model_validate(options or {}), {})

    def fit_variation(self, content: pa.Table, labels: np.ndarray) -> dict[str, Any]:
        """Learn the spreads and frequencies of each class; see `variation.fit`."""
        return variation.fit(content, labels)

    def vary(
        self, cells: Mapping[str, Any], label: str, seed: int, options: Any, state: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str]:
        """Move numbers within their spread in the class, swap categories; see `variation.vary`."""
        return variation.vary(cells, label, seed, TabularAugment.model_validate(options or {}), state)

    def between(self, one: Mapping[str, Any], other: Mapping[str, Any], share: float) -> dict[str, Any]:
        """Interpolate numbers; see `variation.between`."""
        return variation.between(one, other, share)

    def show(self, cells: Mapping[str, Any]) -> str:
        """Return the cells by name.

        >>> MODALITY.show({"b": "x", "a": 1})
        'a=1, b=x'
        """
        return ", ".join(f"{column}={'' if cell is None else cell}" for column, cell in sorted(cells.items()))

    def passages(self, cells: Mapping[str, Any]) -> list[str]:
        """Return what `show` shows."""
        return [self.show(cells)]

    def picture(self, cells: Mapping[str, Any], side_px: int) -> bytes | None:
        """Return none: words say it."""
        return None


MODALITY: Modality = Tabular()
