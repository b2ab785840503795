"""Rendering: turns -> the text the model reads, and where in it the answers stand.

A template writes the whole conversation; where an answer begins and ends in it is found by rendering what
comes before. That is right as long as the shorter text begins the longer one. Some templates write a turn
differently once another follows; there the answer's own characters are looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from finetune.generation.turns import ASSISTANT, Turn, last_answer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What a tokenizer without a template gets, and what is saved with the model trained on it.
PLAIN = (
    "{% if bos_token %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}"
    "### {{ message['role'] | capitalize }}:\n{{ message['content'] }}"
    "{% if message['role'] == 'assistant' and eos_token %}{{ eos_token }}{% endif %}{{ '\\n\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}### Assistant:\n{% endif %}"
)


class Refused(ValueError):
    """The template does not take this conversation; says why."""


class Rendered(NamedTuple):
    """A conversation as text. `answers`: (start, end) in characters, one an answer, its end mark included."""

    text: str
    answers: tuple[tuple[int, int], ...]


def with_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """Give a tokenizer without a chat template the plain one; return which one it has, in words."""
    if tokenizer.chat_template:
        return "the tokenizer's own chat template"
    tokenizer.chat_template = PLAIN
    return "the tokenizer has no chat template: a plain one is used (### User: ... ### Assistant: ...)"


def render(tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Turn], which: str = "all") -> Rendered:
    """Return the text and the places of its answers: of "all" turns of the assistant, or the "last".

    Nothing stands after the last answer: what a model never has to say is not shown to it.
    Raises `Refused` when there is no answer, or the template takes no such turns.
    """
    end = last_answer(conversation)
    if end is None:
        raise Refused("no turn of the assistant, so there is nothing to learn")
    conversation = list(conversation[: end + 1])
    text = written(tokenizer, conversation).rstrip("\n")
    marks = [end] if which == "last" else [k for k, t in enumerate(conversation) if t["role"] == ASSISTANT]
    answers = []
    for k in marks:
        span = _by_prefix(tokenizer, conversation, k, text) or _by_characters(
            tokenizer, conversation, k, text
        )
        if span is None:
            raise Refused(f"turn {k + 1}: the chat template changes the answer, so it is not found")
        answers.append(span)
    return Rendered(text, tuple(answers))


def prompt_of(tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Turn]) -> str:
    """Return the text up to where the last answer begins. Raises `Refused`."""
    text, answers = render(tokenizer, conversation, "last")
    return text[: answers[0][0]]


def written(
    tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Turn], generate: bool = False
) -> str:
    """Return what the template makes of the turns. Raises `Refused` with the template's own words."""
    from jinja2 import TemplateError

    try:
        text: Any = tokenizer.apply_chat_template(
            list(conversation), tokenize=False, add_generation_prompt=generate
        )
    except (TemplateError, TypeError, KeyError, IndexError, ValueError) as error:
        raise Refused(f"the chat template refuses it: {error}") from None
    return str(text)


def _by_prefix(
    tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Turn], k: int, text: str
) -> tuple[int, int] | None:
    """Return where turn k's answer stands, if the texts of fewer turns begin the whole text.

    A template that writes no prompt for generation writes the answer's header with the answer: such words are
    none of the model's.
    """
    if k == 0:  # nothing comes before it, which some templates cannot render
        return None
    try:
        before = written(tokenizer, conversation[:k], generate=True)
        has_prompt = before != written(tokenizer, conversation[:k])
        upto = written(tokenizer, conversation[: k + 1]).rstrip("\n")
    except Refused:  # a template may refuse to begin, or to end, with some turns
        return None
    holds = text.startswith(upto) and upto.startswith(before)
    answer = conversation[k]["content"].strip()
    if not holds or answer not in upto[len(before) :]:
        return None
    content = upto.index(answer, len(before))
    header = upto[len(before) : content].strip() and not has_prompt
    return (content if header else len(before), len(upto))


def _by_characters(
    tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Turn], k: int, text: str
) -> tuple[int, int] | None:
    """Return where turn k's own characters stand, after those of the turns before it, with its end mark."""
    start = end = 0
    for turn in conversation[: k + 1]:
        content = turn["content"].strip()
        start = text.find(content, end)
        if start >= 0:
            end = start + len(content)
    if start < 0 or start == end:
        return None
    eos = str(tokenizer.eos_token or "")
    if eos and text[end:].lstrip().startswith(eos):
        end = text.index(eos, end) + len(eos)
    return start, end
