"""Balance the classes of the train rows: weights, copies, rows in between, or fewer rows."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.apply import make_children
from pipeline.dataset import PARENTS, ROW_ID, WEIGHT, Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.signals.engine import Signals
from pipeline.slices import mask
from pipeline.stage import NotApplicable, Stage
from pipeline.synthesis import draws


class Rebalance(Stage, frozen=True):
    """Class weights, or imbalanced-learn's samplers, with lineage.

    weights: w(c) = (n_max / n_c)^strength, scaled to mean 1 over the train rows; `focus` rows count double.
    over, under: classes are brought to n_max (n_min) to the power `strength`; copies name their parent.
    smote, borderline_smote, adasyn: the rows that a class lacks lie between two of its rows, which they name
    as parents (see `pipeline.synthesis`); only for content that has an in-between, such as tables.
    tomek, enn: rows of the larger classes go where they are one of a pair of nearest rows of two classes
    (Tomek 1976), or where most of their 3 nearest rows are of another class (Wilson 1972).
    class_imbalance score of a row: n_c / n_max, in (0, 1].
    Lemaitre, Nogueira & Aridas, JMLR 2017. Cost: O(n); of those that need neighbours O(n^2 d).
    """

    name = "rebalance"
    actions: ClassVar[tuple[Action, ...]] = ("set", "add", "drop")
    needs: ClassVar[tuple[str, ...]] = ("measures", "embeddings")
    rebuilt: ClassVar[bool] = True

    method: Literal[
        "weights", "over", "under", "smote", "borderline_smote", "adasyn", "tomek", "enn"
    ] = "weights"
    strength: float = Field(
        0.5, gt=0, le=1, description="1 makes the classes equal, towards 0 leaves them as they are"
    )
    min_ratio: float = Field(2.0, ge=1, description="largest to smallest class below which nothing is done")
    focus: tuple[str, ...] = Field(
        (), description="slices that count double, set by the evaluation of the last round"
    )
    k_neighbors: int = Field(5, ge=1, description="smote, borderline_smote, adasyn: neighbours of the class")
    seed: int = 0

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Say which rows to weight, copy or drop."""
        labels = data.labels
        train = np.flatnonzero(data.is_train & np.array([label is not None for label in labels], dtype=bool))
        if any(isinstance(labels[i], list | dict) for i in train):
            raise NotApplicable("label cells hold several labels; rebalancing needs one class a row")
        names = [str(labels[i]) for i in train]
        counts = Counter(names)
        if len(counts) < 2:
            raise NotApplicable(f"{len(counts)} class(es) among the train rows; there is nothing to balance")
        most, least = max(counts.values()), min(counts.values())
        focus = np.zeros(data.n_rows, dtype=bool)
        for name in self.focus:
            focus |= mask(name, data, signals["measures"])
        metrics = {"imbalance_ratio": round(most / least, 4), "classes": dict(sorted(counts.items()))}
        scores = [("class_imbalance", data.ids[train], np.array([counts[name] / most for name in names]))]
        if most / least < self.min_ratio and not focus[train].any():
            return Findings.of(self.name, [], scores, metrics=metrics)  # about as many of each
        if self.method == "weights":
            return Findings.of(
                self.name, self._weights(data, train, names, counts, focus), scores, metrics=metrics
            )
        if self.method in ("under", "tomek", "enn"):
            kept = self._kept(data, train, names, counts, signals)
            cuts = self._cuts(data, train, names, counts, kept)
            return Findings.of(self.name, cuts, scores, metrics=metrics)
        if self.method == "over":
            made = self._copies(data, train, names, counts, focus)
        else:
            made = self._between(data, train, names, counts, signals)
        edits, added = self._grown(data, made, counts)
        return Findings.of(self.name, edits, scores, added, metrics=metrics)

    def _weights(
        self, data: Dataset, train: np.ndarray, names: list[str], counts: Counter[str], focus: np.ndarray
    ) -> list[Edit]:
        most = max(counts.values())
        weight = np.array([(most / counts[name]) ** self.strength for name in names])
        weight *= np.where(focus[train], 2.0, 1.0)
        weight /= weight.mean()
        edits = []
        for i, name, w in zip(train, names, weight, strict=True):
            value = float(f"{w:.6g}")
            if value != 1.0:
                edits.append(
                    Edit(
                        data.ids[i],
                        "class_imbalance",
                        counts[name] / most,
                        "set",
                        f"class {name} has {counts[name]} of at most {most} rows: weight {value:g}"
                        + (", in focus" if focus[i] else ""),
                        WEIGHT,
                        1.0,
                        value,
                    )
                )
        return edits

    def _target(self, counts: Counter[str]) -> dict[str, int]:
        """Return the rows each class is brought to."""
        down = self.method in ("under", "tomek", "enn")
        goal = min(counts.values()) if down else max(counts.values())
        return {name: round(n * (goal / n) ** self.strength) for name, n in counts.items()}

    def _kept(
        self, data: Dataset, train: np.ndarray, names: list[str], counts: Counter[str], signals: Signals
    ) -> set[int]:
        """Return which of the train rows an under-sampler keeps, by place in `train`."""
        from imblearn.under_sampling import EditedNearestNeighbours, RandomUnderSampler, TomekLinks

        if self.method == "under":
            sampler = RandomUnderSampler(sampling_strategy=self._target(counts), random_state=self.seed)
            sampler.fit_resample(np.arange(len(train)).reshape(-1, 1), names)
            return set(sampler.sample_indices_.tolist())
        larger = [name for name, n in counts.items() if n > min(counts.values())]
        cleaner = TomekLinks if self.method == "tomek" else EditedNearestNeighbours
        sampler = cleaner(sampling_strategy=larger)
        sampler.fit_resample(_rows(data, train, signals), np.array(names))
        return set(sampler.sample_indices_.tolist())

    def _cuts(
        self, data: Dataset, train: np.ndarray, names: list[str], counts: Counter[str], kept: set[int]
    ) -> list[Edit]:
        left = Counter(names[k] for k in kept)
        why = {"tomek": ", a Tomek link", "enn": ", most of its nearest rows are of other classes"}
        return [
            Edit(data.ids[train[k]], "class_imbalance", counts[name] / max(counts.values()), "drop",
                 f"class {name} is cut from {counts[name]} to {left[name]} rows{why.get(self.method, '')}")
            for k, name in enumerate(names)
            if k not in kept
        ]  # fmt: skip

    def _copies(
        self, data: Dataset, train: np.ndarray, names: list[str], counts: Counter[str], focus: np.ndarray
    ) -> list[_Made]:
        from imblearn.over_sampling import RandomOverSampler

        sampler = RandomOverSampler(sampling_strategy=self._target(counts), random_state=self.seed)
        sampler.fit_resample(np.arange(len(train)).reshape(-1, 1), names)
        drawn = Counter(sampler.sample_indices_.tolist())
        return [
            _Made({PARENTS: [data.ids[train[k]]]}, names[k],
                  f"copy of {data.ids[train[k]]}" + (" (in focus)" if focus[train[k]] else ""))
            for k in range(len(train))
            for _ in range(drawn[k] - 1 + int(focus[train[k]]))
        ]  # fmt: skip

    def _between(
        self, data: Dataset, train: np.ndarray, names: list[str], counts: Counter[str], signals: Signals
    ) -> list[_Made]:
        vectors, target = _rows(data, train, signals), self._target(counts)
        classes = sorted(counts)
        codes = np.array([classes.index(name) for name in names])
        cells = data.content.take(pa.array(train, pa.int64())).to_pylist()
        made = []
        for code, name in enumerate(classes):
            n = target[name] - counts[name]
            found = draws(vectors, codes, code, n, self.method, self.k_neighbors, self.seed)
            for i, j, share in zip(*(part.tolist() for part in found), strict=True):
                row = signals.modality.between(cells[i], cells[j], share)
                parents = [data.ids[train[i]], data.ids[train[j]]]
                how = f"{self.method}: {share:.0%} of the way from {parents[0]} to {parents[1]}"
                made.append(_Made({PARENTS: parents, **row}, name, how))
        return made

    def _grown(
        self, data: Dataset, made: list[_Made], counts: Counter[str]
    ) -> tuple[list[Edit], pa.Table | None]:
        if not made:
            return [], None
        added = make_children(data, [m.row for m in made], self.name, self.model_dump_json())
        grown = Counter(m.name for m in made)
        ids, parents = added[ROW_ID].to_pylist(), added[PARENTS].to_pylist()
        edits = [
            Edit(row_id, "class_imbalance", counts[m.name] / max(counts.values()), "add",
                 f"{m.how}: class {m.name} grows from {counts[m.name]} by {grown[m.name]} rows",
                 related=related)
            for row_id, related, m in zip(ids, parents, made, strict=True)
        ]  # fmt: skip
        return edits, added


class _Made(NamedTuple):
    row: dict[str, Any]  # its parents, the first of which it takes its other cells from, and its own cells
    name: str  # of its class
    how: str


def _rows(data: Dataset, train: np.ndarray, signals: Signals) -> np.ndarray:
    """(len(train), d) float64 embeddings; signals hold the ingested rows, which is what stages see."""
    return np.asarray(signals["embeddings"], np.float64)[train]
