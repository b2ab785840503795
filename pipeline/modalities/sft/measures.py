"""Numbers about conversations: turns, lengths of prompts and answers, repetition. Units are in the names."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from pipeline.modalities.sft.turns import Turn, exchanges, joined
from pipeline.modalities.text.measures import measure as measure_texts


def measure(content: pa.Table) -> pd.DataFrame:
    """Measure every conversation, a function of the conversation alone; prompts and answers of all turns.

    n_turns, n_answers : turns, and those of the assistant. prompt_chars, answer_chars, prompt_words,
    answer_words : of all turns of a kind, as texts are measured; n_words and length_chars their sums.
    answer_repeated_trigram_fraction : word 3-grams of the answers that they had before.
    answer_share : answer_chars / length_chars. shortest_prompt_chars, shortest_answer_chars : of one turn,
    0 where there is none.

    >>> turns = [{"role": "user", "content": "Add 1 and 2"}, {"role": "assistant", "content": "It is 3"}]
    >>> measure(pa.table({"messages": [turns]}))[["prompt_words", "answer_words"]].to_numpy().tolist()
    [[4, 3]]
    """
    rows = content["messages"].to_pylist()
    spoken = [exchanges(row) for row in rows]
    prompts = _texts(["\n".join(e.prompt for e in row) for row in spoken])
    answers = _texts(["\n".join(e.answer for e in row) for row in spoken])
    length_chars = prompts["length_chars"] + answers["length_chars"]
    return pd.DataFrame({
        "n_turns": [len(row or ()) for row in rows],
        "n_answers": [len(row) for row in spoken],
        "prompt_chars": prompts["length_chars"],
        "answer_chars": answers["length_chars"],
        "prompt_words": prompts["n_words"],
        "answer_words": answers["n_words"],
        "length_chars": length_chars,
        "n_words": prompts["n_words"] + answers["n_words"],
        "answer_share": answers["length_chars"] / length_chars.clip(lower=1),
        "answer_repeated_trigram_fraction": answers["repeated_trigram_fraction"],
        "shortest_prompt_chars": [_shortest_prompt(row) for row in rows],
        "shortest_answer_chars": [min((len(e.answer.strip()) for e in row), default=0) for row in spoken],
    })


def _shortest_prompt(row: Sequence[Turn] | None) -> int:
    """Return the characters of the shortest turn of the user, its input included; 0 where there is none."""
    asked = [t["content"].strip() for t in joined(row) if t["role"] == "user"]
    return min(map(len, asked), default=0)


def _texts(texts: list[str]) -> pd.DataFrame:
    return measure_texts(pa.table({"text": pa.array(texts, pa.large_string())}))
