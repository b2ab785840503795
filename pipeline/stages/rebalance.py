"""Balance the classes of the train rows: weights, copies or fewer rows."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.apply import make_children
from pipeline.dataset import PARENTS, WEIGHT, Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.signals.engine import Signals
from pipeline.slices import mask
from pipeline.stage import NotApplicable, Stage


class Rebalance(Stage, frozen=True):
    """Class weights, or imbalanced-learn's random over- and under-sampling, with lineage.

    weights: w(c) = (n_max / n_c)^strength, scaled to mean 1 over the train rows; `focus` rows count double.
    over, under: classes are brought to n_max (n_min) to the power `strength`; copies name their parent.
    class_imbalance score of a row: n_c / n_max, in (0, 1].
    Lemaitre, Nogueira & Aridas, JMLR 2017. Cost: O(n).
    """

    name = "rebalance"
    actions: ClassVar[tuple[Action, ...]] = ("set", "add", "drop", "flag")
    needs: ClassVar[tuple[str, ...]] = ("measures",)
    rebuilt: ClassVar[bool] = True

    method: Literal["weights", "over", "under"] = "weights"
    strength: float = Field(
        0.5, gt=0, le=1, description="1 makes the classes equal, towards 0 leaves them as they are"
    )
    min_ratio: float = Field(2.0, ge=1, description="largest to smallest class below which nothing is done")
    focus: tuple[str, ...] = Field(
        (), description="slices that count double, set by the evaluation of the last round"
    )
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
            edit = Edit(
                None,
                "class_imbalance",
                least / most,
                "flag",
                f"largest class is {most / least:.2f} times the "
                f"smallest, below min_ratio={self.min_ratio}: nothing to do",
            )
            return Findings.of(self.name, [edit], scores, metrics=metrics)
        if self.method == "weights":
            return Findings.of(
                self.name, self._weights(data, train, names, counts, focus), scores, metrics=metrics
            )
        edits, added = self._resample(data, train, names, counts, focus)
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

    def _resample(
        self, data: Dataset, train: np.ndarray, names: list[str], counts: Counter[str], focus: np.ndarray
    ) -> tuple[list[Edit], pa.Table | None]:
        from imblearn.over_sampling import RandomOverSampler
        from imblearn.under_sampling import RandomUnderSampler

        goal = max(counts.values()) if self.method == "over" else min(counts.values())
        target = {name: round(n * (goal / n) ** self.strength) for name, n in counts.items()}
        sampler = RandomOverSampler if self.method == "over" else RandomUnderSampler
        resample = sampler(sampling_strategy=target, random_state=self.seed)
        resample.fit_resample(np.arange(len(train)).reshape(-1, 1), names)
        drawn = Counter(resample.sample_indices_.tolist())
        if self.method == "under":
            return [
                Edit(
                    data.ids[train[k]],
                    "class_imbalance",
                    counts[name] / max(counts.values()),
                    "drop",
                    f"class {name} is cut from {counts[name]} to {target[name]} rows",
                )
                for k, name in enumerate(names)
                if k not in drawn
            ], None
        copies = [k for k in range(len(train)) for _ in range(drawn[k] - 1 + int(focus[train[k]]))]
        if not copies:
            return [], None
        added = make_children(
            data, [{PARENTS: [data.ids[train[k]]]} for k in copies], self.name, self.model_dump_json()
        )
        edits = [
            Edit(
                row_id,
                "class_imbalance",
                counts[names[k]] / goal,
                "add",
                f"copy of {data.ids[train[k]]}: class {names[k]} grows from {counts[names[k]]} "
                f"to {target[names[k]]} rows" + (", in focus" if focus[train[k]] else ""),
                related=[data.ids[train[k]]],
            )
            for row_id, k in zip(added["row_id"].to_pylist(), copies, strict=True)
        ]
        return edits, added
