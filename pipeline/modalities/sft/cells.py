"""Cells as files hold them: texts, turns, or turns that a text spells, in JSON or as Python prints them."""

from __future__ import annotations

import ast
import json
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.modalities.sft.turns import role_of

CHATS = ("messages", "conversations", "conversation")  # columns that hold turns and nothing else
PROMPTS = ("prompt", "chosen", "rejected")
ANSWERS = ("completion", "response", "output")
_KEPT = frozenset(("role", "from", "content", "value", "tool_calls", "function_call"))


def columns(table: pa.Table, content: Sequence[str]) -> dict[str, list[Any]]:
    """Return the cells of the content columns, texts that spell turns as those turns.

    In a column of conversations each text is read for itself. In any other a text may be an answer that looks
    like turns, so that turns are read only where every text of the column spells them; answers only beside a
    prompt that does.
    """
    cells = {name: table[name].to_pylist() for name in content}
    prompt = next((name for name in content if name.lower() == "prompt"), None)
    both = [name for name in content if name.lower() in ("chosen", "rejected")]
    spelt = {name: _spelt(cells[name]) for name in (*both, *([prompt] if prompt else ()))}
    for name in content:
        kind = name.lower()
        if kind in CHATS:
            cells[name] = [as_list(cell) for cell in cells[name]]
        elif name == prompt or (name in both and all(spelt[other] for other in both)):
            cells[name] = spelt[name] or cells[name]
        elif kind in ANSWERS and prompt and spelt[prompt]:
            cells[name] = _spelt(cells[name]) or cells[name]
    return cells


def as_list(value: Any) -> Any:
    """Return the list that a text spells, in JSON or as Python prints it; any other value as it is.

    >>> as_list("[{'role': 'user', 'content': None}]")
    [{'role': 'user', 'content': None}]
    """
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    for read in (json.loads, _literal):
        try:
            found = read(value.strip())
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        if isinstance(found, list):
            return found
    return value


def left_out(cells: Mapping[str, Sequence[Any]]) -> Counter[str]:
    """Return the keys of turns that have no place in ours, such as `weight`, and how many turns have them."""
    return Counter(key for column in cells.values() for turn in _turns(column)
                   for key, value in turn.items() if key not in _KEPT and value is not None)


def _turns(column: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    for cell in column:
        if isinstance(cell, list):
            yield from (turn for turn in cell if isinstance(turn, Mapping))


def _spelt(column: Sequence[Any]) -> list[Any] | None:
    """Return the column with its texts as turns, or None unless all that are not blank spell them."""
    out: list[Any] = []
    seen = False
    for cell in column:
        if isinstance(cell, str) and cell.strip():
            cell = as_list(cell)
            if not (isinstance(cell, list) and cell and all(_is_turn(turn) for turn in cell)):
                return None
            seen = True
        out.append(cell)
    return out if seen else None


def _is_turn(turn: Any) -> bool:
    if not isinstance(turn, Mapping) or not {"content", "value", "tool_calls", "function_call"} & set(turn):
        return False
    return role_of(turn.get("role") if turn.get("role") is not None else turn.get("from")) is not None


def _literal(text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return ast.literal_eval(text)
