"""The formats instruction pairs come in, row by row, and how each becomes a list of turns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.modalities import Intake
from pipeline.modalities.sft.cells import CHATS, as_list, columns, left_out
from pipeline.modalities.sft.turns import TURNS, role_of

Turns = list[dict[str, str]]


class Unreadable(ValueError):
    """A row that is no conversation; the message says why."""


class Format(NamedTuple):
    """Columns that make a row, the first of each alternative that is there, and how they are read."""

    name: str
    needs: tuple[tuple[str, ...], ...]
    may: tuple[tuple[str, ...], ...]
    read: Callable[..., Turns]


def _pair(prompt: Any, completion: Any, system: Any = None) -> Turns:
    turns = [*turns_of(prompt, "user", "prompt"), *turns_of(completion, "assistant", "completion")]
    return with_system(turns, system)


def _alpaca(instruction: Any, output: Any, given: Any = None, system: Any = None) -> Turns:
    asked = [{"role": "user", "content": text_of(instruction, "instruction")}]
    return [*_said(system, "system"), *asked, *_said(given, "input"),
            {"role": "assistant", "content": text_of(output, "output")}]


def _chat(messages: Any, system: Any = None) -> Turns:
    return with_system(turns_of(messages, "user", "messages"), system)


def with_system(turns: Turns, system: Any) -> Turns:
    r"""Return the turns with the text of a `system` column first, joined to a system turn of their own.

    >>> with_system([{"role": "system", "content": "Be brief."}], "Be kind.")
    [{'role': 'system', 'content': 'Be kind.\n\nBe brief.'}]
    """
    given = _said(system, "system")
    if not given or not turns or turns[0]["role"] != "system":
        return [*given, *turns]
    text, own = given[0]["content"], turns[0]["content"]
    whole = own if text.strip() in own else f"{text}\n\n{own}"
    return [{"role": "system", "content": whole}, *turns[1:]]


SYSTEM = ("system", "system_prompt")
FORMATS = (
    Format("messages", (("messages",),), (SYSTEM,), _chat),
    Format("sharegpt", (("conversations", "conversation"),), (SYSTEM,), _chat),
    Format("alpaca", (("instruction",), ("output", "response", "completion")),
           (("input", "context"), SYSTEM), _alpaca),
    Format("prompt-completion", (("prompt",), ("completion", "response")), (SYSTEM,), _pair),
)


def columns_of(names: Sequence[str]) -> dict[str, tuple[str | None, ...]]:
    """Return, by format, the columns that it would be read from, needed ones first.

    >>> columns_of(["instruction", "output", "topic"])
    {'alpaca': ('instruction', 'output', None, None)}
    """
    lower = {name.lower(): name for name in reversed(list(names))}
    out = {}
    for form in FORMATS:
        needed = [next((lower[n] for n in some if n in lower), None) for some in form.needs]
        if None not in needed:
            out[form.name] = (*needed, *(next((lower[n] for n in some if n in lower), None)
                                         for some in form.may))
    return out


def read_rows(table: pa.Table, content: Sequence[str]) -> Intake:
    """Return the table with one column `messages` in place of the content columns.

    Each row is read in the format of which it fills most needed columns, so rows of several formats may stand
    in one table. A row that is no conversation is unreadable, with the reason. Keys of turns that have no
    place in ours are named in a note.
    """
    if tuple(content) == ("messages",) and same_turns(table.schema.field("messages").type):
        return Intake(table, ("messages",))
    forms = {form.name: form for form in FORMATS}
    found = columns_of(content)
    if not found:
        from pipeline.ingest.source import InputError

        known = "messages; conversations; instruction, input, output; prompt, completion"
        raise InputError(f"columns {', '.join(content)} make no instruction pairs (call them {known})")
    cells = columns(table, content)
    rows: list[Turns | None] = []
    unreadable: dict[int, str] = {}
    seen: Counter[str] = Counter()
    for i in range(table.num_rows):
        try:
            name = _format_of(found, forms, cells, i)
            row = forms[name].read(*(cells[c][i] if c else None for c in found[name]))
            seen[name] += 1
        except Unreadable as why:
            unreadable[i], row = str(why), None
        rows.append(row)
    rest = [c for c in table.column_names if c not in content]
    taken = table.select(rest).append_column("messages", pa.array(rows, TURNS))
    how = " and ".join(f"{n:,} as {name}" for name, n in sorted(seen.items()))
    notes = [f"messages: rows read {how}"] if how else []
    return Intake(taken, ("messages",), unreadable, (*notes, *notes_on(cells)))


def notes_on(cells: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return a line that names the keys of turns that are not kept, or nothing."""
    gone = [f"{key} ({n:,} turn{'s' * (n > 1)})" for key, n in sorted(left_out(cells).items())]
    return [f"keys of turns left out: {', '.join(gone)}"] if gone else []


def _format_of(found: Mapping[str, Sequence[str | None]], forms: Mapping[str, Format],
               cells: Mapping[str, list[Any]], i: int) -> str:
    """Return the format of which the row fills the largest share of needed cells, the first of equals.

    Blank texts fill nothing, unless no format has more.
    """
    best, most = "", (0.0, 0.0)
    for name, named in found.items():
        needed = [cells[c][i] for c in named[: len(forms[name].needs)] if c]
        there = [cell for cell in needed if cell is not None]
        full = sum(not isinstance(cell, str) or bool(cell.strip()) for cell in there)
        share = (full / len(needed), len(there) / len(needed))
        if share > most:
            best, most = name, share
    if not best:
        raise Unreadable("every content cell is missing")
    return best


def turns_of(value: Any, role: str, column: str) -> Turns:
    """Return a cell as turns: a text is one turn of `role`, a list is read turn by turn.

    >>> turns_of([{"from": "human", "value": "Hi"}], "user", "conversations")
    [{'role': 'user', 'content': 'Hi'}]
    """
    if value is None or isinstance(value, str):
        if column == "messages":
            raise Unreadable(f"{column}: {'missing' if value is None else 'a text, no list of turns'}")
        return [{"role": role, "content": value or ""}]
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list):
        raise Unreadable(f"{column}: {type(value).__name__}, no text and no list of turns")
    return [_turn(turn, k, column) for k, turn in enumerate(value, 1)]


def text_of(value: Any, column: str) -> str:
    """Return a cell that must be text; numbers and true or false are written as JSON writes them."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise Unreadable(f"{column}: {type(value).__name__}, not text")


def _turn(turn: Any, k: int, column: str) -> dict[str, str]:
    if not isinstance(turn, Mapping):
        raise Unreadable(f"{column}: turn {k} is {type(turn).__name__}, not an object with role and content")
    given = turn.get("role") if turn.get("role") is not None else turn.get("from")
    if given is None:
        raise Unreadable(f"{column}: turn {k} has no role")
    role = role_of(given)
    if role is None:
        raise Unreadable(f"{column}: turn {k} has the unknown role {str(given)[:40]!r}")
    content = turn.get("content") if turn.get("content") is not None else turn.get("value")
    said = _content(content, k, column)
    calls = next((turn[key] for key in ("tool_calls", "function_call") if turn.get(key)), None)
    if calls:
        written = calls if isinstance(calls, str) else json.dumps(
            calls, ensure_ascii=False, sort_keys=True, default=str)
        said = f"{said}\n{written}" if said.strip() else written
    return {"role": role, "content": said}


def _content(content: Any, k: int, column: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list) and all(isinstance(p, Mapping) and isinstance(p.get("text"), str)
                                         for p in content):
        return "\n".join(part["text"] for part in content)
    raise Unreadable(f"{column}: the content of turn {k} is {type(content).__name__}, not text")


def _said(value: Any, role: str) -> Turns:
    """Return one turn, or none where nothing is said."""
    text = text_of(value, role)
    return [{"role": role, "content": text}] if text.strip() else []


def holds_turns(table: pa.Table, column: str) -> bool:
    """Whether a column may be read: texts anywhere, lists of turns where turns are meant."""
    kind = table.schema.field(column).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if column.lower() in CHATS:
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return bool(pa.types.is_struct(kind.value_type))
        first = next((v for v in table[column].slice(0, 100).to_pylist() if v is not None), None)
        return isinstance(as_list(first), list)
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(texts or (lists and pa.types.is_struct(kind.value_type)))


def same_turns(kind: pa.DataType) -> bool:
    """Whether a column has our own form of turns already."""
    return str(kind) == str(TURNS)
