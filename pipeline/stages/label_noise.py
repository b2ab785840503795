"""Labels that out-of-sample predictions contradict."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.dataset import WEIGHT, Dataset
from pipeline.doubts import Doubts, doubts_of
from pipeline.findings import Action, Edit, Findings
from pipeline.signals.engine import Signals
from pipeline.slices import mask
from pipeline.stage import Stage


class LabelNoise(Stage, frozen=True):
    """Train rows whose label is contradicted by out-of-fold probabilities of several cross-validated views.

    With p the probabilities of a row, g its given label and a the most probable one, m = p(a) - p(g).
    A row is an issue when m >= `margin`, or when cleanlab's confident learning finds it too and
    m >= margin / 2. Where fewer than `act_from` of the rows are found they are only flagged: labels that
    clean make most findings hard rows, not wrong ones (of such findings in MNIST, CIFAR-10 and Caltech-256
    people confirmed 15 to 20 %; Northcutt, Athalye & Mueller, NeurIPS 2021). score = (1 - m) / 2 where
    a != g, cleanlab's normalized margin: 0 = certainly wrong, above 0.5 = a agrees with g.
    Northcutt, Jiang & Chuang, JAIR 2021. Lists are doubted class by class and the worst one
    decides; of annotators' votes the majority is doubted, against their consensus: `pipeline.doubts`.
    Cost: that of `pred_probs`.
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
        doubts = doubts_of(data, predicted, self.margin)
        rows, gap = doubts.rows, doubts.gap
        doubtful = (gap >= self.margin / 2) & (gap > 0)
        found = (gap >= self.margin) | (doubts.confident & doubtful)
        watched = self._watched(data, signals)[rows] & doubtful & ~found
        action = self.action if found.mean() >= self.act_from else "flag"
        edits = [self._edit(data, doubts, k, action) for k in np.flatnonzero(found).tolist()]
        for k in np.flatnonzero(watched).tolist():
            because = f"in a slice that the last evaluation found weak; {doubts.why(k)}"
            edits.append(Edit(data.ids[rows[k]], "label", _score(gap[k]), "flag", because))
        suggested = {data.ids[rows[k]]: doubts.right(k) for k in np.flatnonzero(found | watched).tolist()}
        scores = [("label", data.ids[rows], np.round((1 - gap) / 2, 6))]
        scores += [(issue, data.ids[rows], np.round(of, 6)) for issue, of in doubts.scores.items()]
        return Findings.of(
            self.name, edits, scores,
            metrics={"precision": _precision(doubts.p_given, found, self.act_from), "suggested": suggested,
                     "cut_score": (1 - self.margin) / 2, "views": predicted.weights, **doubts.metrics,
                     "probabilities": signals.origins.get("pred_probs", "computed")},
        )  # fmt: skip

    def _edit(self, data: Dataset, doubts: Doubts, k: int, action: str) -> Edit:
        i, because, score = doubts.rows[k], doubts.why(k), _score(doubts.gap[k])
        if action == "relabel" and doubts.p_right[k] >= self.sure:
            column, before = str(data.roles.label), data.labels[i]
            return Edit(data.ids[i], "label", score, "set", because, column, before, doubts.right(k))
        if action == "down_weight":
            return Edit(data.ids[i], "label", score, "set", because, WEIGHT, 1.0, self.weight)
        return Edit(data.ids[i], "label", score, "flag" if action == "flag" else "drop", because)

    def _watched(self, data: Dataset, signals: Signals) -> np.ndarray:
        watched = np.zeros(data.n_rows, dtype=bool)
        for name in self.focus:
            watched |= mask(name, data, signals["measures"])
        return watched


def _precision(p_given: np.ndarray, found: np.ndarray, act_from: float) -> dict[str, Any]:
    """Say how precise the found set is, and on what that rests."""
    if not found.any():
        return {"word": "unknown", "value": None, "rests_on": "nothing was found"}
    if found.mean() < act_from:
        rests_on = (
            f"{found.mean():.1%} of the rows were found; on labels that clean most findings are hard rows"
        )
        return {"word": "unknown", "value": None, "rests_on": rests_on}
    rests_on = "the out-of-fold probabilities being calibrated; no answers were audited"
    return {"word": "estimated", "value": round(float(1.0 - p_given[found].mean()), 4), "rests_on": rests_on}


def _score(gap: float) -> float:
    return round(float(1 - gap) / 2, 6)
