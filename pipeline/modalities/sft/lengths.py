"""Answers that the user's tokenizer and `max_length` cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from pipeline.abilities import Fault
from pipeline.modalities.sft.turns import Turn, joined
from pipeline.modalities.text.encoder import model_source
from pipeline.stage import Missing


def faults(
    rows: Sequence[Sequence[Turn] | None], is_train: np.ndarray, name: str, max_length: int
) -> Iterator[Fault]:
    """Yield the rows whose last answer ends after token `max_length`.

    Conversations are rendered with the tokenizer's chat template, or a line a turn where it has none or
    refuses the turns (some know no system turn); one fault of the whole set counts the train rows it refuses.
    score = share of the answer's tokens that are left. Raises `RecipeError` when there is no such tokenizer:
    who sets `max_length` wants to know, and the stage's other checks must not be lost with it.
    """
    tokenizer = load(name)
    refused: list[str] = []
    for i, row in enumerate(rows):
        turns = joined(row)
        if not turns or turns[-1]["role"] != "assistant":
            continue
        text, why = _rendered(tokenizer, turns)
        refused += [why] if why and is_train[i] else []
        whole = _tokens(tokenizer, text)
        if whole <= max_length:
            continue
        answer = _tokens(tokenizer, turns[-1]["content"])
        left = max(answer - (whole - max_length), 0)
        because = (f"{whole} tokens, max_length is {max_length}: "
                   + (f"the answer keeps {left} of its {answer}" if left else "no answer is left")
                   + (f"; counted without the chat template, which refuses it: {why}" if why else ""))
        yield Fault(i, "answer_cut", min(left / max(answer, 1), 0.99), "flag", because)
    if refused:
        n = int(is_train.sum())
        because = (f"the chat template of {name!r} refuses {len(refused):,} of {n:,} train rows "
                   f"({refused[0]}): they were counted without it, and training leaves them out")
        yield Fault(None, "answer_cut", 1 - len(refused) / n, "flag", because)


def _rendered(tokenizer: Any, turns: list[dict[str, str]]) -> tuple[str, str]:
    """Return the text that training reads, and why the chat template could not write it, else ""."""
    why = ""
    if getattr(tokenizer, "chat_template", None):
        from jinja2 import TemplateError

        try:
            return str(tokenizer.apply_chat_template(turns, tokenize=False)), ""
        except (TemplateError, TypeError, KeyError, IndexError) as error:
            why = (str(error) or repr(error)).splitlines()[0]
    return "\n".join(turn["content"] for turn in turns), why


def _tokens(tokenizer: Any, text: str) -> int:
    return len(tokenizer(text, add_special_tokens=True, truncation=False, verbose=False)["input_ids"])


@lru_cache(maxsize=4)
def load(name: str) -> Any:
    """Return the tokenizer. Raises `RecipeError` where it cannot be loaded."""
    from pipeline.recipe_text import RecipeError

    instead = "or leave out max_length"
    try:
        from transformers import AutoTokenizer

        source, local = model_source(name)
        return AutoTokenizer.from_pretrained(source, local_files_only=local)
    except ImportError as error:
        raise RecipeError(f'max_length needs {error.name}: pip install "assay[text]", {instead}') from None
    except Missing as error:
        raise RecipeError(f"max_length: {error}, {instead}") from None
    except (OSError, ValueError) as error:
        why = (str(error) or repr(error)).splitlines()[0]
        raise RecipeError(f"tokenizer {name!r} cannot be loaded: {why} "
                          f"(give a folder or a name on the Hub, {instead})") from error
