"""A row budget spent well: which train rows to keep when not all can be trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from pipeline.coreset import MOST, facility_location, k_centre
from pipeline.dataset import Dataset
from pipeline.doubts import Doubts, doubts_of
from pipeline.findings import Action, Edit, Findings
from pipeline.hashing import cell_json
from pipeline.labels import classes_in
from pipeline.signals.engine import Signals
from pipeline.stage import NotApplicable, Stage


class Select(Stage, frozen=True):
    """Train rows beyond a budget, dropped anew every round; nothing is learnt from a row's being dropped.

    Each class gets its part of the budget (largest remainders, at least one row where the budget allows) and
    keeps the first of its rows in the order of the method: by a hash of (seed, row id); by what covers the
    class best in embedding space; by the lowest of a row's scores, best first; by how sure out-of-fold
    probabilities are of its label, or by the modality's own `difficulty` where it measures one.
    score(i) = 1 - (place of i in its class's order) / (rows of the class). A row of several classes belongs
    to the rarest. Cost: O(n); diverse: O(n^2) within a class, of which at most 4,000 rows are looked at.
    """

    name = "select"
    needs: ClassVar[tuple[str, ...]] = ("embeddings", "neighbors", "pred_probs", "measures")
    actions: ClassVar[tuple[Action, ...]] = ("drop",)
    rebuilt: ClassVar[bool] = True

    budget: int | float | None = Field(
        None, gt=0, description="train rows to keep, 1 is one row; below 1, the fraction of them"
    )
    method: Literal["random", "stratified", "diverse", "quality", "difficulty"] = Field(
        "diverse", description="random: from all rows alike; the others class by class"
    )
    equal: bool = Field(False, description="classes keep equally many rows, not their share of the rows")
    cover: Literal["facility_location", "k_centre"] = Field(
        "facility_location", description="diverse: rows that stand for many, or rows far from each other"
    )
    prefer: Literal["hard", "ambiguous", "easy"] = Field(
        "ambiguous", description="difficulty: lowest probability of the label, closest call, or highest"
    )
    seed: int = 0

    @field_validator("budget")
    @classmethod
    def _whole_or_a_fraction(cls, budget: int | float | None) -> int | float | None:
        if isinstance(budget, float) and budget >= 1 and (budget == 1 or budget != int(budget)):
            write = "1 for one row, none to keep all" if budget == 1 else "a whole one or a fraction below 1"
            raise ValueError(f"{budget!r} is no number of rows; write {write}")
        return budget

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Say which train rows the budget leaves out."""
        if self.budget is None:
            raise NotApplicable("no budget: set budget to a number of rows, or to a fraction below 1")
        train = np.flatnonzero(data.is_train)
        keep = min(round(self.budget * len(train)) if self.budget < 1 else int(self.budget), len(train))
        if keep >= len(train):
            raise NotApplicable(f"the budget of {keep:,} rows covers all {len(train):,} train rows")
        if not keep:
            raise NotApplicable(f"the budget is {self.budget:g} of {len(train):,} train rows, which is none")
        names = _strata(data, train) if self.method != "random" else ["all rows"] * len(train)
        members: dict[str, list[int]] = {}
        for i, name in zip(train.tolist(), names, strict=True):
            members.setdefault(name, []).append(i)
        classes = sorted(members)
        room = allot([len(members[c]) for c in classes], keep, self.equal)
        merit = self._merit(data, signals)
        edits, places = [], np.ones(data.n_rows)
        for name, k in zip(classes, room, strict=True):
            order = self._order(data, np.array(members[name]), k, merit, signals)
            n = len(order)
            for place, i in enumerate(order.tolist()):
                places[i] = 1 - place / n
                if place >= k:
                    because = f"{name} keeps {k} of {n} train rows by {self._by()}; this is no. {place + 1}"
                    edits.append(Edit(data.ids[i], "not_selected", places[i], "drop", because))
        metrics = {"kept": keep, "of": len(train), "by_class": dict(zip(classes, room, strict=True))}
        scores = [("not_selected", data.ids[train], places[train])]
        return Findings.of(self.name, edits, scores, metrics=metrics)

    def _by(self) -> str:
        how = {"diverse": f" ({self.cover})", "difficulty": f" ({self.prefer} first)"}.get(self.method, "")
        chance = self.method in ("random", "stratified")
        return f"chance, seed {self.seed}" if chance else self.method + how

    def _order(
        self, data: Dataset, rows: np.ndarray, k: int, merit: np.ndarray | None, signals: Signals
    ) -> np.ndarray:
        """Return the rows of a class in the order in which they are kept."""
        drawn = rows[np.argsort([_draw(self.seed, str(data.ids[i])) for i in rows], kind="stable")]
        if merit is not None:
            return drawn[np.argsort(-merit[drawn], kind="stable")]
        if self.method != "diverse":
            return drawn
        vectors = np.asarray(signals["embeddings"], dtype=np.float64)[drawn[:MOST]]
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        cover = facility_location if self.cover == "facility_location" else k_centre
        chosen = cover(vectors / np.where(length > 0, length, 1.0), k)
        rest = np.setdiff1d(np.arange(len(drawn)), chosen)
        return drawn[np.r_[chosen, rest]]

    def _merit(self, data: Dataset, signals: Signals) -> np.ndarray | None:
        """(n,) what a row is kept by, the highest first; None where that is chance or cover."""
        if self.method == "quality":
            return _lowest_score(data, signals)
        if self.method != "difficulty":
            return None
        measures = signals["measures"]
        if "difficulty" in measures.columns:
            hard = measures["difficulty"].to_numpy(dtype=np.float64, na_value=np.nan)
            middle = float(np.nanmedian(hard[data.is_train]))
            hard = np.where(np.isfinite(hard), hard, middle)
            return {"hard": hard, "easy": -hard, "ambiguous": -np.abs(hard - middle)}[self.prefer]
        doubts = doubts_of(data, signals["pred_probs"], 0.0)
        sure = _spread(data, doubts, doubts.p_given)
        close = _spread(data, doubts, -np.abs(doubts.gap))
        return {"hard": -sure, "easy": sure, "ambiguous": close}[self.prefer]


def allot(sizes: Sequence[int], keep: int, equal: bool) -> list[int]:
    """Return how many rows each class keeps, `keep` in all and no class more than it has.

    >>> allot([90, 8, 2], 10, equal=False), allot([90, 8, 2], 12, equal=True)
    ([8, 1, 1], [5, 5, 2])
    """
    room = [0] * len(sizes)
    if keep >= len(sizes):
        room = [1] * len(sizes)
    wish = [keep / len(sizes) if equal else keep * n / sum(sizes) for n in sizes]
    while (left := keep - sum(room)) > 0:
        open_ = [c for c in range(len(sizes)) if room[c] < sizes[c]]
        c = max(open_, key=lambda c: (wish[c] - room[c], sizes[c], -c))
        short = min(int(wish[c] - room[c]), sizes[c] - room[c], left)
        room[c] += max(short, 1)
    return room


def _strata(data: Dataset, train: np.ndarray) -> list[str]:
    """Return each train row's class, of several the rarest, as people read it."""
    named = [[cell_json(c) for c in classes_in(data.labels[i])] for i in train]
    counts: dict[str, int] = {}
    for row in named:
        for name in row:
            counts[name] = counts.get(name, 0) + 1
    rarest = [min(row, key=lambda name: (counts[name], name), default="") for row in named]
    return [f"class {name}" if name else "no class" for name in rarest]


def _lowest_score(data: Dataset, signals: Signals) -> np.ndarray:
    """(n,) the lowest of: the label's score, how near its neighbours are, 0 where a rule is broken."""
    score = np.ones(data.n_rows)
    if data.roles.label is not None:
        doubts = doubts_of(data, signals["pred_probs"], 0.0)
        score = _spread(data, doubts, (1.0 - doubts.gap) / 2.0)
    far = signals["neighbors"].distance
    distance = np.nanmean(np.where(np.isfinite(far), far, np.nan), axis=1)
    known = np.sort(distance[data.is_train])
    score = np.minimum(score, 1.0 - np.searchsorted(known, distance) / max(len(known), 1))
    measures = signals["measures"]
    for rule in signals.modality.rules(None, measures[data.is_train]):
        values = measures[rule.measure].to_numpy(dtype=np.float64, na_value=np.nan)
        score = np.where((values < rule.low) | (values > rule.high), 0.0, score)
    return score


def _spread(data: Dataset, doubts: Doubts, values: np.ndarray) -> np.ndarray:
    """(n,) values of the doubted rows, their median where nothing is known of a label."""
    out = np.full(data.n_rows, float(np.median(values)))
    out[doubts.rows] = values
    return out


def _draw(seed: int, row_id: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{row_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
