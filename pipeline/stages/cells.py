"""Cells that are wrong, judged by the other cells of their row and by their column."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.abilities import FindsCells
from pipeline.dataset import Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.signals.engine import Signals
from pipeline.stage import NotApplicable, Stage


class Cells(Stage, frozen=True):
    """Cells that their column or their row contradicts, and columns that say nothing new.

    A cell is wrong when a dependency between columns that holds in nearly all train rows says otherwise, when
    its value is very unlikely given the rest of its row and another is very likely, when it is a number far
    out of its column, or when it looks like hardly any other. Where a dependency or the place of a decimal
    point tells the value, a train row gets it; a held-out row is flagged and stays as it is. What is said of
    a row is a function of that row and of train rows; a train row is judged by the others. score of a cell:
    how likely it is as it stands; of a row: the lowest of its cells. Columns that repeat another are flagged
    as a whole; those that hold one value everywhere are for `fitness` to name.
    """

    name = "cells"
    actions: ClassVar[tuple[Action, ...]] = ("flag", "set")

    action: Literal["flag", "set"] = Field(
        "set", description="set: in train rows, where the value is known; else only flag"
    )

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Name the cells, and what they should be."""
        kind = signals.modality
        if not isinstance(kind, FindsCells):
            raise NotApplicable(f"rows of {data.modality} have no cells to judge one by one")
        if data.is_train.sum() < 2:
            raise NotApplicable(f"{data.is_train.sum()} train rows, nothing to compare cells with")
        found = kind.wrong_cells(data.content, data.is_train, self.options)
        scores, edits = np.ones(data.n_rows), []
        for cell in found.cells:
            scores[cell.row] = min(scores[cell.row], cell.score)
            sets = cell.repaired and data.is_train[cell.row]
            action: Action = self.action if sets else "flag"
            edits.append(
                Edit(
                    data.ids[cell.row],
                    "wrong_cell",
                    cell.score,
                    action,
                    f"{cell.column}: {cell.because}",
                    cell.column,
                    data.table[cell.column][cell.row].as_py() if action == "set" else None,
                    cell.value if action == "set" else None,
                )
            )
        for column, issue, because in found.columns:
            edits.append(Edit(None, issue, 0.0, "flag", because, column))
        metrics = {"wrong_cells": dict(sorted(Counter(cell.column for cell in found.cells).items()))}
        return Findings.of(
            self.name, edits, [("wrong_cell", data.ids, scores)], fitted=found.learnt, metrics=metrics
        )
