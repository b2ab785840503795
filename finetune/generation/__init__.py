"""Generation: models that answer. What they read, how they are trained, what they say and how good it is."""

from __future__ import annotations

from pipeline.dataset import Dataset

MODALITIES = ("sft", "preference")


def generates(data: Dataset) -> bool:
    """Return whether the rows are conversations to learn answers from, not cells to classify."""
    return data.modality in MODALITIES
