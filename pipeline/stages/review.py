"""A person's decisions, read from a file: they lead, and outrank every stage."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from pipeline.dataset import Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.ingest import InputError
from pipeline.named_files import NamedFile, read_digests
from pipeline.review.decisions import Decision, label_cell, label_text, read_decisions
from pipeline.review.veto import DROP, KEEP, RELABEL
from pipeline.signals.engine import Signals
from pipeline.stage import NotApplicable, Stage


class Review(Stage, frozen=True):
    """Rows that people looked at: `keep`, `drop` or `relabel`, one decision a row.

    `keep` changes nothing and is a veto: no later stage of the run drops the row or sets its cells. `relabel`
    sets the label, of held-out rows too, and outranks label noise. `drop` removes a train row; a held-out row
    stays. score: 1 where the row is kept as it is, 0 where it is not. Cost: reading the file.
    """

    name = "review"
    touches = "human"
    actions: ClassVar[tuple[Action, ...]] = ("flag", "drop", "set")
    policy: ClassVar[tuple[str, ...]] = (KEEP, DROP, RELABEL)

    decisions: Annotated[Path | None, NamedFile()] = Field(
        None,
        description="CSV or Parquet with row_id, decision, new_label: what assay review import wrote",
    )

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Turn each decision into an edit, or into a flag that says why nothing is to be done."""
        if self.decisions is None:
            raise NotApplicable("no decisions file is named (assay review export, import or serve make one)")
        decided = self._read(self.decisions)
        here = [d for d in decided if d.row_id in data.position]
        if not here:
            what = f"none of the {len(decided)} decisions in {self.decisions}"
            raise NotApplicable(f"{what} is about a row that is here")
        absent = sorted(d.row_id for d in decided if d.row_id not in data.position)
        counts = {verb: sum(d.decision == verb for d in here) for verb in ("keep", "drop", "relabel")}
        labels = {label_text(label) for label in data.labels}
        edits = [self._edit(data, d, labels) for d in here]
        return Findings.of(self.name, [*edits, *_absent(absent)], metrics={**counts, "absent": len(absent)})

    def _read(self, path: Path) -> list[Decision]:
        if self._digests.get(str(path), "") not in ("", *read_digests(self).values()):
            raise InputError(f"{path}: changed since this run began (run again to use the new decisions)")
        return read_decisions(path)

    def _edit(self, data: Dataset, one: Decision, labels: Collection[str]) -> Edit:
        i = data.position[one.row_id]
        by = _by(one)
        if one.decision == "keep":
            return Edit(one.row_id, KEEP, 1.0, "flag", f"kept by review: {by}")
        if one.decision == "drop":
            if data.is_train[i]:
                return Edit(one.row_id, DROP, 0.0, "drop", f"dropped by review: {by}")
            because = f"review would drop it, but held-out rows are never dropped: {by}"
            return Edit(one.row_id, DROP, 0.0, "flag", because)
        column = data.roles.label
        if column is None:
            raise InputError(f"{self.decisions}: row {one.row_id}: relabel, but the data has no label column")
        try:
            value = label_cell(one.new_label, data.table.schema.field(column).type)
        except ValueError as error:
            raise InputError(f"{self.decisions}: row {one.row_id}: {error}") from None
        before = data.labels[i]
        if label_text(before) == label_text(value):
            return Edit(one.row_id, RELABEL, 1.0, "flag", f"label {one.new_label} confirmed by review: {by}")
        new = "" if label_text(value) in labels else " (no row had this label)"
        because = f"relabelled by review{new}: {by}"
        return Edit(one.row_id, RELABEL, 0.0, "set", because, column, before, value)


def _by(one: Decision) -> str:
    votes = f", votes {one.votes}" if one.votes else ""
    return (one.source or "a person") + votes + (f'; "{one.note}"' if one.note else "")


def _absent(absent: Sequence[str]) -> Iterator[Edit]:
    if absent:
        rows = ", ".join(absent[:5]) + (" ..." if len(absent) > 5 else "")
        where = "not here (dropped already, or not in the data)"
        because = f"{len(absent)} decision(s) are about rows that are {where}: {rows}"
        yield Edit(None, "review_absent", 0.5, "flag", because)
