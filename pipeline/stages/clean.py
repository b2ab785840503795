"""Repair cells that are wrong: broken Unicode, markup, stray whitespace, missing values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import pyarrow as pa
from pydantic import BaseModel

from pipeline.abilities import Change, RepairsRows
from pipeline.dataset import Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.modalities import modality
from pipeline.signals.engine import Signals, batches
from pipeline.stage import Stage

_ROWS = 4_096  # rows repaired at once; fixed, so that workers never change a result


class Clean(Stage, frozen=True):
    """Cells whose repaired form differs from what they hold.

    It touches all splits: each value is a function of the cell itself (where the modality needs it, of its
    row) and of state learnt from train rows. score = 0 for a cell that is repaired; 1, as `reformatted`, for
    one that is written as its whole column is, which says nothing against its row. Cost: O(characters).
    """

    name = "clean"
    touches: ClassVar[Literal["train", "all", "human"]] = "all"
    actions: ClassVar[tuple[Action, ...]] = ("set",)
    policy: ClassVar[tuple[str, ...]] = ("malformed", "reformatted")

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Say which content cells to set to what."""
        kind, state = signals.modality, signals.state
        if isinstance(kind, RepairsRows):
            train = data.content.filter(pa.array(data.is_train))
            state = kind.fit_rows(train, self.options)
            changes = self._of_rows(data, state, signals)
        else:
            changes = self._of_cells(data, state, signals)
        edits = []
        cells = {column: data.table[column].to_pylist() for column in data.roles.content}
        for row, column, value, reasons, usual in changes:
            because = f"{column}: {', '.join(reasons)}"
            before = cells[column][row]
            issue, score = ("reformatted", 1.0) if usual else ("malformed", 0.0)
            edits.append(Edit(data.ids[row], issue, score, "set", because, column, before, value))
        return Findings.of(self.name, edits, fitted=dict(state))

    def _of_cells(self, data: Dataset, state: Mapping[str, Any], signals: Signals) -> Iterator[Change]:
        for column in data.roles.content:
            cells = data.table[column].to_pylist()
            work = [
                _Batch(data.modality, column, cells[part], self.options, state)
                for part in batches(len(cells))
            ]
            repaired = [pair for batch in signals.engine.map(_repair, work, "clean") for pair in batch]
            for row, (value, reasons) in enumerate(repaired):
                if reasons:
                    yield Change(row, column, value, reasons)

    def _of_rows(self, data: Dataset, state: Mapping[str, Any], signals: Signals) -> Iterator[Change]:
        parts = list(batches(data.n_rows, _ROWS))
        work = [
            _Rows(data.modality, data.content.take(list(range(p.start, p.stop))), self.options, state)
            for p in parts
        ]
        for part, changes in zip(parts, signals.engine.map(_repair_rows, work, "clean"), strict=True):
            for change in changes:
                yield change._replace(row=part.start + change.row)


class _Batch(NamedTuple):
    modality: str
    column: str
    cells: list[Any]
    options: BaseModel | None
    state: Mapping[str, Any]


class _Rows(NamedTuple):
    modality: str
    content: pa.Table
    options: BaseModel | None
    state: Mapping[str, Any]


def _repair(work: _Batch) -> list[tuple[Any, list[str]]]:
    kind = modality(work.modality)
    return [kind.repair(work.column, cell, work.options, work.state) for cell in work.cells]


def _repair_rows(work: _Rows) -> list[Change]:
    kind = modality(work.modality)
    assert isinstance(kind, RepairsRows)
    return kind.repair_rows(work.content, work.options, work.state)
