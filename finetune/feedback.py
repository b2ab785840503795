"""Feedback: what an evaluation changes in the next round's settings, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.stage import Stage

if TYPE_CHECKING:
    from finetune.evaluate import Evaluation

MOST_SLICES = 3  # named to a stage at once


def next_stages(
    stages: Sequence[Stage], evaluation: Evaluation | None
) -> tuple[tuple[Stage, ...], list[str]]:
    """Point every stage that has a `focus` at the weak slices, the worst three at most, and say so.

    Without an evaluation, or without weak slices in it, the settings stay the very same and nothing is said.
    A sentence names stage, slice and the numbers: `augment.focus = label=tech: recall 0.71 [0.60, 0.80] ...`.
    """
    weak = evaluation.weak[:MOST_SLICES] if evaluation else ()
    names = tuple(s.slice for s in weak)
    out: list[Stage] = []
    said: list[str] = []
    for stage in stages:
        if weak and "focus" in type(stage).model_fields and getattr(stage, "focus") != names:  # noqa: B009 - not all have it
            out.append(stage.model_copy(update={"focus": names}))
            said += [f"{stage.name}.focus = {s.slice}: {s.metric} {s.value:.2f} [{s.low:.2f}, {s.high:.2f}] "
                     f"against {s.rest:.2f} elsewhere" for s in weak]  # fmt: skip
        else:
            out.append(stage)
    return tuple(out), said
