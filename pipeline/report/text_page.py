"""Text: tokens and what is cut, encoding repairs, personal data, languages, boilerplate."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.dataset import Dataset
from pipeline.report.privacy import PATTERNS, mask

MOST_READ, GRAM_WORDS, MOST_GRAMS, LEAST_SHARE, BINS = 2_000, 6, 8, 0.01, 24
_LANGUAGE = ("language", "lang", "locale")


def text_page(
    data: Dataset, measures: pd.DataFrame, edits: Sequence[Mapping[str, Any]], limits: Mapping[str, int]
) -> dict[str, Any] | None:
    """Return what is particular to text, None where content is not made of texts whose words are counted.

    At most 2,000 rows, evenly spaced in the order of ids, are read for tokens, personal data and boilerplate.
    limits : how many tokens each reader takes of a text, by name; the rest is cut.
    """
    if not (data.n_rows and "n_words" in measures and all(map(_is_text, data.content.schema.types))):
        return None
    rows = np.unique(np.linspace(0, data.n_rows - 1, min(data.n_rows, MOST_READ)).astype(np.int64))
    columns = [data.table[c].take(rows).to_pylist() for c in data.roles.content]
    texts = ["\n".join(str(c) for c in cells if c is not None) for cells in zip(*columns, strict=True)]
    return {
        "read": len(texts), "tokens": _tokens(texts, limits), "repairs": _repairs(edits),
        "personal": [
            {"what": what, "rows": sum(bool(p.search(t)) for t in texts)} for what, p in PATTERNS.items()
        ],
        "urls": int((measures["n_urls"] > 0).sum()) if "n_urls" in measures else None,
        "emails": int((measures["n_emails"] > 0).sum()) if "n_emails" in measures else None,
        "measured": len(measures), "languages": _languages(data, measures),
        "boilerplate": boilerplate([mask(t) for t in texts]),
    }  # fmt: skip


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind))


def boilerplate(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return runs of six words that stand in at least 1 % of the texts (and in three), most frequent first.

    Of runs that overlap only the most frequent is named.

    >>> boilerplate(["all rights reserved by the authors", "x all rights reserved by the authors"] * 2)
    [{'words': 'all rights reserved by the authors', 'rows': 4}]
    """
    counts: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        words = re.findall(r"\w+", text[:20_000].casefold())
        counts.update({tuple(words[i : i + GRAM_WORDS]) for i in range(len(words) - GRAM_WORDS + 1)})
    least = max(3, LEAST_SHARE * len(texts))
    shown: list[tuple[str, ...]] = []
    ranked = sorted(((n, gram) for gram, n in counts.items() if n >= least), key=lambda p: (-p[0], p[1]))
    for _, gram in ranked:
        if len(shown) < MOST_GRAMS and not any(_overlap(gram, other) for other in shown):
            shown.append(gram)
    return [{"words": " ".join(gram), "rows": counts[gram]} for gram in shown]


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return any(
        one[k:] == other[: len(one) - k] or other[k:] == one[: len(one) - k] for k in range(len(one) - 1)
    )


def _tokens(texts: Sequence[str], limits: Mapping[str, int]) -> dict[str, Any] | None:
    from pipeline.modalities.text.lengths import token_counts

    counts = token_counts(texts)
    if counts is None or not len(counts):
        return None
    high = max(float(np.quantile(counts, 0.995)), *map(float, limits.values()), 8.0) * 1.02
    edges = np.linspace(0, high, BINS + 1)
    return {
        "edges": [round(float(e), 2) for e in edges],
        "counts": np.histogram(np.minimum(counts, high), edges)[0].tolist(),
        "median": float(np.median(counts)), "longest": int(counts.max()), "rows": len(counts),
        "limits": [{"reader": name, "tokens": most, "cut": int((counts > most).sum())}
                   for name, most in sorted(limits.items(), key=lambda p: p[1])],
    }  # fmt: skip


def _repairs(edits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Count the reasons for repairs: `text: 2 HTML tags, mojibake` gives both, numbers left out."""
    counts: Counter[str] = Counter()
    for edit in edits:
        if edit["action"] == "set" and edit["stage"] == "clean" and edit["column"]:
            words = str(edit["because"]).removeprefix(f"{edit['column']}: ")
            counts.update({_plural(part) for part in words.split(", ")})
    return [{"what": what, "rows": n} for what, n in sorted(counts.items(), key=lambda p: (-p[1], p[0]))]


def _plural(part: str) -> str:
    """Return what was repaired without its number: `1 HTML entity` and `9 HTML entities` are one thing."""
    number, _, what = part.partition(" ")
    if not number.isdigit():
        return part
    return what if number != "1" else f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"


def _languages(data: Dataset, measures: pd.DataFrame) -> list[dict[str, Any]]:
    """Count languages where they are known: from a measure or a column of that name."""
    for name in _LANGUAGE:
        if name in measures or name in data.table.column_names:
            cells = measures[name].tolist() if name in measures else data.table[name].to_pylist()
            counts = Counter(str(c) for c in cells if c is not None)
            return [{"language": k, "rows": n} for k, n in counts.most_common(12)]
    return []
