"""How answers end that end without a mark and are whole: code, letters, verse, and some sentences."""

from __future__ import annotations

import re

_CODE_LINE = re.compile(
    r"^\s*(?:(?:async )?def \w+\(|class \w+.*[:{]$|(?:return|yield|raise|await)\b|@\w|import [\w.{*]"
    r"|from [\w.]+ import\b|(?:for|if|elif|else|while|try|with|except)\b.*:$"
    r"|(?:let|const|var|int|float|double|char|string|auto)\s+\w+\s*="
    r"|(?:function|public|private|static|func|fn)\s+\w+"
    r"|#include\b|#!/|SELECT\b.*\bFROM\b|(?:FROM|WHERE|GROUP BY|ORDER BY|INSERT INTO|JOIN|LIMIT)\s+\w"
    r"|</?\w+[^>]*>|[\w.\[\]'\"]+\s*(?:[-+*/]?=|:=)\s*\S"
    r"|\$ ?\w|(?:sudo|git|pip|npm|docker|cd|ls|echo|curl)\s+[\w./-]+"
    r"|[\w.]+\(.*\)$|.*[;{}]$)")
_CLOSING = re.compile(
    r"^\W*(?:(?:best|kind|warm|kindest|warmest)\s+)?(?:regards|wishes)\b|^\W*(?:yours|sincerely|respectfully|warmly|"
    r"cordially|love|cheers|best|thanks|thank you|many thanks|with (?:love|gratitude|best|kind|warm|many))\b",
    re.IGNORECASE)
_VERSE_WORDS = 12  # of a line of verse, at most
_SIGNED_WORDS = 6  # of a line under a letter, at most
_ASKED = "what who how where as whatever however why when than"
_ASKS = frozenset(_ASKED.split())
_LAST = "is are was were be been do does did can could will would should has have had"
_VERBS = frozenset(_LAST.split())


def is_code(text: str) -> bool:
    r"""Whether the last line, or half of the lines, are code that stands in no block.

    >>> is_code("def add(a, b):\n    return a + b"), is_code("Return to the house.")
    (True, False)
    """
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    code = [bool(_CODE_LINE.match(line)) for line in lines]
    return bool(code) and (code[-1] or sum(code) >= len(code) / 2)


def is_signed(text: str) -> bool:
    r"""Whether the text ends in a name under a letter's closing words.

    >>> is_signed("I cannot come.\n\nKind regards,\nAnn Lee")
    True
    """
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return any(_CLOSING.match(line) and len(line.split()) <= _SIGNED_WORDS
               and all(len(below.split()) <= _SIGNED_WORDS for below in lines[-k:])
               for k, line in enumerate(reversed(lines[-4:-1]), 1))


def is_verse(text: str) -> bool:
    r"""Whether the text is three short lines or more, of which few end as sentences do.

    >>> is_verse("Blue waves roll to shore\nGulls cry over silver foam\nNight falls on the deep")
    True
    """
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) < 3 or any(len(line.split()) > _VERSE_WORDS for line in lines):
        return False
    return sum(line[-1] in ".!?:" for line in lines) <= len(lines) / 2


def is_whole(words: list[str]) -> bool:
    """Whether a sentence whose last word is one that rarely ends one is whole all the same.

    >>> is_whole("it is what it is".split()), is_whole("the tower which is".split())
    (True, False)
    """
    return words[-1].casefold() in _VERBS and any(w.casefold() in _ASKS for w in words[-5:-2])
