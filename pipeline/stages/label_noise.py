"""Labels that out-of-sample predictions contradict."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.dataset import WEIGHT, Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.signals.engine import Signals
from pipeline.signals.pred_probs import PredProbs
from pipeline.slices import mask
from pipeline.stage import NotApplicable, Stage


class LabelNoise(Stage, frozen=True):
    """Train rows whose label is contradicted by out-of-fold probabilities of several cross-validated views.

    With p the probabilities of a row, g its given label and a the most probable one, m = p(a) - p(g).
    A row is an issue when m >= `margin`, or when cleanlab's confident learning finds it too and
    m >= margin / 2. Where fewer than `act_from` of the rows are found they are only flagged: labels that
    clean make most findings hard rows, not wrong ones (of such findings in MNIST, CIFAR-10 and Caltech-256
    people confirmed 15 to 20 %; Northcutt, Athalye & Mueller, NeurIPS 2021). score = (1 - m) / 2 where
    a != g, cleanlab's normalized margin: 0 = certainly wrong, above 0.5 = a agrees with g.
    Northcutt, Jiang & Chuang, JAIR 2021. Cost: that of `pred_probs`.
    """

    name = "label_noise"
    needs: ClassVar[tuple[str, ...]] = ("pred_probs", "measures")
    actions: ClassVar[tuple[Action, ...]] = ("flag", "drop", "set")

    margin: float = Field(
        0.2, ge=0, lt=1, description="how much more probable than the given label another must be"
    )
    action: Literal["flag", "drop", "relabel", "down_weight"] = Field(
        "drop", description="relabel: to the most probable class where it reaches `sure`, else drop"
    )
    act_from: float = Field(
        0.03,
        ge=0,
        le=1,
        description="found fraction of the rows below which they are flagged and nothing is done",
    )
    sure: float = Field(0.6, gt=0, le=1, description="probability from which a suggested label is used")
    weight: float = Field(0.2, ge=0, lt=1, description="factor on the weight of a row that is down-weighted")
    focus: tuple[str, ...] = Field(
        (), description="slices in which doubtful labels are flagged from half the margin on"
    )

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Say which labels are wrong, and which label would be right."""
        predicted = signals["pred_probs"]
        given = predicted.codes(data.labels)
        rows = np.flatnonzero(data.is_train & (given >= 0))
        if not len(rows):
            raise NotApplicable("no labelled train row that the probabilities speak of")
        probs, given = predicted.probs[rows], given[rows]
        gap, best = _margins(probs, given)
        doubtful = (gap >= self.margin / 2) & (gap > 0)
        found = (gap >= self.margin) | (_confident_learning(probs, given) & doubtful)
        watched = self._watched(data, signals)[rows] & doubtful & ~found
        action = self.action if found.mean() >= self.act_from else "flag"
        edits = [
            self._edit(data, rows[k], probs[k], given[k], best[k], predicted, action)
            for k in np.flatnonzero(found)
        ]
        for k in np.flatnonzero(watched):
            why = _contradiction(probs[k], given[k], best[k], predicted)
            because = f"in a slice that the last evaluation found weak; {why}"
            edits.append(Edit(data.ids[rows[k]], "label", _score(gap[k]), "flag", because))
        suggested = {data.ids[rows[k]]: predicted.classes[best[k]] for k in np.flatnonzero(found | watched)}
        return Findings.of(
            self.name, edits, [("label", data.ids[rows], np.round((1 - gap) / 2, 6))],
            metrics={"precision": _precision(probs, given, found, self.act_from), "suggested": suggested,
                     "cut_score": (1 - self.margin) / 2, "views": predicted.weights,
                     "probabilities": signals.origins.get("pred_probs", "computed")},
        )  # fmt: skip

    def _edit(
        self, data: Dataset, i: int, p: np.ndarray, given: int, best: int, predicted: PredProbs, action: str
    ) -> Edit:
        because, score = _contradiction(p, given, best, predicted), _score(p[best] - p[given])
        if action == "relabel" and p[best] >= self.sure:
            column, before = str(data.roles.label), data.labels[i]
            return Edit(data.ids[i], "label", score, "set", because, column, before, predicted.classes[best])
        if action == "down_weight":
            return Edit(data.ids[i], "label", score, "set", because, WEIGHT, 1.0, self.weight)
        return Edit(data.ids[i], "label", score, "flag" if action == "flag" else "drop", because)

    def _watched(self, data: Dataset, signals: Signals) -> np.ndarray:
        watched = np.zeros(data.n_rows, dtype=bool)
        for name in self.focus:
            watched |= mask(name, data, signals["measures"])
        return watched


def _margins(probs: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return p(best other class) - p(given), in [-1, 1], and the most probable class, both (n,)."""
    own = probs[np.arange(len(given)), given]
    others = probs.copy()
    others[np.arange(len(given)), given] = -1.0
    gap = others.max(axis=1) - own
    return gap, np.where(gap > 0, others.argmax(axis=1), given)


def _confident_learning(probs: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return what cleanlab's default filter flags, (n,) bool."""
    from cleanlab.filter import find_label_issues

    present = np.unique(given)
    if len(present) < 2:
        return np.zeros(len(given), dtype=bool)
    codes = np.searchsorted(present, given)
    part = probs[:, present]
    part = part / np.maximum(part.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray(find_label_issues(codes, part, n_jobs=1))


def _precision(probs: np.ndarray, given: np.ndarray, found: np.ndarray, act_from: float) -> dict[str, Any]:
    """Say how precise the found set is, and on what that rests."""
    if not found.any():
        return {"word": "unknown", "value": None, "rests_on": "nothing was found"}
    if found.mean() < act_from:
        rests_on = (
            f"{found.mean():.1%} of the rows were found; on labels that clean most findings are hard rows"
        )
        return {"word": "unknown", "value": None, "rests_on": rests_on}
    wrong = 1.0 - probs[np.flatnonzero(found), given[found]]
    rests_on = "the out-of-fold probabilities being calibrated; no answers were audited"
    return {"word": "estimated", "value": round(float(wrong.mean()), 4), "rests_on": rests_on}


def _score(gap: float) -> float:
    return round(float(1 - gap) / 2, 6)


def _contradiction(p: np.ndarray, given: int, best: int, predicted: PredProbs) -> str:
    own, other = predicted.classes[given], predicted.classes[best]
    return f"labelled {own}, but {other} has probability {p[best]:.2f} and {own} {p[given]:.2f}"
