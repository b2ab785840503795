"""Spellings of a category: which variants of a frequent value are that value, and which are their own.

Only a column that is categorical in train (frequent values fill at least nine in ten of its cells) has
spellings. A variant is rewritten when it is far rarer than the value it resembles, and no guard speaks
against it: the first letter agrees, no digit differs, no short word differs (`Group A` is not `Group B`), and
no second frequent value is as close.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

_FREQUENT = 10  # train rows that a value needs
_COVERED = 0.9  # of the filled cells, by frequent values
_MOST_VALUES = 200
_FORM_RATIO, _SPELLING_RATIO, _SHORT_RATIO = 10, 50, 200  # how much more frequent a value is than its variant
_SHORTEST, _SHORT, _LONG = 4, 5, 12  # characters: judged from, ordinary from, two edits allowed from

_ROMAN = re.compile(r"[ivxl]+")


def fit(counts: Counter[str]) -> dict[str, dict[str, int]] | None:
    """Return {"frequent": {value: train rows}, "rare": {value: 2 train rows or more}}; None: no categories.

    >>> fit(Counter({"Bachelors": 500, "Masters": 200, "Bachlors": 1})) is not None, fit(Counter("abcdefgh"))
    (True, None)
    """
    floor = max(_FREQUENT, 0.002 * sum(counts.values()))
    frequent = {v: c for v, c in sorted(counts.items()) if c >= floor}
    if not 0 < len(frequent) <= _MOST_VALUES or sum(frequent.values()) < _COVERED * sum(counts.values()):
        return None
    return {"frequent": frequent, "rare": {v: c for v, c in sorted(counts.items()) if 1 < c < floor}}


def rewritten(cell: str, learnt: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the frequent value that a cell is a variant of, and why; None when it is its own.

    >>> learnt = fit(Counter({"Bachelors": 500, "Masters": 200, "Bachlors": 1}))
    >>> rewritten("Bachlors", learnt)
    ('Bachelors', "'Bachlors' is on 1 train row, 'Bachelors', 1 letter away, on 500")
    >>> rewritten("masters", learnt)[0], rewritten("Masters", learnt), rewritten("Doctorate", learnt)
    ('Masters', None, None)
    """
    frequent: Mapping[str, int] = learnt["frequent"]
    times = frequent.get(cell, learnt["rare"].get(cell, 1))
    folded = _folded(cell)
    forms = [
        v for v, c in frequent.items() if v != cell and _folded(v) == folded and c >= _FORM_RATIO * times
    ]
    if forms:
        value = max(forms, key=lambda v: (frequent[v], v))
        return value, f"{cell!r} is on {_rows(times)}, written {value!r} on {frequent[value]}"
    if cell in frequent or len(cell) < _SHORTEST:
        return None
    near: list[tuple[int, str]] = []
    for value, count in frequent.items():
        allowed = 2 if min(len(cell), len(value)) >= _LONG else 1
        ratio = _SPELLING_RATIO if min(len(cell), len(value)) >= _SHORT else _SHORT_RATIO
        if count >= ratio * times and abs(len(cell) - len(value)) <= allowed:
            distance = edits(folded, _folded(value), allowed)
            if distance <= allowed and _is_typo(folded, _folded(value)):
                near.append((distance, value))
    near.sort()
    if not near or (len(near) > 1 and near[0][0] == near[1][0]):
        return None
    distance, value = near[0]
    letters = "1 letter" if distance == 1 else f"{distance} letters"
    return value, f"{cell!r} is on {_rows(times)}, {value!r}, {letters} away, on {frequent[value]}"


def edits(one: str, two: str, most: int) -> int:
    """Return how many insertions, deletions, changes and swaps of neighbours lead from one to the other.

    `most + 1` when there are more. Damerau, CACM 1964 (optimal string alignment).

    >>> edits("bachelors", "bachlors", 2), edits("hte", "the", 2), edits("abc", "xyz", 2)
    (1, 1, 3)
    """
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        now = [i]
        for j, b in enumerate(two, 1):
            best = min(row[j] + 1, now[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            now.append(best)
        if min(now) > most:
            return most + 1
        before, row = row, now
    return row[-1]


def _is_typo(one: str, two: str) -> bool:
    """Whether the guards allow two folded spellings to be one word."""
    starts = one[0] == two[0] or one[:2] == two[1::-1]  # the same, or swapped with what follows
    if not starts or re.sub(r"\D", "", one) != re.sub(r"\D", "", two):
        return False
    words, others = re.findall(r"\w+", one), re.findall(r"\w+", two)
    if len(words) != len(others):
        return True  # a word was split or joined
    return all(
        a == b or (min(len(a), len(b)) >= 3 and not _ROMAN.fullmatch(a + b))
        for a, b in zip(words, others, strict=True)
    )


def _folded(value: str) -> str:
    return " ".join(re.sub(r"[-_.]", " ", value.casefold()).split())


def _rows(times: int) -> str:
    return "1 train row" if times == 1 else f"{times} train rows"
