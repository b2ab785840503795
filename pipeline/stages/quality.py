"""Measures out of bounds, what a modality checks in words, a label nobody else has."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from pipeline.abilities import ChecksRows
from pipeline.dataset import Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.hashing import cell_json
from pipeline.labels import classes_in, measured
from pipeline.modalities import Rule
from pipeline.signals.engine import Signals
from pipeline.stage import Stage


class Quality(Stage, frozen=True):
    """Rows whose measures leave the bounds of their modality, and labels seen only a handful of times.

    score of a measured row: 1 inside the bounds; outside, how much of the bound it reaches, in [0, 1).
    What no bound can say (a truncated answer, a format that was asked for) the modality's `check` says.
    """

    name = "quality"
    needs: ClassVar[tuple[str, ...]] = ("measures",)
    actions: ClassVar[tuple[Action, ...]] = ("flag", "drop")
    policy: ClassVar[tuple[str, ...]] = ("null", "rare_label", "no_answer", "empty_answer", "empty_prompt")

    min_label_rows: int = Field(
        3, ge=0, description="a label with fewer train rows is flagged as rare; 0 is off"
    )

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Check every rule of the modality on every row."""
        measures, edits, scores = signals["measures"], [], []
        for rule in signals.modality.rules(self.options, measures[data.is_train]):
            values = measures[rule.measure].to_numpy(dtype=np.float64)
            score = _score(values, rule)
            scores.append((rule.issue, data.ids, score))
            for i in np.flatnonzero(score < 1):
                held_out = not data.is_train[i]
                action: Action = "flag" if held_out or rule.action == "flag" else "drop"
                because = f"{rule.measure} is {values[i]:g}, {_bounds(values[i], rule)}: {rule.meaning}"
                edits.append(Edit(data.ids[i], rule.issue, float(score[i]), action, because))
        self._checked(data, signals, edits, scores)
        gone = {edit.row_id for edit in edits if edit.action == "drop"}
        edits = [e for e in (*edits, *self._rare_labels(data)) if e.action == "drop" or e.row_id not in gone]
        return Findings.of(self.name, edits, scores)

    def _checked(self, data: Dataset, signals: Signals, edits: list[Edit], scores: list[Any]) -> None:
        """Add what the modality's own checks find."""
        kind = signals.modality
        if not isinstance(kind, ChecksRows):
            return
        found = kind.check(data.content, data.is_train, self.options)
        score = {issue: np.ones(data.n_rows) for issue in found.examined}
        for fault in found.faults:
            if fault.row is None:
                edits.append(Edit(None, fault.issue, fault.score, "flag", fault.because))
                continue
            of_issue = score[fault.issue]
            of_issue[fault.row] = min(of_issue[fault.row], fault.score)
            drops = fault.action == "drop" and data.is_train[fault.row]
            related = [data.ids[j] for j in fault.related]
            edits.append(Edit(data.ids[fault.row], fault.issue, fault.score, "drop" if drops else "flag",
                              fault.because, related=related))  # fmt: skip
        scores += [(issue, data.ids, values) for issue, values in score.items()]

    def _rare_labels(self, data: Dataset) -> list[Edit]:
        if self.min_label_rows and (why := measured(data)) is not None:
            why += "; name another label column, or cut this one into classes"
            return [Edit(None, "continuous_label", 0.0, "flag", why, data.roles.label)]
        train = [
            (row_id, sorted(map(cell_json, classes_in(label))))
            for row_id, label, t in zip(data.ids, data.labels, data.is_train, strict=True)
            if t and classes_in(label)
        ]
        counts = Counter(name for _, named in train for name in named)
        rarest = [(row_id, min(named, key=lambda name: (counts[name], name))) for row_id, named in train]
        return [
            Edit(
                row_id,
                "rare_label",
                counts[label] / self.min_label_rows,
                "flag",
                f"label {label} is on {counts[label]} train row(s), fewer than {self.min_label_rows}",
            )
            for row_id, label in rarest
            if counts[label] < self.min_label_rows
        ]


def _bounds(value: float, rule: Rule) -> str:
    """Say which bound a value is beyond; both where the rule has two.

    >>> _bounds(1.5, Rule("entropy", "low_information", 2, math.inf, "flag", "flat"))
    'below 2'
    >>> _bounds(9, Rule("ratio", "odd_aspect_ratio", 0.5, 2, "flag", "long"))
    'outside [0.5, 2]'
    """
    if math.isinf(rule.high) or (rule.low == 0 and value > rule.high):
        return f"below {rule.low:g}" if value < rule.low else f"above {rule.high:g}"
    return f"outside [{rule.low:g}, {rule.high:g}]"


def _score(values: np.ndarray, rule: Rule) -> np.ndarray:
    """1 inside [low, high]; below it value / low, above it high / value."""
    score = np.ones(len(values))
    below, above = values < rule.low, values > rule.high
    score[below] = np.clip(values[below] / rule.low if rule.low > 0 else 0.0, 0.0, 1.0 - 1e-9)
    score[above] = np.clip(rule.high / values[above], 0.0, 1.0 - 1e-9)
    return score
