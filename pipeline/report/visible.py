"""Text from a dataset, made safe to look at: what is invisible or would reorder the line is shown by name."""

from __future__ import annotations

import re
import unicodedata

_PLAIN = re.compile(r"[^\x20-\x7e\xa1-\xac\xae-\u024f]")  # the rest is looked at character by character
_SHOWN = {"\n": "↵ ", "\t": "⇥", "\r": "␍"}
_JOINERS = "\u200c\u200d"  # part of correct spelling in Persian and Indic scripts, and of emoji


def visible(text: str) -> str:
    """Return the text with control, direction, zero-width and broken characters as visible symbols.

    Does not escape anything; that comes after.

    >>> visible("a" + chr(0x202E) + "b" + chr(0) + "c")
    'a⟨U+202E⟩b␀c'
    """
    return _PLAIN.sub(_symbol, text)


def _symbol(match: re.Match[str]) -> str:
    char = match[0]
    if char in _SHOWN:
        return _SHOWN[char]
    if char < " ":
        return chr(0x2400 + ord(char))
    if char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return char
    return f"⟨U+{ord(char):04X}⟩"


def shorten(text: str, chars: int) -> str:
    """Return the text on one line, cut at a word where it is longer than `chars`.

    >>> shorten("one  two three", 9)
    'one two …'
    """
    text = " ".join(text[: 8 * chars].split()) if len(text) > 8 * chars else " ".join(text.split())
    if len(text) <= chars:
        return text
    cut = text[: chars - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[chars // 2 :] else cut).rstrip() + " …"


def excerpts(one: str, other: str, chars: int) -> tuple[str, str]:
    """Return two excerpts that start a little before the first place where the texts differ.

    >>> excerpts("the same beginning, then left", "the same beginning, then right", 12)
    ('… then left', '… then right')
    """
    one, other = " ".join(one.split()), " ".join(other.split())
    same = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    if max(len(one), len(other)) <= chars or (one == other):
        return shorten(one, chars), shorten(other, chars)
    start = one.rfind(" ", 0, max(0, same - chars // 4) + 1) + 1 if same > chars // 2 else 0
    head = "… " if start else ""
    return head + shorten(one[start:], chars), head + shorten(other[start:], chars)
