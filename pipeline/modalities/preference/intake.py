"""Preference rows as they come: texts or lists of turns, with the prompt or with it inside both answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline.modalities import Intake
from pipeline.modalities.sft.cells import columns
from pipeline.modalities.sft.formats import (
    SYSTEM,
    Turns,
    Unreadable,
    notes_on,
    same_turns,
    turns_of,
    with_system,
)  # fmt: skip
from pipeline.modalities.sft.turns import TURNS

COLUMNS = ("prompt", "chosen", "rejected")
_SAID = re.compile(r"\n\n(Human|Assistant):[ ]?")


def read_rows(table: pa.Table, content: Sequence[str]) -> Intake:
    """Return the table with `prompt`, `chosen` and `rejected` as lists of turns.

    Where both answers are whole conversations, what they begin with alike is the prompt; the transcripts
    of Anthropic's HH-RLHF (`Human:`, `Assistant:`) are read as conversations. The text of a column `system`
    and a system turn that opens both answers go to the prompt.
    """
    if set(content) == set(COLUMNS) and all(same_turns(table.schema.field(c).type) for c in COLUMNS):
        return Intake(table, COLUMNS)
    name_of = {name.lower(): name for name in reversed(list(content))}
    read = columns(table, content)
    system = next((read[name_of[c]] for c in SYSTEM if c in name_of), None)
    cells = {c: read[name_of[c]] if c in name_of else [None] * table.num_rows for c in COLUMNS}
    rows: list[tuple[Turns | None, ...]] = []
    unreadable: dict[int, str] = {}
    for i in range(table.num_rows):
        try:
            prompt, won, lost = (cells[c][i] for c in COLUMNS)
            asked, *answers = _row(prompt, won, lost, "prompt" in name_of)
            rows.append((with_system(asked, system[i] if system else None), *answers))
        except Unreadable as why:
            unreadable[i] = str(why)
            rows.append((None, None, None))
    taken = table.select([c for c in table.column_names if c not in content])
    for k, column in enumerate(COLUMNS):
        taken = taken.append_column(column, pa.array([row[k] for row in rows], TURNS))
    return Intake(taken, COLUMNS, unreadable, tuple(notes_on(read)))


def _row(prompt: Any, chosen: Any, rejected: Any, has_prompt: bool) -> tuple[Turns, ...]:
    if chosen is None or rejected is None:
        raise Unreadable(f"{'chosen' if chosen is None else 'rejected'}: missing")
    if has_prompt and prompt is None:
        raise Unreadable("prompt: missing")
    won = turns_of(_transcript(chosen), "assistant", "chosen")
    lost = turns_of(_transcript(rejected), "assistant", "rejected")
    if prompt is not None:
        asked = turns_of(_transcript(prompt), "user", "prompt")
        systems, bodies = zip(*(_after(asked, side) for side in (won, lost)), strict=True)
        if not _same(*systems):
            raise Unreadable("chosen and rejected have different system turns")
        text = "\n\n".join(turn["content"] for turn in systems[0])
        return with_system(asked, text), *bodies
    k = 0
    while k < min(len(won), len(lost)) - 1 and _same(won[k : k + 1], lost[k : k + 1]):
        k += 1
    if not k:
        raise Unreadable("no prompt: the two answers begin with no turn alike")
    return won[:k], won[k:], lost[k:]


def _after(prompt: Turns, answer: Turns) -> tuple[Turns, Turns]:
    """Return the system turns that open an answer, and the rest without the prompt that it may begin with."""
    k = next((k for k, turn in enumerate(answer) if turn["role"] != "system"), len(answer))
    asked = [turn for turn in prompt if turn["role"] != "system"]
    body = answer[k:]
    held = asked and len(body) > len(asked) and _same(body[: len(asked)], asked)
    return answer[:k], body[len(asked) :] if held else body


def _same(one: Turns, two: Turns) -> bool:
    """Whether two lists of turns say the same, blanks around the texts apart."""
    return [(t["role"], t["content"].strip()) for t in one] == [
        (t["role"], t["content"].strip()) for t in two]


def _transcript(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith("\n\nHuman:"):
        return value
    parts = _SAID.split(value)[1:]
    return [{"role": role, "content": said.strip()}
            for role, said in zip(parts[::2], parts[1::2], strict=True)]
