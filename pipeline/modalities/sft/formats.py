"""The formats instruction pairs come in, row by row, and how each becomes a list of turns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.modalities import Intake
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
    return [*_said(system, "system"), *turns_of(prompt, "user", "prompt"),
            *turns_of(completion, "assistant", "completion")]


def _alpaca(instruction: Any, output: Any, given: Any = None, system: Any = None) -> Turns:
    asked = [{"role": "user", "content": text_of(instruction, "instruction")}]
    return [*_said(system, "system"), *asked, *_said(given, "input"),
            {"role": "assistant", "content": text_of(output, "output")}]


def _chat(messages: Any, system: Any = None) -> Turns:
    turns = turns_of(messages, "user", "messages")
    return turns if turns and turns[0]["role"] == "system" else [*_said(system, "system"), *turns]


_SYSTEM = ("system", "system_prompt")
FORMATS = (
    Format("messages", (("messages",),), (_SYSTEM,), _chat),
    Format("sharegpt", (("conversations", "conversation"),), (_SYSTEM,), _chat),
    Format("alpaca", (("instruction",), ("output", "response", "completion")),
           (("input", "context"), _SYSTEM), _alpaca),
    Format("prompt-completion", (("prompt",), ("completion", "response")), (_SYSTEM,), _pair),
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

    Each row is read in the first format whose columns it fills, so rows of several formats may stand in one
    table. A row that is no conversation is unreadable, with the reason.
    """
    if tuple(content) == ("messages",) and same_turns(table.schema.field("messages").type):
        return Intake(table, ("messages",))
    forms = {form.name: form for form in FORMATS}
    found = columns_of(content)
    if not found:
        from pipeline.ingest.source import InputError

        known = "messages; conversations; instruction, input, output; prompt, completion"
        raise InputError(f"columns {', '.join(content)} make no instruction pairs (call them {known})")
    cells = {name: table[name].to_pylist() for name in content}
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
    return Intake(taken, ("messages",), unreadable, (f"messages: rows read {how}",) if how else ())


def _format_of(found: Mapping[str, Sequence[str | None]], forms: Mapping[str, Format],
               cells: Mapping[str, list[Any]], i: int) -> str:
    """Return the first format of which the row holds a needed cell."""
    for name, columns in found.items():
        needed = [c for c in columns[: len(forms[name].needs)] if c]
        if any(cells[c][i] is not None for c in needed):
            return name
    raise Unreadable("every content cell is missing")


def turns_of(value: Any, role: str, column: str) -> Turns:
    """Return a cell as turns: a text is one turn of `role`, a list (or its JSON) is read turn by turn.

    >>> turns_of([{"from": "human", "value": "Hi"}], "user", "conversations")
    [{'role': 'user', 'content': 'Hi'}]
    """
    value = _parsed(value, whatever=column == "messages")
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
    if content is None and turn.get("tool_calls"):
        content = json.dumps(turn["tool_calls"], ensure_ascii=False, sort_keys=True)
    return {"role": role, "content": _content(content, k, column)}


def _content(content: Any, k: int, column: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list) and all(isinstance(p, Mapping) and isinstance(p.get("text"), str)
                                         for p in content):
        return "\n".join(part["text"] for part in content)
    raise Unreadable(f"{column}: the content of turn {k} is {type(content).__name__}, not text")


def _parsed(value: Any, whatever: bool = False) -> Any:
    """Return the list that a text spells in JSON, as CSV files hold it; any other value as it is.

    Lists of anything but turns stay text, which may be an answer, unless `whatever`.
    """
    if isinstance(value, str) and value.lstrip()[:2].replace(" ", "").startswith(("[{", "[")):
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            return value
        if isinstance(read, list) and (whatever or (read and all(
                isinstance(t, dict) and {"role", "from"} & set(t) for t in read))):
            return read
    return value


def _said(value: Any, role: str) -> Turns:
    """Return one turn, or none where nothing is said."""
    text = text_of(value, role)
    return [{"role": role, "content": text}] if text.strip() else []


def holds_turns(table: pa.Table, column: str) -> bool:
    """Whether a column may be read: texts anywhere, lists of turns where turns are meant."""
    kind = table.schema.field(column).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if column.lower() in ("messages", "conversations", "conversation"):
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return bool(pa.types.is_struct(kind.value_type))
        first = next((v for v in table[column].slice(0, 100).to_pylist() if v is not None), None)
        return isinstance(_parsed(first), list)
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(texts or (lists and pa.types.is_struct(kind.value_type)))


def same_turns(kind: pa.DataType) -> bool:
    """Whether a column has our own form of turns already."""
    return str(kind) == str(TURNS)
