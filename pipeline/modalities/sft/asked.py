"""Formats that a prompt asks for: JSON, a list of N items, a code block; and whether the answer has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from pipeline.abilities import Fault
from pipeline.modalities.sft.answers import refused
from pipeline.modalities.sft.turns import Turn, exchanges

_JSON = re.compile(
    r"\b(?:as|in)\s+(?:an?\s+|the\s+|valid\s+|pure\s+|raw\s+|single\s+|strict\s+|well-formed\s+)*json\b"
    r"|\b(?:return|respond|reply|answer|output|produce|give|provide|generate|create|write|format|convert|turn)\b"
    r"[^.\n]{0,60}?\b(?:as|in|into|to|with|only|an?)\s+(?:\w+\s+){0,2}?json\b"
    r"|\bjson\s+(?:object|array|format|output)\s+(?:with|only|containing|that|of)\b", re.IGNORECASE)
_NOT_JSON = re.compile(
    r"\b(?:function|script|program|parser?|parses|code|library|class|module|regex|schema|difference|explain|"
    r"what is|from json|this json|json to|the json)\b", re.IGNORECASE)
_FENCE = re.compile(
    r"\b(?:in|inside|within|using|use|with|as)\s+(?:an?\s+)?(?:[\w+#]+\s+)?"
    r"(?:code[- ](?:block|fence)s?|fenced\b)"
    r"|\btriple backticks?\b|\bmarkdown code\b", re.IGNORECASE)
_COUNTING = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBERS = {word: n for n, word in enumerate(
    _COUNTING.split())}
_COUNT = re.compile(
    r"(?:\b(?P<verb>list|name|give|provide|suggest|generate|mention|identify|enumerate|recommend|propose|tell|"
    r"create|write|brainstorm|share|offer)\s+(?:me\s+|us\s+|out\s+|down\s+|up\s+with\s+)?"
    r"|\blist\s+of\s+)(?:the\s+)?(?P<how>top\s+|first\s+|exactly\s+|at least\s+|at most\s+|up to\s+)?"
    rf"(?P<n>\d{{1,2}}|{'|'.join(list(_NUMBERS)[2:])})\s+(?P<rest>(?:[\w'’-]+\s+){{0,3}}?[\w'’-]+s|people|children)\b",
    re.IGNORECASE)
_NO_ITEM_WORDS = (
    "words sentences paragraphs lines hours minutes days weeks months years dollars times digits "
    "characters pages letters stanzas verses seconds percent syllables"
)
_NO_ITEMS = frozenset(_NO_ITEM_WORDS.split())
_EACH = re.compile(r"\b(?:each|apiece|per|every|respectively)\b", re.IGNORECASE)
_ITEM = re.compile(r"^(?P<indent>\s*)(?:[-*•–+]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S", re.MULTILINE)
_BLOCK = re.compile(r"```[\w+-]*[ \t]*\n?(.*?)```", re.DOTALL)


def faults(rows: Sequence[Sequence[Turn] | None]) -> Iterator[Fault]:
    """Yield the first broken format of each row."""
    for i, row in enumerate(rows):
        for prompt, answer in exchanges(row):
            if answer.strip() and not refused(answer) and (wrong := violation(prompt, answer)):
                yield Fault(i, "format_violation", 0.2, "flag", wrong)
                break


def violation(prompt: str, answer: str) -> str | None:
    """Return which format was asked for and not given, or None.

    >>> violation("Answer as JSON.", "The colour is red.")
    'the prompt asks for JSON; the answer holds none that parses'
    >>> violation("Name three colours.", "- red" + chr(10) + "- blue")
    'the prompt asks for 3 items; the answer has 2'
    """
    if _JSON.search(prompt) and not _NOT_JSON.search(prompt) and not holds_json(answer):
        return "the prompt asks for JSON; the answer holds none that parses"
    if _FENCE.search(prompt) and "```" not in answer:
        return "the prompt asks for a code block; the answer has none"
    wanted = _COUNT.search(prompt)
    if wanted is None or (_NO_ITEMS & set(wanted["rest"].casefold().split())
                          and (wanted["verb"] or "list").casefold() not in ("list", "name")):
        return None
    if _EACH.search(prompt):  # the number is that of one part
        return None
    n = _NUMBERS.get(wanted["n"].casefold()) or int(wanted["n"])
    how = (wanted["how"] or "").strip().casefold()
    found = items(answer)
    if n < 2 or found is None or found == n:
        return None
    if (how == "at least" and found > n) or (how in ("at most", "up to") and found < n):
        return None
    return f"the prompt asks for {how + ' ' if how in ('at least', 'at most', 'up to') else ''}{n} items; " \
           f"the answer has {found}"


def holds_json(answer: str) -> bool:
    """Whether the answer, a code block in it, or what its outer braces or brackets hold is valid JSON."""
    text = answer.strip()
    tries = [text, *_BLOCK.findall(text)]
    for opening, closing in ("{}", "[]"):
        start, end = text.find(opening), text.rfind(closing)
        if 0 <= start < end:
            tries.append(text[start : end + 1])
    return any(_parses(part) for part in tries)


def items(answer: str) -> int | None:
    """Return how many items an answer lists; None where it is prose that cannot be counted.

    Items are marked lines of the least indentation, else lines, else what commas part in one short line.
    """
    text = answer.strip()
    marked = [len(m["indent"].expandtabs()) for m in _ITEM.finditer(text)]
    if marked:
        return marked.count(min(marked))
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1:
        short = all(len(line.split()) <= 12 for line in lines)
        return len(lines) - lines[0].rstrip().endswith(":") if short else None
    body = re.split(r":\s|\b(?:are|include)\b", text, maxsplit=1)[-1].strip(" .")
    if re.search(r"[(){}\[\]`]|[.!?]\s", body):
        return None
    parts = [p for p in re.split(r",\s*(?:and\s+|or\s+)?|;\s*|\s+(?:and|&)\s+", body) if p.strip()]
    few = len(parts) > 1 and all(len(part.split()) <= 5 for part in parts)
    return len(parts) if few else None


def _parses(text: str) -> bool:
    try:
        return isinstance(json.loads(text.strip()), dict | list)
    except (ValueError, RecursionError):
        return False
