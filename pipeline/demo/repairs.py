"""Whether a cell was repaired: back to what it was, or at least closer to it."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Any

_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-"})


def repairs(rows: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return for each row with a text cell that was repaired: what it first was and what it last became."""
    out: dict[str, tuple[str, str]] = {}
    for row in rows:
        if row["action"] == "set" and row["issue"] == "malformed":
            before, value = json.loads(row["before"]), json.loads(row["value"])
            if isinstance(before, str) and isinstance(value, str):
                out[row["row_id"]] = (out.get(row["row_id"], (before, ""))[0], value)
    return out


def closer(original: str, before: str, after: str) -> int:
    """Return 2 when a cell is what it was, typography and spacing aside, 1 when it is closer to it, else 0.

    Entities that the original itself holds may be kept or resolved.

    >>> closer("it’s  £5", "itâ€™s Â£5", "it's £5")
    2
    >>> closer("a & b", "<p>a &amp; b</p>", "a &amp; b"), closer("a", "a", "b")
    (1, 0)
    """
    target, resolved, old, new = (" ".join(text.translate(_PLAIN).split())
                                  for text in (original, html.unescape(original), before, after))
    return 2 if new in (target, resolved) else int(_alike(target, new) > _alike(target, old))


def _alike(one: str, two: str) -> float:
    return SequenceMatcher(None, one.split(), two.split(), autojunk=False).ratio()
