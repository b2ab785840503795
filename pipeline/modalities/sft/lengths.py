"""Answers that the user's tokenizer and `max_length` cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from pipeline.abilities import Fault
from pipeline.modalities.sft.turns import Turn, joined
from pipeline.modalities.text.encoder import model_source
from pipeline.stage import Missing, NotApplicable


def faults(rows: Sequence[Sequence[Turn] | None], name: str, max_length: int) -> Iterator[Fault]:
    """Yield the rows whose last answer ends after token `max_length`.

    Conversations are rendered with the tokenizer's chat template, or a line a turn where it has none.
    score = share of the answer's tokens that are left. Raises `Missing` without transformers,
    `NotApplicable` when there is no such tokenizer.
    """
    tokenizer = _load(name)
    for i, row in enumerate(rows):
        turns = joined(row)
        if not turns or turns[-1]["role"] != "assistant":
            continue
        whole = _tokens(tokenizer, _rendered(tokenizer, turns))
        if whole <= max_length:
            continue
        answer = _tokens(tokenizer, turns[-1]["content"])
        left = max(answer - (whole - max_length), 0)
        because = (f"{whole} tokens, max_length is {max_length}: "
                   + (f"the answer keeps {left} of its {answer}" if left else "no answer is left"))
        yield Fault(i, "answer_cut", min(left / max(answer, 1), 0.99), "flag", because)


def _rendered(tokenizer: Any, turns: list[dict[str, str]]) -> str:
    if getattr(tokenizer, "chat_template", None):
        return str(tokenizer.apply_chat_template(turns, tokenize=False))
    return "\n".join(turn["content"] for turn in turns)


def _tokens(tokenizer: Any, text: str) -> int:
    return len(tokenizer(text, add_special_tokens=True, truncation=False, verbose=False)["input_ids"])


@lru_cache(maxsize=4)
def _load(name: str) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise Missing(f'counting tokens needs {error.name}: pip install "assay[text]"') from None
    try:
        source, local = model_source(name)
        return AutoTokenizer.from_pretrained(source, local_files_only=local)
    except (OSError, ValueError) as error:
        why = (str(error) or repr(error)).splitlines()[0]
        raise NotApplicable(f"tokenizer {name!r} cannot be loaded: {why}") from error
