"""Leakage-safe splits: copies, near copies and groups never straddle; stratified by label, or by time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from pydantic import BaseModel, Field, model_validator

from pipeline.dataset import SPLITS, Dataset
from pipeline.hashing import cell_json
from pipeline.ingest.folder import SPLIT_WORDS
from pipeline.ingest.source import InputError
from pipeline.ingest.units import units
from pipeline.labels import classes_in

RARE_ROWS = 10
RARE_FRACTION = 0.2  # where more rows than this have a rare label, rare labels count as one


class SplitPlan(BaseModel, frozen=True, extra="forbid"):
    """Fractions of the rows that are held out when the data names no splits; the rest is train."""

    test: float = Field(default=0.2, ge=0, lt=1)
    validation: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _leaves_train(self) -> SplitPlan:
        if self.test + self.validation >= 1:
            raise ValueError(f"test {self.test} and validation {self.validation} leave no train rows")
        return self


def complete(
    data: Dataset, given: dict[str, str] | None, plan: SplitPlan, seed: int, near: bool, own: bool
) -> tuple[np.ndarray, list[str], list[str]]:
    """(n,) splits: the user's, the held-out ones they lack, or all made; then guesses and notes."""
    splits = np.array([given[i] for i in data.ids] if given else ["train"] * data.n_rows, dtype=object)
    wanted = {"validation": plan.validation, "test": plan.test}
    wanted = {s: f for s, f in wanted.items() if f and not (splits == s).any()}
    train = splits == "train"
    if own or not wanted or not train.any():
        return splits, [], []
    left = 1 - sum(f for s, f in (("validation", plan.validation), ("test", plan.test)) if s not in wanted)
    fractions = {s: f / left for s, f in wanted.items()}
    fractions["train"] = 1 - sum(fractions.values())
    pool = data.where(train)
    unit, notes = units(pool, near)
    splits[train] = assign(pool, unit, fractions, seed)
    counts = ", ".join(f"{(splits == s).sum():,} {s}" for s in ("train", "validation", "test"))
    how = f"by the latest {data.roles.time!r}" if data.roles.time else f"stratified by label, seed {seed}"
    which = " and ".join(wanted)
    pool_name = "the train rows" if given else "all rows"
    guesses = [f"split: {which} made from {pool_name}, {how}, copies kept together: {counts}"]
    if empty := [s for s in wanted if not (splits == s).any()]:
        notes.append(f"split: no rows for {' and '.join(empty)}: too few rows are no copies of each other")
    return splits, guesses, notes


def stated(column: Any, name: str, where: str) -> list[str]:
    """Return the user's splits by our names.

    Raises
    ------
    InputError : a cell names no split.
    """
    for value in pc.unique(column).to_pylist():
        if str(value).strip().lower() not in SPLIT_WORDS:
            known = ", ".join(sorted(SPLIT_WORDS))
            raise InputError(f"{where}: split {value!r} in column {name!r} is none of {known} (rename it, "
                             "or name another split column)")
    return [SPLIT_WORDS[str(v).strip().lower()] for v in column.to_pylist()]


def assign(data: Dataset, unit: np.ndarray, fractions: dict[str, float], seed: int) -> np.ndarray:
    """(n,) of str: a split for each row, the same for all rows of a unit, whatever the row order.

    fractions : by split, in all 1.

    With a time column the latest units go to test, the next to validation; a unit is as late as its latest
    row. Otherwise units, in the order of hash(seed, smallest row id), go one by one to the split s with the
    largest sum over the unit's rows of quota(s, class) - have(s, class), train first among equals.
    """
    members: dict[int, list[int]] = {}
    for position, head in enumerate(unit.tolist()):
        members.setdefault(head, []).append(position)
    if data.roles.time:
        of_unit = _by_time(data, members, fractions)
    else:
        of_unit = _by_class(data, members, fractions, seed)
    return np.array([of_unit[head] for head in unit.tolist()], dtype=object)


def _by_class(
    data: Dataset, members: dict[int, list[int]], fractions: dict[str, float], seed: int
) -> dict[int, str]:
    classes = _classes(data.labels)
    total = Counter(c for row in classes for c in row)
    splits = [s for s in SPLITS if fractions.get(s, 0) > 0]
    short = {s: {c: fractions[s] * n for c, n in total.items()} for s in splits}  # quota - have, in rows
    out = {}
    for head in sorted(members, key=lambda h: _draw(seed, str(data.ids[h]))):
        counts = Counter(c for row in members[head] for c in classes[row])
        best = max(splits, key=lambda s: sum(k * short[s][c] for c, k in counts.items()))
        out[head] = best
        for c, k in counts.items():
            short[best][c] -= k
    return out


def _draw(seed: int, row_id: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{row_id}".encode(), digest_size=16).digest()


def _classes(labels: np.ndarray) -> list[list[Hashable]]:
    """Return what each row counts as: its label, each label of a list, the likeliest of a distribution."""
    of_text = {label: _class(label) for label in {v for v in labels if isinstance(v, str)}}
    rows = [of_text[v] if isinstance(v, str) else _class(v) for v in labels]
    total = Counter(c for row in rows for c in row)
    rare = {c for c, k in total.items() if k < RARE_ROWS}
    if sum(bool(rare & set(row)) for row in rows) > RARE_FRACTION * len(rows):
        return [[("rare",) if c in rare else c for c in row] for row in rows]
    return rows


def _class(label: Any) -> list[Hashable]:
    return [cell_json(c) for c in classes_in(label)] or [cell_json(label)]


def _by_time(data: Dataset, members: dict[int, list[int]], fractions: dict[str, float]) -> dict[int, str]:
    when = _times(data)
    latest = {head: max(when[row] for row in rows) for head, rows in members.items()}
    room = {s: fractions.get(s, 0) * data.n_rows for s in ("test", "validation")}
    out = {}
    for head in sorted(members, key=lambda h: (latest[h], h), reverse=True):
        split = next((s for s, rows in room.items() if rows >= 0.5), "train")
        out[head] = split
        if split != "train":
            room[split] -= len(members[head])
    return out


def _times(data: Dataset) -> list[float]:
    """(n,) times: numbers as they are, ISO 8601 texts and timestamps in seconds, missing ones first."""
    name = str(data.roles.time)
    cells = data.table[name].to_pylist()
    given = [v for v in cells if v is not None and v != ""]
    try:
        numbers = pd.to_numeric(pd.Series(given, dtype=object)).to_numpy(dtype=float)
    except (ValueError, TypeError):
        try:
            stamps = pd.to_datetime(pd.Series([str(v) for v in given]), format="ISO8601", utc=True)
        except ValueError as error:
            what = str(error).split(",")[0]
            raise InputError(f"time column {name!r}: {what} (use 2024-01-31T12:00 or numbers)") from error
        numbers = stamps.dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6
    rest = iter(numbers.tolist())
    return [-np.inf if v is None or v == "" else next(rest) for v in cells]
