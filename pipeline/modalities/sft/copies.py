"""Near copies among conversations: many of the same words, the same numbers, the same verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipeline.modalities import Pairs
from pipeline.modalities.sft.disagree import disagreement, same_question
from pipeline.modalities.sft.turns import Turn, answer_of, prompt_of
from pipeline.modalities.text.shingles import shingles
from pipeline.signals.pairs import near_pairs


def copies(rows: Sequence[Sequence[Turn] | None], floor: float, is_train: np.ndarray | None) -> Pairs:
    """Return pairs by the Jaccard similarity of their word 3-grams, less those that only look alike.

    "What is 12 + 7?" and "What is 12 + 8?" share most of their words and are two tasks; answers that
    disagree are a contradiction, not a copy. Cost: that of `near_pairs`.
    """
    texts = ["\n".join(turn["content"] or "" for turn in row or ()) for row in rows]
    found = near_pairs(shingles(pa.table({"text": pa.array(texts, pa.large_string())})), floor, is_train)
    seen: dict[int, tuple[str, str]] = {}

    def parts(i: int) -> tuple[str, str]:
        if i not in seen:
            seen[i] = prompt_of(rows[i]), answer_of(rows[i])
        return seen[i]

    keep = np.array([texts[i] == texts[j] or _alike(parts(i), parts(j))
                     for i, j in zip(found.left.tolist(), found.right.tolist(), strict=True)], dtype=bool)
    return Pairs(found.left[keep], found.right[keep], found.similarity[keep])


def _alike(one: tuple[str, str], two: tuple[str, str]) -> bool:
    return same_question(one[0], two[0]) and disagreement(one[1], two[1], one[0]) is None


