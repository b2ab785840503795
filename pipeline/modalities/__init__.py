"""Modalities: what a row's content is, and what can be done with it. One module or folder each.

Stages never ask which modality they have; they call this Protocol. Methods that end in a table or an array
take the content columns of many rows at once (columnar, so that compiled code can read Arrow's buffers);
methods about one row take its content cells as a mapping.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel


class Shingles(NamedTuple):
    """Sets of 64-bit hashes, one set a row, in CSR form.

    Row i owns hashes[offsets[i]:offsets[i + 1]], sorted, unique.
    """

    offsets: np.ndarray  # (n + 1,) int64
    hashes: np.ndarray  # (m,) uint64


class Pairs(NamedTuple):
    """Pairs of rows by position, left < right, sorted."""

    left: np.ndarray  # (m,) int64
    right: np.ndarray  # (m,) int64
    similarity: np.ndarray  # (m,) float64 in [0, 1]


class Intake(NamedTuple):
    """A table whose content columns have the modality's own form.

    table : the rows in the order they came, unreadable ones included. content : its content columns.
    unreadable : position -> reason, of rows that go to quarantine. notes : what was met on the way.
    """

    table: pa.Table
    content: tuple[str, ...]
    unreadable: Mapping[int, str] = {}
    notes: tuple[str, ...] = ()


class Rule(NamedTuple):
    """A bound on a measure: outside [low, high] a row has `issue`."""

    measure: str
    issue: str
    low: float
    high: float
    action: str  # flag or drop
    meaning: str  # completes "{value} {unit}: ..."


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
    """A cell that `repair_rows` repairs: row by position, what it becomes and what was wrong, in words."""

    row: int
    column: str
    value: Any
    reasons: list[str]


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


class Modality(Protocol):
    """What each modality offers.

    `options` are the validated `[stages.<modality>]` settings of the calling stage.
    """

    name: str
    near_copy: float  # similarity at or above which two rows are near copies, if the user names none
    stage_options: Mapping[str, type[BaseModel]]  # stage name -> model of its modality's own settings
    encoders: Mapping[str, str]  # name of an embedding encoder -> what it is

    def content_columns(self, table: pa.Table, taken: set[str]) -> tuple[str, ...]:
        """Guess the content columns among those not `taken` by a role; empty when nothing fits."""
        ...

    def intake(self, table: pa.Table, content: tuple[str, ...]) -> Intake:
        """Bring the content columns, as they were read, into the modality's own form. Idempotent.

        Content that has this form already is left as it is; so is every column that is not content.
        """
        ...

    def fit(self, content: pa.Table) -> dict[str, Any]:
        """Learn JSON state (means, categories) from *train* rows, for `embed` and `views`; {} for none."""
        ...

    def repair(self, column: str, cell: Any, options: Any, state: Mapping[str, Any]) -> tuple[Any, list[str]]:
        """Return the repaired cell and what was wrong, in words; the same cell and [] when nothing is."""
        ...

    def identity(self, content: pa.Table) -> np.ndarray:
        """(n,) of str: rows with the same string are exact copies for every practical purpose."""
        ...

    def pairs(self, content: pa.Table, floor: float, is_train: np.ndarray | None) -> Pairs:
        """Every two rows whose similarity, in [0, 1], is at least `floor`; see `signals.pairs.NearPairs`.

        With `is_train` (n,) train-train and held-out-train pairs only, without it all with all.
        """
        ...

    def embed(self, content: pa.Table, state: Mapping[str, Any], options: Mapping[str, Any]) -> np.ndarray:
        """(n, d) float32, one vector a row, a function of the row alone (given `state`).

        Raises `NotApplicable` when the encoder is not installed.
        """
        ...

    def views(self, content: pa.Table, is_train: np.ndarray) -> dict[str, Any]:
        """Cheap feature matrices (n, f), dense or CSR, beside the embeddings, fitted on train rows only."""
        ...

    def measure(self, content: pa.Table) -> pd.DataFrame:
        """(n, m) numbers with their units in the name: `n_words`, `length_chars`, `missing_fraction`."""
        ...

    def rules(self, options: Any, train: pd.DataFrame) -> list[Rule]:
        """Return the bounds on the measures that `quality` checks.

        train : the measures of the train rows, where what is usual can be learnt.
        """
        ...

    def perturb(self, cells: Mapping[str, Any], seed: int, options: Any) -> tuple[dict[str, Any], str]:
        """Return a label-preserving variation of a row's content, and how it was made.

        A function of (cells, seed).
        """
        ...

    def between(self, one: Mapping[str, Any], other: Mapping[str, Any], share: float) -> dict[str, Any]:
        """Return the content that lies `share` of the way from one row to another, in [0, 1].

        Raises `NotApplicable` where content has no in-between.
        """
        ...

    def show(self, cells: Mapping[str, Any]) -> str:
        """Return the row as plain text for reports, not shortened, not escaped."""
        ...

    def picture(self, cells: Mapping[str, Any], side_px: int) -> bytes | None:
        """Return the row as a small JPEG for reports, at most `side_px` a side; None where text says it."""
        ...


# What a modality may offer besides; one that does not has nothing to say.


def labelled(kind: Modality) -> bool:
    """Whether a label may be guessed among its columns (`labelled`): no, where content is its own target."""
    return bool(getattr(kind, "labelled", True))


def check(kind: Modality, content: pa.Table, is_train: np.ndarray, options: Any) -> Checks:
    """Return what the modality's own checks find (`check(content, is_train, options)`), for `quality`.

    Nothing about a row may depend on another row that is held out.
    """
    found = getattr(kind, "check", None)
    return found(content, is_train, options) if found else Checks()


def clash_signals(kind: Modality) -> tuple[str, ...]:
    """Return the signals that the modality's `clashes` reads."""
    return tuple(getattr(kind, "clash_signals", ()))


def offers_clashes(kind: Modality) -> bool:
    """Whether the modality knows what its rows ask and answer."""
    return hasattr(kind, "clashes")


def clashes(
    kind: Modality, content: pa.Table, is_train: np.ndarray, signals: Any, options: Any
) -> list[Clash]:
    """Return the train rows that contradict each other (`clashes(...)`), for `duplicates`."""
    found = getattr(kind, "clashes", None)
    return found(content, is_train, signals, options) if found else []


def built_on(kind: Modality) -> tuple[str, ...]:
    """Return the modalities whose code the modality calls (`built_on`); cache keys hold their digests."""
    return tuple(f"{__name__}.{name}" for name in (kind.name, *getattr(kind, "built_on", ())))


def passages(kind: Modality, cells: Mapping[str, Any]) -> list[str]:
    """Return the texts of a row that are compared with a benchmark's, its main one first (`passages`)."""
    found = getattr(kind, "passages", None)
    return found(cells) if found else [kind.show(cells)]


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


@cache
def modality(name: str) -> Modality:
    """Return a modality by the name of its module. Raises `KeyError` naming those that exist.

    >>> modality("text").name
    'text'
    """
    if name not in modality_names():
        raise KeyError(f"modality {name!r} is none of {', '.join(modality_names())}")
    return importlib.import_module(f"{__name__}.{name}").MODALITY


@cache
def modality_names() -> tuple[str, ...]:
    """Names of all modalities."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(__path__)))
