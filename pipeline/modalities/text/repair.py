"""Repair a text: broken Unicode, markup, stray whitespace. Idempotent: a repaired text needs no repair."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from typing import Any

from pipeline.modalities.text.markup import strip_markup
from pipeline.modalities.text.options import TextClean

_MOST_PASSES = 12
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\u00ad\u200b]")
_GOES = re.compile(
    r"\x1b\[[0-9;]{0,20}[A-Za-z]|[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\u00ad]"
    r"|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"  # Thai, Lao, Myanmar and Khmer use it
)
_LINE_ENDS = re.compile(r"\r\n?|[\x0c\x85\u2028\u2029]")
_ODD_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_TRAILING = re.compile(r"(?<![ \t])[ \t]+\n")
_SPACES = re.compile(r"(?<=\S)(?:[ \t]{2,}|\t)(?=\S)")
_BLANK_LINES = re.compile(r"\n{3,}")


def repair(cell: Any, options: TextClean) -> tuple[Any, list[str]]:
    r"""Return the repaired text and what was wrong, in words; the same cell and [] when nothing was.

    Passes run until a pass changes nothing, because one fault hides another (`&amp;lt;br&amp;gt;`), so
    repair(repair(x)) == repair(x). A text that does not settle in 12 passes is left as it was. Indentation
    and paragraph breaks stay. Cells that are not text are left alone.
    Cost: O(characters), about 10 MB/s for ASCII, 2 MB/s for other text. Speer, "ftfy", 2019.

    >>> repair("the cafÃ©<br />was &quot;full&quot;", TextClean())
    ('the café\nwas "full"', ['mojibake', '1 HTML tag', '2 HTML entities'])
    >>> repair("a < b and c > d, AT&T, vector<int>", TextClean())
    ('a < b and c > d, AT&T, vector<int>', [])
    """
    if not isinstance(cell, str):
        return cell, []
    found: Counter[str] = Counter()
    if options.whitespace:
        _repair_whitespace(cell, found)  # only what was wrong before other repairs leave blank lines behind
    text = cell
    for _ in range(_MOST_PASSES):
        before = text
        if options.unicode:
            text = _repair_unicode(text, found)
        if options.markup:
            text = strip_markup(text, found)
        if options.whitespace:
            text = _repair_whitespace(text, Counter())
        if text == before:
            return (text, [_words(what, n) for what, n in found.items()]) if text != cell else (cell, [])
    return cell, []


def _repair_unicode(text: str, found: Counter[str]) -> str:
    if not text.isascii():
        import ftfy

        fixed = ftfy.fix_text(text, _encoding_config())
        if fixed != text:
            found["mojibake"] = 1
        text = unicodedata.normalize("NFC", fixed)
        if text != fixed:
            found["characters not composed (NFC)"] = 1
    if not _UNSEEN.search(text):
        return text
    fixed = _GOES.sub("", text)
    if fixed != text:
        found["control or invisible character"] += len(text) - len(fixed)
    return fixed


@cache
def _encoding_config() -> Any:
    """Only what is broken: quotes, ligatures and full-width letters are somebody's text."""
    import ftfy

    return ftfy.TextFixerConfig(
        unescape_html=False, fix_latin_ligatures=False, fix_character_width=False, uncurl_quotes=False,
        fix_line_breaks=False, remove_control_chars=False, normalization=None, explain=False)


def _repair_whitespace(text: str, found: Counter[str]) -> str:
    ascii_only = text.isascii()
    if not ascii_only or "\r" in text or "\x0c" in text:
        text = _replaced(_LINE_ENDS, "\n", text, found, "line ends")
    if not ascii_only:
        text = _replaced(_ODD_SPACES, " ", text, found, "unusual spaces")
    if " \n" in text or "\t\n" in text:
        text = _replaced(_TRAILING, "\n", text, found, "spaces at line ends")
    if "  " in text or "\t" in text:
        text = _replaced(_SPACES, " ", text, found, "runs of spaces")
    if "\n\n\n" in text:
        text = _replaced(_BLANK_LINES, "\n\n", text, found, "runs of blank lines")
    fixed = text.strip()
    if fixed != text:
        found["outer whitespace"] = 1
    return fixed


def _replaced(pattern: re.Pattern[str], new: str, text: str, found: Counter[str], what: str) -> str:
    text, n = pattern.subn(new, text)
    if n:
        found[what] = 1
    return text


def _words(what: str, n: int) -> str:
    """Return "2 HTML tags", or only the name of what is not counted.

    >>> _words("HTML entity", 2), _words("mojibake", 1)
    ('2 HTML entities', 'mojibake')
    """
    if what not in ("HTML tag", "HTML entity", "control or invisible character"):
        return what
    return f"{n} {what}" if n == 1 else f"{n} {what[:-1]}ies" if what.endswith("y") else f"{n} {what}s"
