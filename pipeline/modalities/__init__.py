"""Modalities: what a row's content is, and what can be done with it. One module or folder each.

Stages never ask which modality they have; they call this Protocol. Methods that end in a table or an array
take the content columns of many rows at once (columnar, so that compiled code can read Arrow's buffers);
methods about one row take its content cells as a mapping.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol

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


class Modality(Protocol):
    """What each modality offers. What only some can is in `pipeline.abilities`.

    `options` are the validated `[stages.<modality>]` settings of the calling stage.
    """

    name: str
    near_copy: float  # similarity at or above which two rows are near copies, if the user names none
    stage_options: Mapping[str, type[BaseModel]]  # stage name -> model of its modality's own settings
    encoders: Mapping[str, str]  # name of an embedding encoder -> what it is
    built_on: tuple[str, ...]  # other modalities whose code it calls
    labelled: bool  # whether a label column may be guessed; not where content is its own target

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

    def passages(self, cells: Mapping[str, Any]) -> list[str]:
        """Return the texts of a row that are compared with a benchmark's, its main one first."""
        ...

    def picture(self, cells: Mapping[str, Any], side_px: int) -> bytes | None:
        """Return the row as a small JPEG for reports, at most `side_px` a side; None where text says it."""
        ...


def code_of(kind: Modality) -> tuple[str, ...]:
    """Return the packages whose code a modality runs: its own and those it is built on, for cache keys."""
    return tuple(f"{__name__}.{name}" for name in (kind.name, *kind.built_on))


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
