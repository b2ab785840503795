"""Tokens of chat templates that got into the text of turns."""

from __future__ import annotations

import re
from collections.abc import Collection

_SPECIAL = (
    r"<\|(?:im_start|im_end|im_sep|endoftext|begin_of_text|end_of_text|start_header_id|end_header_id|eot_id|eom_id"
    r"|system|user|assistant|end|eot|endofprompt|fim_prefix|fim_middle|fim_suffix|start|message|channel|return"
    r"|python_tag|pad|sep|prompter|User|Assistant|END_OF_TURN_TOKEN|START_OF_TURN_TOKEN)\|>"
    r"|\[/?INST\]|<</?SYS>>|</?s>(?![a-z])|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk|sep)>"
    r"|\[(?:BOS|EOS|PAD|SEP|CLS|UNK)\]|<｜[^<>｜]{1,30}｜>"
)
_HEADINGS = r"^[ \t]*###[ \t]*(?:Instruction|Response|Input|Human|Assistant|User|System|Output)[ \t]*:"
TOKEN = re.compile(f"{_SPECIAL}|{_HEADINGS}", re.MULTILINE)
_HINT = re.compile(r"<[|｜<a-z/]|\[/?[A-Z]|###")
_ENDS = (
    re.compile(r"\s*(?P<token><\|im_end\|>|<\|endoftext\|>|<\|end_of_text\|>|<\|eot_id\|>|<\|end\|>"
               r"|<end_of_turn>|<eos>|\[EOS\]|<｜end▁of▁sentence｜>)\s*$"),
    re.compile(r"^\s*(?P<token>(?:<\|im_start\|>|<start_of_turn>|<\|start_header_id\|>)"
               r"(?:system|user|assistant|model)(?:<\|end_header_id\|>|\n)|<bos>|<\|begin_of_text\|>)\s*"),
)
_PAIR = re.compile(r"\s*<s>(?P<inside>(?:(?!</?s>).)*)</s>\s*", re.DOTALL)  # also how HTML strikes a text out
_LONE = re.compile(r"(?P<inside>(?:(?!</?s>).)*\S)\s*</s>\s*", re.DOTALL)
_BEFORE, _AFTER = re.compile(r"[\s\"'(`]$"), re.compile(r"[\s\"'),.;:?!`]")
_ABOUT = re.compile(r"\b(?:token|tag|delimiter|separator|marker|symbol|sequence)s?\b", re.IGNORECASE)
_SHOWS = re.compile(r"`[^`\n]{0,200}`|```.*?(?:```|\Z)", re.DOTALL)


def tokens_in(text: str) -> list[str]:
    """Return the template tokens inside a text, in order; those shown as code do not count.

    >>> tokens_in("Hi<|im_end|>"), tokens_in("Write `</s>` at the end.")
    (['<|im_end|>'], [])
    """
    if not _HINT.search(text):
        return []
    return [found.strip() for found in TOKEN.findall(_SHOWS.sub(" ", text) if "`" in text else text)]


def strip_ends(
    text: str, named: Collection[str] = (), wrapped: bool = False
) -> tuple[str, list[str]]:
    """Return the text without the tokens that a template puts around a turn, and which they were.

    Only there is it certain that a token is left over from a template; inside, a text may be about them. A
    `</s>` goes where no `<s>` stands before it: both together are how HTML strikes a text out. Headings such
    as `### Response:` stay: they are Markdown too.

    named : tokens that the prompt is about, which stay.
    wrapped : whether the set's turns usually stand between `<s>` and `</s>`, so that both go.

    >>> strip_ends("Yes.</s>"), strip_ends("<s>Yes.</s>"), strip_ends("<s>Yes.</s>", wrapped=True)
    (('Yes.', ['</s>']), ('<s>Yes.</s>', []), ('Yes.', ['<s>', '</s>']))
    """
    gone: list[str] = []
    while _HINT.search(text):
        found = next((m for pattern in _ENDS if (m := pattern.search(text)) and _is_left(m, named)), None)
        if found is not None:
            gone.append(found["token"].strip())
            text = text[: found.start()] + text[found.end():]
        elif "</s>" in named or not (pair := (wrapped and _PAIR.fullmatch(text)) or _LONE.fullmatch(text)):
            break
        else:
            gone += ["<s>", "</s>"] if pair.re is _PAIR else ["</s>"]
            text = pair["inside"]
    return text, gone


def is_wrapped(text: str) -> bool:
    """Whether a turn stands between `<s>` and `</s>`."""
    return bool(_PAIR.fullmatch(text))


def named_in(prompt: str) -> frozenset[str]:
    """Return the tokens that a prompt is about: those among its words, or any where it speaks of tokens.

    >>> sorted(named_in("Does </s> end it?")), sorted(named_in("Hi</s>"))
    (['</s>'], [])
    """
    if not _HINT.search(prompt):
        return frozenset()
    about = bool(_ABOUT.search(prompt))
    return frozenset(m[0].strip() for line in prompt.split("\n") for m in TOKEN.finditer(line)
                     if about or _is_among_words(line[: m.start()], line[m.end():]))


def _is_among_words(before: str, after: str) -> bool:
    """Whether words, no other tokens only, stand on both sides of a token, apart from it."""
    apart = _BEFORE.search(before) and _AFTER.match(after)
    return bool(apart) and all(re.search(r"\w", TOKEN.sub(" ", side)) for side in (before, after))


def _is_left(found: re.Match[str], named: Collection[str]) -> bool:
    return not any(token in found["token"] for token in named)
