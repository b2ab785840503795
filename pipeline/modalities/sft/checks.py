"""What is wrong with a conversation, in words: every check of `quality` that a bound cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.abilities import Checks, Fault
from pipeline.modalities.sft import answers, asked, language, lengths, personal
from pipeline.modalities.sft.options import SftQuality
from pipeline.modalities.sft.template import tokens_in
from pipeline.modalities.sft.turns import Turn, disorder, exchanges

Rows = Sequence[Sequence[Turn] | None]


def check(rows: Rows, is_train: np.ndarray, options: SftQuality) -> Checks:
    """Return the faults of every row; what is usual in the set is learnt from train rows only.

    Cost: O(characters), about 3 MB/s, and the tokenizer's where `max_length` is set.
    Raises `RecipeError` before anything is checked when that tokenizer cannot be loaded.
    """
    if options.max_length is not None:
        lengths.load(options.tokenizer)
    examined = ["empty_answer", "prompt_repeated", "template_token", "role_order", "wrong_language"]
    faults = [*_turns(rows, options), *answers.faults(rows, is_train, options),
              *language.faults(rows, is_train, options.language)]
    if options.truncated:
        examined.append("truncated_answer")
    if options.refused:
        examined.append("refused_answer")
    if options.formats:
        examined.append("format_violation")
        faults += asked.faults(rows)
    if options.personal != "off":
        examined.append("personal_data")
        faults += personal.faults([_said(row) for row in rows], options.personal)
    if options.max_length is not None:
        examined.append("answer_cut")
        faults += lengths.faults(rows, is_train, options.tokenizer, options.max_length)
    return Checks(tuple(sorted(examined)), faults)


def _turns(rows: Rows, options: SftQuality) -> Iterator[Fault]:
    """Yield what the turns themselves show: no answer in them, template tokens, roles out of order."""
    for i, row in enumerate(rows):
        said = [len(e.answer.strip()) for e in exchanges(row)]
        empty = [k for k, n in enumerate(said, 1) if n < options.min_answer_chars]
        if empty:
            which = "the answer" if len(said) == 1 else f"answer {empty[0]}"
            yield Fault(i, "empty_answer", 0.0, options.empty, f"{which} has no text to learn")
        if wrong := disorder(row):
            yield Fault(i, "role_order", 0.2, "flag", f"roles out of order: {wrong}")
        tokens = [(k, t) for k, turn in enumerate(row or (), 1) for t in tokens_in(turn["content"] or "")]
        if tokens:
            shown = ", ".join(dict.fromkeys(token for _, token in tokens[:3]))
            because = f"turn {tokens[0][0]} holds {shown}, which a chat template puts between turns"
            yield Fault(i, "template_token", 0.1, "flag", because)


def _said(row: Sequence[Turn] | None) -> str:
    return "\n".join(turn["content"] or "" for turn in row or ())
