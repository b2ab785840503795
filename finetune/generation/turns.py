"""Conversations: a row's turns as chat templates take them."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.dataset import Dataset
from pipeline.modalities.sft.turns import joined
from pipeline.stage import NotApplicable

ASSISTANT = "assistant"
Turn = dict[str, str]


def conversations(data: Dataset) -> list[list[Turn]]:
    """Return each row's turns; a preference row is its prompt and the chosen answer.

    Raises `NotApplicable` when the content has another form.
    """
    content = data.roles.content
    columns = [data.table[name].to_pylist() for name in content]
    if data.modality == "sft" and len(content) == 1:
        return [joined(cell) for cell in columns[0]]
    if data.modality == "preference" and len(content) in (2, 3):  # the rejected answer stands last
        rows = zip(*columns[:-1], strict=True)
        return [joined([turn for cell in cells for turn in cell or ()]) for cells in rows]
    raise NotApplicable(
        f"content {', '.join(content)}: training to answer needs turns, or prompt, chosen and rejected"
    )


def last_answer(conversation: Sequence[Turn]) -> int | None:
    """Return the place of the last turn of the assistant, None when there is none."""
    places = [k for k, turn in enumerate(conversation) if turn["role"] == ASSISTANT]
    return places[-1] if places else None
