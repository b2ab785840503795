"""Vetoes: what people decided about a row stands, whatever the stages after them find."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.apply import apply
from pipeline.dataset import Dataset
from pipeline.findings import Edit, Findings

if TYPE_CHECKING:
    from pipeline.run import Step

KEEP, DROP, RELABEL = "review_keep", "review_drop", "review_relabel"  # the issues of the stage `review`


@dataclass(frozen=True)
class Vetoes:
    """Rows that people have settled.

    kept : no later stage drops them or sets any of their cells; making rows from them is fine.
    relabelled : no later stage drops or down-weights them for their label, or sets it.
    """

    kept: frozenset[str] = frozenset()
    relabelled: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """32 hex digits over them, for a key; empty where there are none."""
        text = json.dumps([sorted(self.kept), sorted(self.relabelled)])
        return hashlib.sha256(text.encode()).hexdigest()[:32] if self.kept or self.relabelled else ""

    def and_of(self, findings: Findings) -> Vetoes:
        """Return these and the vetoes of what a person found."""
        pairs = list(
            zip(findings.edits["row_id"].to_pylist(), findings.edits["issue"].to_pylist(), strict=True)
        )
        kept = {row_id for row_id, issue in pairs if issue == KEEP}
        relabelled = {row_id for row_id, issue in pairs if issue == RELABEL}
        return Vetoes(self.kept | kept, self.relabelled | relabelled)

    def over(self, stage: str, findings: Findings, label: str | None) -> Findings:
        """Return the findings, each vetoed edit turned into a flag that says what would have been done."""
        settled = self.kept | self.relabelled
        if not settled or settled.isdisjoint(findings.edits["row_id"].to_pylist()):
            return findings
        edits = [self._edit(stage, row, label) for row in findings.rows()]
        return dataclasses.replace(findings, edits=Findings.of(stage, edits).edits)

    def _edit(self, stage: str, row: dict[str, Any], label: str | None) -> Edit:
        edit = Edit(**{name: row[name] for name in Edit._fields})
        if edit.action not in ("drop", "set"):
            return edit
        about_label = edit.issue == "label" or (edit.action == "set" and edit.column == label)
        if edit.row_id in self.kept:
            who = "kept by review"
        elif edit.row_id in self.relabelled and about_label:
            who = "its label was settled by review"
        else:
            return edit
        what = "dropped it"
        if edit.action == "set":
            what = f"set {edit.column} from {_short(edit.before)} to {_short(edit.value)}"
        because = f"{who}: {stage} would have {what} ({edit.because})"
        return edit._replace(action="flag", column=None, before=None, value=None, because=because)


NO_VETOES = Vetoes()


def rescored(root: Dataset, steps: Iterable[Step]) -> Dataset:
    """Return raw with the held-out labels that people corrected: what every side is scored on."""
    for step in steps:
        if step.stage.touches == "human":
            edits = step.findings.edits
            pairs = zip(edits["row_id"].to_pylist(), edits["action"].to_pylist(), strict=True)
            held_out = [a == "set" and root.splits[root.position[i]] != "train" for i, a in pairs]
            if np.any(held_out):
                root = apply(root, step.findings.keep(held_out), "human")
    return root


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
