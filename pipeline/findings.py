"""Findings: the tidy table in which every stage, reviewer and evaluation speaks.

Four verbs, `flag`, `drop`, `set`, `add`, are enough for cleaning, de-duplication, label noise, anomalies,
rebalancing, augmentation and review. A finding never changes anything; `pipeline.apply` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.hashing import cell_json, from_value_json, value_json

Action = Literal["flag", "drop", "set", "add"]
ACTIONS: tuple[Action, ...] = ("flag", "drop", "set", "add")

EDIT_SCHEMA = pa.schema(
    [
        ("row_id", pa.large_string()),
        ("stage", pa.large_string()),
        ("issue", pa.large_string()),
        ("score", pa.float64()),
        ("action", pa.large_string()),
        ("column", pa.large_string()),
        ("before", pa.large_string()),
        ("value", pa.large_string()),
        ("related", pa.large_list(pa.large_string())),
        ("because", pa.large_string()),
    ]
)
SCORE_SCHEMA = pa.schema(
    [("row_id", pa.large_string()), ("issue", pa.large_string()), ("score", pa.float64())]
)


class Edit(NamedTuple):
    """One line of findings. `row_id` is None when it is about a column or the whole dataset.

    `score` is in [0, 1], cleanlab's direction: 0 = certainly bad, 1 = fine.
    For `set`, `before` and `value` are plain cells here and JSON in the table; bytes of `before` become their
    digest there.
    """

    row_id: str | None
    issue: str
    score: float
    action: Action
    because: str
    column: str | None = None
    before: Any = None
    value: Any = None
    related: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Findings:
    """What one stage says of one dataset.

    edits : table of EDIT_SCHEMA, in a canonical order.
    scores : table of SCORE_SCHEMA, every row examined, so that a ranking can be judged.
    added : rows to add, in the dataset's schema, or None.
    fitted : JSON state learnt from train rows. metrics : numbers for the summary.
    """

    edits: pa.Table
    scores: pa.Table
    added: pa.Table | None = None
    fitted: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        stage: str,
        edits: Iterable[Edit] = (),
        scores: Iterable[tuple[str, Iterable[str], Sequence[float] | np.ndarray]] = (),
        added: pa.Table | None = None,
        fitted: dict[str, Any] | None = None,
        metrics: dict[str, Any] | None = None,
    ) -> Findings:
        """Build findings from edits and from (issue, row ids, scores) triples.

        Raises `ValueError` for an unknown action, a score outside [0, 1] or a sentence that is missing.

        >>> found = Findings.of("quality", [Edit("a", "null", 0.0, "drop", "the text is empty")])
        >>> found.counts()
        {'null': {'drop': 1}}
        """
        rows = sorted(edits, key=_edit_order)
        for edit in rows:
            _check(stage, edit)
        table = pa.table(
            [
                pa.array([e.row_id for e in rows], pa.large_string()),
                pa.array([stage] * len(rows), pa.large_string()),
                pa.array([e.issue for e in rows], pa.large_string()),
                pa.array([float(e.score) for e in rows], pa.float64()),
                pa.array([e.action for e in rows], pa.large_string()),
                pa.array([e.column for e in rows], pa.large_string()),
                pa.array(
                    [cell_json(e.before) if e.action == "set" else None for e in rows], pa.large_string()
                ),
                pa.array(
                    [value_json(e.value) if e.action == "set" else None for e in rows], pa.large_string()
                ),
                pa.array([sorted(e.related) for e in rows], pa.large_list(pa.large_string())),
                pa.array([e.because for e in rows], pa.large_string()),
            ],
            schema=EDIT_SCHEMA,
        )
        return cls(table, _score_table(stage, scores), added, fitted or {}, metrics or {})

    @property
    def frame(self) -> pd.DataFrame:
        """The edits as a pandas frame."""
        return self.edits.to_pandas(types_mapper=pd.ArrowDtype)

    def rows(self) -> list[dict[str, Any]]:
        """Return the edits as mappings, `before` and `value` decoded."""
        out = self.edits.to_pylist()
        for row in out:
            row["before"] = None if row["before"] is None else json.loads(row["before"])
            row["value"] = None if row["value"] is None else from_value_json(row["value"])
        return out

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many edits of each action there are, by issue."""
        out: dict[str, dict[str, int]] = {}
        pairs = zip(self.edits["issue"].to_pylist(), self.edits["action"].to_pylist(), strict=True)
        for issue, action in pairs:
            by_action = out.setdefault(issue, {})
            by_action[action] = by_action.get(action, 0) + 1
        return out

    def keep(self, mask: Sequence[bool] | np.ndarray) -> Findings:
        """Return these findings with only the edits where `mask` is true, and only the rows they add."""
        edits = self.edits.filter(pa.array(np.asarray(mask, dtype=bool)))
        added = self.added
        if added is not None:
            wanted = {
                i
                for i, a in zip(edits["row_id"].to_pylist(), edits["action"].to_pylist(), strict=True)
                if a == "add"
            }
            added = added.filter(pa.array([i in wanted for i in added["row_id"].to_pylist()], pa.bool_()))
        return Findings(edits, self.scores, added, self.fitted, self.metrics)


def _edit_order(edit: Edit) -> tuple:
    return (edit.row_id is None, edit.row_id or "", edit.issue, edit.action, edit.column or "", edit.because)


def _check(stage: str, edit: Edit) -> None:
    if edit.action not in ACTIONS:
        raise ValueError(f"{stage}: action {edit.action!r} is none of {', '.join(ACTIONS)}")
    if not 0.0 <= edit.score <= 1.0:
        raise ValueError(f"{stage}: score {edit.score!r} of row {edit.row_id!r} is outside [0, 1]")
    if not edit.because:
        raise ValueError(f"{stage}: the finding on row {edit.row_id!r} gives no reason")
    if edit.row_id is None and edit.action != "flag":
        raise ValueError(f"{stage}: {edit.action} needs a row")


def _score_table(
    stage: str, scores: Iterable[tuple[str, Iterable[str], Sequence[float] | np.ndarray]]
) -> pa.Table:
    parts = []
    for issue, ids, values in sorted(scores, key=lambda s: s[0]):
        array = np.asarray(values, dtype=np.float64)
        if len(array) and not (array.min() >= 0.0 and array.max() <= 1.0):
            raise ValueError(f"{stage}: a score of issue {issue!r} is outside [0, 1]")
        parts.append(
            pa.table(
                [
                    pa.array(list(ids), pa.large_string()),
                    pa.array([issue] * len(array), pa.large_string()),
                    pa.array(array),
                ],
                schema=SCORE_SCHEMA,
            )
        )
    return pa.concat_tables(parts).combine_chunks() if parts else SCORE_SCHEMA.empty_table()
