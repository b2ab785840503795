"""A probe for swapped pairs: which of two answers the rest of the set would have chosen."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence

import numpy as np

from pipeline.modalities.sft.answers import refused, repeated, truncated
from pipeline.modalities.sft.asked import items, violation
from pipeline.modalities.sft.language import language_of
from pipeline.modalities.sft.template import tokens_in

_FOLDS = 5
_WORD = re.compile(r"\w+")


def features(prompt: str, answer: str) -> np.ndarray:
    """(16,) float64 numbers of one answer: length, shape, faults, closeness to the prompt."""
    words = _WORD.findall(answer.casefold())
    asked = set(_WORD.findall(prompt.casefold()))
    n = max(len(words), 1)
    grams = {tuple(words[k : k + 3]) for k in range(len(words) - 2)}
    said, wanted = language_of(answer), language_of(prompt)
    listed = items(answer) if answer.strip() else None
    return np.array([
        math.log1p(len(answer)), math.log1p(len(words)), math.log1p(answer.count("\n")),
        len(set(words)) / n, 1 - len(grams) / max(len(words) - 2, 1) if len(words) > 2 else 0.0,
        len(asked & set(words)) / max(len(asked), 1), len(set(words) - asked) / n,
        float(refused(answer) is not None), float(truncated(answer) is not None),
        float(repeated(prompt, answer, 0.8) is not None), float(violation(prompt, answer) is not None),
        float(bool(said and wanted and said != wanted)), float(bool(tokens_in(answer))),
        sum(c.isdigit() for c in answer) / max(len(answer), 1), float(answer.count("!") > 0),
        math.log1p(listed or 0),
    ])


def out_of_fold(x: np.ndarray, fit_on: np.ndarray, prompts: Sequence[str]) -> tuple[np.ndarray, float]:
    """(n,) probability that each pair's order is the set's, by a model that has not seen its prompt.

    Logistic regression without intercept on the difference of both answers' features, (n, f), each pair
    both ways round; folds are drawn by a digest of the prompt, so a row's company decides nothing else.
    Returns also the accuracy on the pairs of `fit_on`, out of fold.
    """
    from sklearn.linear_model import LogisticRegression

    fold = np.array([hashlib.blake2b(p.encode("utf-8", "surrogatepass"), digest_size=4).digest()[0] % _FOLDS
                     for p in prompts])
    scale = np.sqrt((x[fit_on] ** 2).mean(axis=0))
    z = x / np.where(scale > 0, scale, 1.0)
    probability = np.full(len(x), 0.5)
    for k in range(_FOLDS):
        seen = fit_on & (fold != k)
        asked = fold == k
        if seen.sum() < _FOLDS or not asked.any():
            continue
        both = np.concatenate([z[seen], -z[seen]])
        target = np.repeat([1, 0], seen.sum())
        model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=1000).fit(both, target)
        probability[asked] = model.predict_proba(z[asked])[:, 1]
    return np.round(probability, 9), float((probability[fit_on] > 0.5).mean())
