"""Markdown that stays what it is, whatever a name holds: bars, backticks, line breaks, tags."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

_SIMPLE = re.compile(r"[\w .,:;/@+()-]+")  # names that a backtick span shows as they are


def code(text: object, plain: bool = False) -> str:
    r"""Return a name for a table cell or a sentence, as code unless `plain`, on one line and inert.

    >>> code("row_id"), code("a|b"), code("<b>\n`x`"), code("[x](y)", plain=True)
    ('`row_id`', '<code>a&#124;b</code>', '<code>&lt;b&gt; &#96;x&#96;</code>', '&#91;x&#93;(y)')
    """
    line = " ".join(str(text).split())
    if not plain and _SIMPLE.fullmatch(line):
        return f"`{line}`"
    safe = html.escape(line)
    for mark in "|`[]*_~\\":
        safe = safe.replace(mark, f"&#{ord(mark)};")
    return safe if plain else f"<code>{safe}</code>"


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table's lines; cells are given inert.

    >>> table_lines(["a", "b"], [["1", "2"]])
    ['| a | b |', '| --- | --- |', '| 1 | 2 |']
    """
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]
