"""Abilities: what some modalities offer beside the Protocol. A stage asks for the ability, never for a name.

One that does not have an ability has nothing to say there, or the stage says NotApplicable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa


class Fault(NamedTuple):
    """One thing wrong, in words, where a bound on a measure cannot say it; `row` None: with the whole."""

    row: int | None
    issue: str
    score: float  # in [0, 1], 0 = certainly bad
    action: str  # flag or drop
    because: str
    related: tuple[int, ...] = ()


class Checks(NamedTuple):
    """What a modality's own checks found: the issues that every row was examined for, and the faults."""

    examined: tuple[str, ...] = ()
    faults: Sequence[Fault] = ()


class Clash(NamedTuple):
    """Two rows that ask the same and answer otherwise."""

    left: int
    right: int
    score: float  # in [0, 1], 0 = certainly a contradiction
    because: str  # completes "row ... asks the same: ..."


class Change(NamedTuple):
    """A cell that `repair_rows` repairs: row by position, what it becomes and what was wrong, in words.

    usual : the cell is written as its column writes all of them, so the change says nothing against the row.
    """

    row: int
    column: str
    value: Any
    reasons: list[str]
    usual: bool = False


class CellFinding(NamedTuple):
    """A cell that is wrong. score in [0, 1], 0 = certainly; `value` is what it should be if `repaired`."""

    row: int
    column: str
    score: float
    because: str
    value: Any
    repaired: bool


class CellsFound(NamedTuple):
    """Wrong cells, odd columns as (column, issue, because), and what was learnt from train rows, as JSON."""

    cells: list[CellFinding]
    columns: list[tuple[str, str, str]]
    learnt: dict[str, Any]


@runtime_checkable
class ChecksRows(Protocol):
    """What a modality offers whose faults no bound on a measure can say."""

    def check(self, content: pa.Table, is_train: np.ndarray, options: Any) -> Checks:
        """Find faults, for `quality`. Nothing about a row may depend on another row that is held out."""
        ...


@runtime_checkable
class RanksCopies(Protocol):
    """What a modality offers whose copies hold more or less of the same thing."""

    def merit(self, content: pa.Table, rows: np.ndarray) -> np.ndarray:
        """(m, k) int64 for the rows at m positions, for `duplicates`: of copies the row that is more is kept.

        The first column decides, then the second and so on; what a row gets is a function of that row alone.
        """
        ...


@runtime_checkable
class FindsClashes(Protocol):
    """What a modality offers whose rows ask something and answer it."""

    clash_signals: tuple[str, ...]  # what `clashes` reads

    def clashes(self, content: pa.Table, is_train: np.ndarray, signals: Any, options: Any) -> list[Clash]:
        """Return the train rows that contradict each other, for `duplicates`."""
        ...


@runtime_checkable
class RepairsRows(Protocol):
    """What a modality offers beside `repair` where a repair needs the whole row, as filling a cell does."""

    def fit_rows(self, content: pa.Table, options: Any) -> dict[str, Any]:
        """Learn JSON state for `repair_rows` from *train* rows: that of `fit`, and what the options need."""
        ...

    def repair_rows(self, content: pa.Table, options: Any, state: Mapping[str, Any]) -> list[Change]:
        """Repair every cell that is wrong, each as a function of its row and of `state`."""
        ...


@runtime_checkable
class FindsCells(Protocol):
    """What a modality offers whose rows have cells that can be judged one by one."""

    def wrong_cells(self, content: pa.Table, is_train: np.ndarray, options: Any) -> CellsFound:
        """Find wrong cells; what is said of a row depends on that row and on train rows only."""
        ...


@runtime_checkable
class VariesWithinClass(Protocol):
    """What a modality offers beside `perturb` where a variation depends on the rows of the same class."""

    def fit_variation(self, content: pa.Table, labels: np.ndarray) -> dict[str, Any]:
        """Learn JSON state for `vary` from *train* rows and their labels, (n,) of str."""
        ...

    def vary(
        self, cells: Mapping[str, Any], label: str, seed: int, options: Any, state: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str]:
        """Return a variation of a row that stays within its class, and how it was made."""
        ...
