"""Preference rows against each other: copies, and rows that prefer what another rejects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.abilities import Clash
from pipeline.modalities import Pairs
from pipeline.modalities.preference.checks import Pair, texts
from pipeline.modalities.sft.disagree import disagreement, same_question, words_of
from pipeline.modalities.text.shingles import shingles
from pipeline.signals.pairs import near_pairs

_SAME = 0.8  # Jaccard of two answers' words from which they are the same
_GROUP = 40  # rows of one prompt that are compared with one another
_WORD = re.compile(r"\w+")


def copies(rows: Sequence[dict[str, Any]], floor: float, is_train: np.ndarray | None) -> Pairs:
    """Return pairs by the Jaccard similarity of their word 3-grams, less those that prefer another answer."""
    pairs = [texts(row) for row in rows]
    joined = pa.array(["\n".join(p) for p in pairs], pa.large_string())
    found = near_pairs(shingles(pa.table({"text": joined})), floor, is_train)
    keep = np.array([_alike(pairs[i], pairs[j])
                     for i, j in zip(found.left.tolist(), found.right.tolist(), strict=True)], dtype=bool)
    return Pairs(found.left[keep], found.right[keep], found.similarity[keep])


def clashes(rows: Sequence[dict[str, Any]], is_train: np.ndarray) -> list[Clash]:
    """Return pairs of train rows that prefer the same two answers the other way round.

    They have one prompt and one system text: another system may well want another answer.
    """
    pairs = [texts(row) for row in rows]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i in map(int, np.flatnonzero(is_train)):
        words = words_of(pairs[i].prompt)
        said = (tuple(sorted(words.stems)), tuple(sorted(words.numbers.items())), words.negations % 2)
        key = said if words.stems or words.numbers else (pairs[i].prompt,)
        groups.setdefault((pairs[i].system, *key), []).append(i)
    out = []
    for members in groups.values():
        for i, j in combinations(members[:_GROUP], 2):
            one, two = pairs[i], pairs[j]
            turned = min(_overlap(one.chosen, two.rejected), _overlap(one.rejected, two.chosen))
            straight = min(_overlap(one.chosen, two.chosen), _overlap(one.rejected, two.rejected))
            if turned >= _SAME and turned > straight:
                because = f"has the same prompt and prefers what this one rejects (similarity {turned:.2f})"
                out.append(Clash(i, j, round(0.1 * (1 - turned) / (1 - _SAME), 6), because))
    return sorted(out)


def _alike(one: Pair, two: Pair) -> bool:
    if one == two:
        return True
    turned = min(_overlap(one.chosen, two.rejected), _overlap(one.rejected, two.chosen))
    straight = min(_overlap(one.chosen, two.chosen), _overlap(one.rejected, two.rejected))
    asks_alike = same_question(one.system, two.system) and same_question(one.prompt, two.prompt)
    if turned > straight or not asks_alike:
        return False
    return disagreement(one.chosen, two.chosen, one.prompt) is None


def _overlap(one: str, two: str) -> float:
    """Jaccard of two answers' words; 1 where both have none."""
    a, b = set(_WORD.findall(one.casefold())), set(_WORD.findall(two.casefold()))
    return len(a & b) / len(a | b) if a | b else 1.0
