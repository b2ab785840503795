"""Repair a conversation: broken Unicode, stray whitespace, template tokens at a turn's ends, roles' names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.modalities.sft.options import SftClean
from pipeline.modalities.sft.template import is_wrapped, named_in, strip_ends
from pipeline.modalities.sft.turns import Turn, role_of
from pipeline.modalities.text.options import TextClean
from pipeline.modalities.text.repair import repair as repair_text

_UNICODE = TextClean(unicode=True, markup=False, whitespace=False)


def repair(cell: Any, options: SftClean, wrapped: bool = False) -> tuple[Any, list[str]]:
    """Return the repaired turns and what was wrong, in words; the same cell and [] when nothing was.

    Markup stays: it may be what was asked for, and so do template tokens that an earlier turn is about.
    Idempotent. Cells that are no list of turns are left alone.

    wrapped : whether the set's turns usually stand between `<s>` and `</s>`; see `usually_wrapped`.

    >>> turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello.<|im_end|>"}]
    >>> repair(turns, SftClean())[1]
    ['turn 2: template token <|im_end|>']
    """
    if not isinstance(cell, list):
        return cell, []
    out, reasons = [], []
    named: frozenset[str] = frozenset()
    for k, turn in enumerate(cell, 1):
        role, wrong = turn["role"], []
        content = turn["content"] or ""
        known = role_of(role)
        if options.roles and known and known != role:
            role, wrong = known, [f"role {turn['role']!r}"]
        named |= named_in(content) if role != "assistant" else frozenset()
        content, found = _repaired(content, options, named, wrapped)
        reasons += [f"turn {k}: {what}" for what in (*wrong, *found)]
        out.append({"role": role, "content": content})
    return (out, reasons) if reasons else (cell, [])


def usually_wrapped(rows: Sequence[Sequence[Turn] | None]) -> bool:
    """Whether most conversations have a turn between `<s>` and `</s>`: a template's doing, no struck text."""
    wrapped = sum(any(is_wrapped(turn["content"] or "") for turn in row or ()) for row in rows)
    return wrapped > len(rows) / 2


def _repaired(
    text: str, options: SftClean, named: frozenset[str], wrapped: bool
) -> tuple[str, list[str]]:
    """Return a turn's text after passes that run until nothing changes, because tokens hide whitespace."""
    reasons: list[str] = []
    for _ in range(8):
        before = text
        if options.unicode:
            text, found = repair_text(text, _UNICODE)
            reasons += found
        if options.whitespace and (stripped := _tidy(text)) != text:
            text = stripped
            reasons.append("whitespace")
        if options.template_tokens:
            text, tokens = strip_ends(text, named, wrapped)
            reasons += [f"template token {token}" for token in tokens]
        if text == before:
            break
    return text, list(dict.fromkeys(reasons))


def _tidy(text: str) -> str:
    """Return the text with plain line ends, no blanks at their ends, no outer blank lines.

    Runs of spaces and indentation inside stay: they mean something in code and tables.
    """
    lines = [line.rstrip(" \t") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return "\n".join(lines).strip("\n").strip()
