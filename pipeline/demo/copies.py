"""Which rows really are copies of each other, told without the detectors' means."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import SequenceMatcher
from typing import Any

RECALL_PER_CENT = 7  # copies with more of their words changed are not asked for
ALIKE = 0.8  # difflib ratio over words at or above which two rows of the corpus are copies


class Clusters:
    """Clusters of planted copies with their sources and of equal texts."""

    def __init__(self, truth: Mapping[str, Any]) -> None:
        self._words = {i: row["text"].casefold().split() for i, row in truth["rows"].items()}
        self._head: dict[str, str] = {}
        for group in truth["exact_duplicates"]:
            for i in group:
                self._join(group[0], i)
        for i, copy in truth["near_duplicates"].items():
            self._join(copy["source"], i)
        self._members: dict[str, set[str]] = {}
        for i in list(self._head):
            self._members.setdefault(self._find(i), set()).add(i)

    def are_copies(self, one: str, two: str) -> bool:
        """Return whether two rows are in one cluster, or at least 0.8 alike by difflib's ratio over words."""
        if one not in self._words or two not in self._words or one == two:
            return False
        if self._find(one) == self._find(two):
            return True
        matcher = SequenceMatcher(None, self._words[one], self._words[two], autojunk=False)
        return matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE

    def is_settled(self, copy: str, removed: Collection[str]) -> bool:
        """Return whether a planted copy is removed, or is all that is left of its cluster."""
        return copy in removed or self._members[self._find(copy)] - {copy} <= set(removed)

    def _find(self, i: str) -> str:
        while self._head.get(i, i) != i:
            i = self._head[i]
        return i

    def _join(self, one: str, two: str) -> None:
        self._head.setdefault(one, one)
        self._head.setdefault(two, two)
        self._head[self._find(two)] = self._find(one)
