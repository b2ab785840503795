"""Leakage-safe splits: copies, near copies and groups never straddle; stratified by label, or by time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from pydantic import BaseModel, Field, model_validator

from pipeline.dataset import SPLITS, Dataset, cell_json
from pipeline.ingest.source import InputError
from pipeline.modalities import modality
from pipeline.signals.pairs import clusters, near_pairs
from pipeline.stage import NotApplicable

FLOORS = (0.5, 0.7, 0.9)  # Jaccard similarity; the next one is tried when one cluster swallows too much
SWALLOWED_FRACTION = 0.2
RARE_FRACTION = 0.2  # when rows of rare labels are more than this, labels are nearly unique and rare ones count as one


class SplitPlan(BaseModel, frozen=True, extra="forbid"):
    """Fractions of the rows that are held out when the data names no splits; the rest is train."""

    test: float = Field(0.2, ge=0, lt=1)
    validation: float = Field(0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _leaves_train(self) -> SplitPlan:
        if self.test + self.validation >= 1:
            raise ValueError(f"test {self.test} and validation {self.validation} leave no train rows")
        return self


def units(data: Dataset, near: bool = True) -> tuple[np.ndarray, list[str]]:
    """(n,) int64: the smallest position in each row's unit, and notes. Rows of a unit belong in one split.

    Units are the connected components over equal content (`Modality.identity`), near-duplicate pairs of Jaccard
    similarity >= 0.5, and equal groups. When one near-duplicate component holds more than a fifth of the rows
    (rows made from one template), the similarity asked for rises to 0.7, then 0.9.
    """
    kind = modality(data.modality)
    firm = [_chain(kind.identity(data.content))]
    if data.roles.group is not None:
        firm.append(_chain(np.array([cell_json(v) if v is not None else "" for v in data.table[data.roles.group].to_pylist()], dtype=object)))
    left, right = (np.concatenate([pair[k] for pair in firm]) for k in (0, 1))
    whole = clusters(data.n_rows, left, right)
    if not near:
        return whole, []
    try:
        pairs = near_pairs(kind.signature(data.content), FLOORS[0])
    except NotApplicable as why:
        return whole, [f"split: near copies may straddle splits: {why}"]
    for floor in FLOORS:
        keep = pairs.similarity >= floor
        cluster = clusters(data.n_rows, pairs.left[keep], pairs.right[keep])
        if np.bincount(cluster, minlength=1).max(initial=0) <= max(SWALLOWED_FRACTION * data.n_rows, 10):
            break
    note = [] if floor == FLOORS[0] else [
        f"split: many rows look alike, so only rows of similarity {floor} and more are kept together"]
    return clusters(data.n_rows, np.concatenate([left, pairs.left[keep]]), np.concatenate([right, pairs.right[keep]])), note


def assign(data: Dataset, unit: np.ndarray, fractions: dict[str, float], seed: int) -> np.ndarray:
    """(n,) of str: a split for each row, the same for all rows of a unit, whatever the row order.

    fractions : by split, in all 1.

    With a time column the latest units go to test, the next to validation; a unit is as late as its latest row.
    Otherwise units, in the order of hash(seed, smallest row id), go one by one to the split s with the largest
    sum over the unit's rows of quota(s, class) - have(s, class), train first among equals.
    """
    members: dict[int, list[int]] = {}
    for position, head in enumerate(unit.tolist()):
        members.setdefault(head, []).append(position)
    of_unit = _by_time(data, members, fractions) if data.roles.time else _by_class(data, members, fractions, seed)
    return np.array([of_unit[head] for head in unit.tolist()], dtype=object)


def _by_class(data: Dataset, members: dict[int, list[int]], fractions: dict[str, float], seed: int) -> dict[int, str]:
    classes = _classes(data.labels)
    total = Counter(c for row in classes for c in row)
    splits = [s for s in SPLITS if fractions.get(s, 0) > 0]
    short = {s: {c: fractions[s] * n for c, n in total.items()} for s in splits}  # quota - have, in rows
    out = {}
    for head in sorted(members, key=lambda h: hashlib.blake2b(f"{seed}\0{data.ids[h]}".encode(), digest_size=16).digest()):
        counts = Counter(c for row in members[head] for c in classes[row])
        best = max(splits, key=lambda s: sum(k * short[s][c] for c, k in counts.items()))  # noqa: B023 - used at once
        out[head] = best
        for c, k in counts.items():
            short[best][c] -= k
    return out


def _classes(labels: Iterable[Any]) -> list[list[Hashable]]:
    """Return what each row counts as: its label, each label of a list, the likeliest of a distribution."""
    rows = [_class(label) for label in labels]
    total = Counter(c for row in rows for c in row)
    rare = {c for c, k in total.items() if k < 10}
    if sum(bool(rare & set(row)) for row in rows) > RARE_FRACTION * len(rows):
        return [[("rare",) if c in rare else c for c in row] for row in rows]
    return rows


def _class(label: Any) -> list[Hashable]:
    if isinstance(label, list | tuple):
        return [cell_json(v) for v in label] or ["[]"]
    if isinstance(label, dict):
        return [max(sorted(label), key=lambda k: label[k] or 0.0)] if label else ["{}"]
    return [cell_json(label)]


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
    """(n,) times as numbers: as they are, or seconds of an ISO 8601 text or a timestamp; missing is the earliest."""
    name = str(data.roles.time)
    cells = data.table[name].to_pylist()
    given = [v for v in cells if v is not None and v != ""]
    try:
        numbers = pd.to_numeric(pd.Series(given, dtype=object)).to_numpy(dtype=float)
    except (ValueError, TypeError):
        try:
            stamps = pd.to_datetime(pd.Series([str(v) for v in given]), format="ISO8601", utc=True)
        except ValueError as error:
            raise InputError(f"time column {name!r}: {str(error).split(',')[0]} (write times as 2024-01-31T12:00 or as numbers)") from error
        numbers = stamps.dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6
    rest = iter(numbers.tolist())
    return [-np.inf if v is None or v == "" else next(rest) for v in cells]


def _chain(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of positions that connect all rows of equal key; the empty key connects nothing."""
    codes = pd.factorize(keys)[0]
    codes = np.where(keys == "", -1, codes)
    order = np.argsort(codes, kind="stable")
    same = (codes[order][1:] == codes[order][:-1]) & (codes[order][1:] >= 0)
    return order[:-1][same].astype(np.int64), order[1:][same].astype(np.int64)


def stated(column: Any, name: str, where: str, words: dict[str, str]) -> np.ndarray:
    """(n,) of str: the user's splits by our names.

    Raises
    ------
    InputError : a cell names no split.
    """
    for value in pc.unique(column).to_pylist():
        if str(value).strip().lower() not in words:
            raise InputError(f"{where}: split {value!r} in column {name!r} is none of {', '.join(sorted(words))} (rename it, "
                             "or name another split column)")
    return np.array([words[str(v).strip().lower()] for v in column.to_pylist()], dtype=object)
