"""Contradictions: rows of train that ask the same and answer otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.abilities import Clash
from pipeline.modalities.sft.disagree import (
    asks_alike,
    disagreement,
    explained,
    same_question,
    same_words,
    shares_a_name,
    words_of,
)  # fmt: skip
from pipeline.modalities.sft.options import SftDuplicates
from pipeline.modalities.sft.turns import Turn, answer_of, prompt_of
from pipeline.modalities.text.shingles import shingles
from pipeline.signals.pairs import near_pairs
from pipeline.stage import Missing

_NEAR = 0.6  # Jaccard of two prompts' word 3-grams from which they are looked at
_GROUP = 40  # rows of one prompt that are compared with one another
_USUAL = 0.1  # share of the prompts from which a word of theirs tells nothing
_UNNAMED = 0.07  # further cosine for prompts that no number or name ties together
_SURE = 0.25  # answers to questions in other words must disagree at least as surely


def clashes(
    rows: Sequence[Sequence[Turn] | None], is_train: np.ndarray, signals: Any, options: SftDuplicates
) -> list[Clash]:
    """Return pairs of train rows whose prompts ask the same and whose last answers disagree.

    Prompts are the same when the system's turn and the input are and their content words, numbers and
    negations are, typing errors apart; with `paraphrases`, also when the cosine of their embeddings is at
    least `paraphrase_cosine` (0.07 more without a number or a name in common) and neither a number, a name
    nor one content word in the same frame differs. Answers disagree by `disagree.disagreement`.
    Cost: that of `near_pairs` on the prompts, and 50 comparisons a row with paraphrases.

    Raises `Missing` when the encoder is not installed and paraphrases are wanted.
    """
    train = np.flatnonzero(is_train)
    prompts, answers = [prompt_of(row) for row in rows], [answer_of(row) for row in rows]
    systems, inputs = ([_said(row, role) for row in rows] for role in ("system", "input"))
    out: dict[tuple[int, int], Clash] = {}
    for i, j, other_words in _candidates(prompts, train, signals, options):
        if (i, j) in out or systems[i] != systems[j] or not (prompts[i] and prompts[j]):
            continue
        if not same_question(inputs[i], inputs[j]):
            continue
        near = not other_words or same_words(prompts[i], prompts[j])
        found = disagreement(answers[i], answers[j], prompts[i] if near else None)
        if found and other_words and (
                found[0] >= _SURE or explained((prompts[i], prompts[j]), (answers[i], answers[j]))):
            continue
        if found:
            how = f"in other words (cosine {other_words:.2f})" if other_words else "the same"
            out[i, j] = Clash(i, j, found[0], f"asks {how}, but {found[1]}")
    return [out[pair] for pair in sorted(out)]


def _candidates(
    prompts: list[str], train: np.ndarray, signals: Any, options: SftDuplicates
) -> Iterator[tuple[int, int, float]]:
    """Yield (left, right, cosine), cosine 0 where the words alone say that the question is the same."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i in map(int, train):
        words = words_of(prompts[i])
        key = (tuple(sorted(words.stems)), tuple(sorted(words.numbers.items())), words.negations % 2)
        groups.setdefault(key if words.stems or words.numbers else (prompts[i],), []).append(i)
    for members in groups.values():
        for i, j in combinations(members[:_GROUP], 2):
            yield i, j, 0.0
    texts = pa.table({"text": pa.array([prompts[i] for i in train], pa.large_string())})
    near = near_pairs(shingles(texts), _NEAR)
    for i, j in zip(train[near.left].tolist(), train[near.right].tolist(), strict=True):
        if same_question(prompts[i], prompts[j]):
            yield i, j, 0.0
    if options.paraphrases:
        yield from _paraphrases(prompts, train, signals, options.paraphrase_cosine)


def _paraphrases(
    prompts: list[str], train: np.ndarray, signals: Any, least: float
) -> Iterator[tuple[int, int, float]]:
    try:
        index, distance = signals["neighbors"]
    except Missing as why:
        raise Missing(f"{why}; or look for no paraphrases: duplicates.sft.paraphrases = false") from None
    usual = _usual([prompts[i] for i in train])
    for i in map(int, train):
        for j, far in zip(index[i].tolist(), distance[i].tolist(), strict=True):
            if j < 0 or 1 - far < least:
                break
            named = shares_a_name(prompts[i], prompts[j], usual)
            if (named or 1 - far >= least + _UNNAMED) and asks_alike(prompts[i], prompts[j], usual):
                yield min(i, j), max(i, j), 1 - far


def _usual(prompts: list[str]) -> frozenset[str]:
    """Return the content words that more than a tenth of at least 100 different prompts hold."""
    texts = set(prompts)
    counts = Counter(word for text in texts for word in words_of(text).stems | words_of(text).names)
    least = max(len(texts), 100) * _USUAL
    return frozenset(stem for stem, n in counts.items() if n > least)


def _said(row: Sequence[Turn] | None, role: str) -> str:
    return "\n".join(" ".join((t["content"] or "").split()) for t in row or () if t["role"] == role)
