"""Repair cells that are wrong: broken Unicode, markup, stray whitespace, missing values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel

from pipeline.dataset import Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.modalities import modality
from pipeline.signals.engine import Signals, batches
from pipeline.stage import Stage


class Clean(Stage, frozen=True):
    """Cells whose repaired form differs from what they hold.

    The one automatic stage that touches all splits: each value is a function of the cell itself and of state
    learnt from train rows. score = 0 for a cell that is repaired. Cost: O(characters).
    """

    name = "clean"
    touches: ClassVar[Literal["train", "all", "human"]] = "all"
    actions: ClassVar[tuple[Action, ...]] = ("set",)
    policy: ClassVar[tuple[str, ...]] = ("malformed",)

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Say which content cells to set to what."""
        edits = []
        for column in data.roles.content:
            cells = data.table[column].to_pylist()
            work = [
                _Batch(data.modality, column, cells[part], self.options, signals.state)
                for part in batches(len(cells))
            ]
            repaired = [pair for batch in signals.engine.map(_repair, work, "clean") for pair in batch]
            for row_id, before, (value, reasons) in zip(data.ids, cells, repaired, strict=True):
                if reasons:
                    edits.append(
                        Edit(
                            row_id,
                            "malformed",
                            0.0,
                            "set",
                            f"{column}: {', '.join(reasons)}",
                            column,
                            before,
                            value,
                        )
                    )
        return Findings.of(self.name, edits, fitted=signals.state)


class _Batch(NamedTuple):
    modality: str
    column: str
    cells: list[Any]
    options: BaseModel | None
    state: Mapping[str, Any]


def _repair(work: _Batch) -> list[tuple[Any, list[str]]]:
    kind = modality(work.modality)
    return [kind.repair(work.column, cell, work.options, work.state) for cell in work.cells]
