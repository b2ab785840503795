"""Tokens of chat templates that got into the text of turns."""

from __future__ import annotations

import re

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
    re.compile(r"\s*(?P<token><\|im_end\|>|<\|endoftext\|>|<\|end_of_text\|>|<\|eot_id\|>|<\|end\|>|</s>"
               r"|<end_of_turn>|<eos>|\[EOS\]|<｜end▁of▁sentence｜>)\s*$"),
    re.compile(r"^\s*(?P<token>(?:<\|im_start\|>|<start_of_turn>|<\|start_header_id\|>)"
               r"(?:system|user|assistant|model)(?:<\|end_header_id\|>|\n)|<s>|<bos>|<\|begin_of_text\|>"
               r"|###[ \t]*(?:Response|Assistant)[ \t]*:)\s*"),
)
_SHOWS = re.compile(r"`[^`\n]{0,200}`|```.*?(?:```|\Z)", re.DOTALL)


def tokens_in(text: str) -> list[str]:
    """Return the template tokens inside a text, in order; those shown as code do not count.

    >>> tokens_in("Hi<|im_end|>"), tokens_in("Write `</s>` at the end.")
    (['<|im_end|>'], [])
    """
    if not _HINT.search(text):
        return []
    return [found.strip() for found in TOKEN.findall(_SHOWS.sub(" ", text) if "`" in text else text)]


def strip_ends(text: str) -> tuple[str, list[str]]:
    """Return the text without the tokens that a template puts around a turn, and which they were.

    Only there is it certain that a token is left over from a template; inside, a text may be about them.

    >>> strip_ends("<s>Yes.</s>")
    ('Yes.', ['</s>', '<s>'])
    """
    gone: list[str] = []
    for pattern in _ENDS:
        while _HINT.search(text) and (found := pattern.search(text)):
            gone.append(found["token"].strip())
            text = text[: found.start()] + text[found.end():]
    return text, gone
