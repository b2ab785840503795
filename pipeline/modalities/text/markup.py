"""Take HTML out of a text, and nothing that only looks like it."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from html.entities import html5

# Tags that start a paragraph, a line or a cell. They go wherever they stand.
_PARAGRAPHS = frozenset("""
    address article aside blockquote body center dd div dl dt fieldset figcaption figure footer form frameset
    h1 h2 h3 h4 h5 h6 head header hr html iframe main nav noscript ol p pre section table tbody tfoot thead ul
    """.split())  # noqa: SIM905 - names read best as words
_LINES = frozenset(("br", "caption", "li", "tr", "title"))
_CELLS = frozenset(("td", "th"))
# Tags inside a line. Without attributes they go only where both <x> and </x> are: `List<a>` is no markup.
_INLINE = frozenset("""
    a abbr acronym b bdi bdo big button cite code col colgroup data del details dfn em embed font i img input
    ins kbd label legend link map mark meta object optgroup option output param picture q rp rt ruby s samp
    select small source span strike strong sub summary sup textarea time tt u var video wbr
    """.split())  # noqa: SIM905
_ALONE = frozenset(("img", "input", "link", "meta", "wbr", "col", "embed", "source", "param"))  # never closed
_FLAGS = ("async|checked|compact|controls|default|defer|disabled|hidden|multiple|noshade|nowrap|open|readonly"
          "|required|selected")

_VALUE = r"""(?:"[^"<>]{0,4000}"|'[^'<>]{0,4000}'|[^\s"'=<>`]{1,4000})"""
_ATTRIBUTE = rf"\s+(?:[A-Za-z_:][\w:.-]*\s*=\s*{_VALUE}|(?:{_FLAGS})\b)"
_TAG = re.compile(rf"<(/?)([A-Za-z][A-Za-z0-9]{{0,9}})((?:{_ATTRIBUTE})*)\s*/?>")
_AMPERSANDS = r"&(?:(?:amp|AMP|#38|#x26);)*"  # escaped several times over
_ENTITY = re.compile(_AMPERSANDS + r"(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_WITH_CONTENT = tuple(
    (re.compile(rf"<{name}\b[^<>]{{0,4000}}>", re.IGNORECASE), re.compile(rf"</{name}\s*>", re.IGNORECASE))
    for name in ("script", "style"))
_COMMENT = (re.compile("<!--"), re.compile("-->"))
_DECLARATION = re.compile(r"<!DOCTYPE\s[^<>]{0,1000}>|<\?xml\s[^<>]{0,1000}\?>", re.IGNORECASE)


def strip_markup(text: str, found: Counter[str]) -> str:
    r"""Return the text without HTML; `found` counts the tags and entities that went.

    A tag is a known name with attributes of the form name=value or a known flag. Line breaks become line
    ends, blocks become paragraphs. An entity needs its semicolon and a known name: `AT&T` and `?a=1&copy=2`
    stay. Cost: O(characters).

    >>> found = Counter()
    >>> strip_markup("H<sub>2</sub>O, x<b and c>d, Map<a>, <p class=x>new</p>", found), dict(found)
    ('H2O, x<b and c>d, Map<a>, \n\nnew\n\n', {'HTML tag': 4})
    """
    if "<" in text:
        for start, end in (*_WITH_CONTENT, _COMMENT):
            text = _without_spans(text, start, end, found)
        text = _counted(_DECLARATION, "", text, found, "HTML tag")
        text = _without_tags(text, found)
    if "&" in text and ";" in text:
        text = _without_entities(text, found)
    return text


def _without_spans(text: str, start: re.Pattern[str], end: re.Pattern[str], found: Counter[str]) -> str:
    """Cut from each start to the next end, both included; a start without an end stays."""
    kept, at = [], 0
    while (opening := start.search(text, at)) and (closing := end.search(text, opening.end())):
        kept.append(text[at : opening.start()])
        at = closing.end()
        found["HTML tag"] += 1
    return "".join([*kept, text[at:]])


def _without_tags(text: str, found: Counter[str]) -> str:
    kinds = {(match[1], match[2].lower()) for match in _TAG.finditer(text)}
    paired = {name for slash, name in kinds if slash and ("", name) in kinds}

    def new(match: re.Match[str]) -> str:
        name = match[2].lower()
        sure = name in _PARAGRAPHS or name in _LINES or name in _CELLS or name in _ALONE
        if not sure and (name not in _INLINE or not (match[3] or name in paired)):
            return match[0]
        found["HTML tag"] += 1
        return "\n\n" if name in _PARAGRAPHS else "\n" if name in _LINES else " " if name in _CELLS else ""

    return _TAG.sub(new, text)


def _without_entities(text: str, found: Counter[str]) -> str:
    def new(match: re.Match[str]) -> str:
        name = match[1]
        if not name.startswith("#") and f"{name};" not in html5:
            return match[0]
        found["HTML entity"] += 1
        return unescape(f"&{name};")

    return _ENTITY.sub(new, text)


def _counted(pattern: re.Pattern[str], new: str, text: str, found: Counter[str], what: str) -> str:
    text, n = pattern.subn(new, text)
    if n:
        found[what] += n
    return text
