"""Preference rows as they come: texts or lists of turns, with the prompt or with it inside both answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline.modalities import Intake
from pipeline.modalities.sft.formats import Turns, Unreadable, same_turns, turns_of
from pipeline.modalities.sft.turns import TURNS

COLUMNS = ("prompt", "chosen", "rejected")
_SAID = re.compile(r"\n\n(Human|Assistant):[ ]?")


def read_rows(table: pa.Table, content: Sequence[str]) -> Intake:
    """Return the table with `prompt`, `chosen` and `rejected` as lists of turns.

    Where both answers are whole conversations, what they begin with alike is the prompt; the transcripts
    of Anthropic's HH-RLHF (`Human:`, `Assistant:`) are read as conversations.
    """
    if set(content) == set(COLUMNS) and all(same_turns(table.schema.field(c).type) for c in COLUMNS):
        return Intake(table, COLUMNS)
    name_of = {name.lower(): name for name in reversed(list(content))}
    cells = {c: table[name_of[c]].to_pylist() if c in name_of else [None] * table.num_rows for c in COLUMNS}
    rows: list[tuple[Turns | None, ...]] = []
    unreadable: dict[int, str] = {}
    for i in range(table.num_rows):
        try:
            prompt, won, lost = (cells[c][i] for c in COLUMNS)
            rows.append(_row(prompt, won, lost, "prompt" in name_of))
        except Unreadable as why:
            unreadable[i] = str(why)
            rows.append((None, None, None))
    taken = table.select([c for c in table.column_names if c not in content])
    for k, column in enumerate(COLUMNS):
        taken = taken.append_column(column, pa.array([row[k] for row in rows], TURNS))
    return Intake(taken, COLUMNS, unreadable)


def _row(prompt: Any, chosen: Any, rejected: Any, has_prompt: bool) -> tuple[Turns, ...]:
    if chosen is None or rejected is None:
        raise Unreadable(f"{'chosen' if chosen is None else 'rejected'}: missing")
    if has_prompt and prompt is None:
        raise Unreadable("prompt: missing")
    won = turns_of(_transcript(chosen), "assistant", "chosen")
    lost = turns_of(_transcript(rejected), "assistant", "rejected")
    if prompt is not None:
        asked = turns_of(_transcript(prompt), "user", "prompt")
        return asked, _after(asked, won), _after(asked, lost)
    k = 0
    while k < min(len(won), len(lost)) - 1 and won[k] == lost[k]:
        k += 1
    if not k:
        raise Unreadable("no prompt: the two answers begin with no turn alike")
    return won[:k], won[k:], lost[k:]


def _after(prompt: Turns, answer: Turns) -> Turns:
    """Return an answer without the prompt, where it begins with it."""
    return answer[len(prompt) :] if len(answer) > len(prompt) and answer[: len(prompt)] == prompt else answer


def _transcript(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith("\n\nHuman:"):
        return value
    parts = _SAID.split(value)[1:]
    return [{"role": role, "content": said.strip()}
            for role, said in zip(parts[::2], parts[1::2], strict=True)]
