"""Turns: a conversation as a list of {role, content}, and the parts of it that checks and models look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

TURNS = pa.large_list(pa.struct([("role", pa.large_string()), ("content", pa.large_string())]))
ROLES = ("system", "user", "input", "assistant", "tool")
_ROLE_OF = {
    **{role: role for role in ROLES},
    "developer": "system", "context": "system",
    "human": "user", "prompter": "user", "person": "user", "customer": "user",
    "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant", "ai": "assistant",
    "bing": "assistant", "bard": "assistant", "claude": "assistant", "function_call": "assistant",
    "function": "tool", "function_response": "tool", "observation": "tool", "ipython": "tool",
    "tool_response": "tool", "tool_result": "tool",
}

Turn = Mapping[str, Any]


class Exchange(NamedTuple):
    """One answer of a conversation and what was asked since the answer before it."""

    prompt: str
    answer: str


def role_of(name: object) -> str | None:
    """Return our name of a role, or None for one that is unknown.

    >>> role_of("Human"), role_of(" assistant"), role_of("narrator")
    ('user', 'assistant', None)
    """
    return _ROLE_OF.get(name.strip().lower()) if isinstance(name, str) else None


def exchanges(turns: Sequence[Turn] | None) -> list[Exchange]:
    r"""Return every answer with its prompt; the system's turns belong to no prompt.

    >>> exchanges([{"role": "user", "content": "Add."}, {"role": "input", "content": "1 2"},
    ...            {"role": "assistant", "content": "3"}])
    [Exchange(prompt='Add.\n\n1 2', answer='3')]
    """
    out: list[Exchange] = []
    asked: list[str] = []
    for turn in turns or ():
        role, content = turn["role"], turn["content"] or ""
        if role == "assistant":
            out.append(Exchange("\n\n".join(asked), content))
            asked = []
        elif role != "system":
            asked += [content] if content else []
    return out


def prompt_of(turns: Sequence[Turn] | None) -> str:
    """Return all that was said before the last answer, the system's turns left out."""
    before = list(turns or ())
    last = max((i for i, t in enumerate(before) if t["role"] == "assistant"), default=len(before))
    return "\n\n".join(t["content"] for t in before[:last] if t["role"] != "system" and t["content"])


def answer_of(turns: Sequence[Turn] | None) -> str:
    """Return the last answer; empty where there is none."""
    return next((t["content"] or "" for t in reversed(turns or ()) if t["role"] == "assistant"), "")


def joined(turns: Sequence[Turn] | None) -> list[dict[str, str]]:
    r"""Return the turns as chat templates know them: an input is the end of the user's turn before it.

    >>> joined([{"role": "user", "content": "Add."}, {"role": "input", "content": "1 2"}])
    [{'role': 'user', 'content': 'Add.\n\n1 2'}]
    """
    out: list[dict[str, str]] = []
    for turn in turns or ():
        role, content = turn["role"], turn["content"] or ""
        if role == "input" and out and out[-1]["role"] == "user":
            out[-1]["content"] = "\n\n".join(part for part in (out[-1]["content"], content) if part)
        else:
            out.append({"role": "user" if role == "input" else role, "content": content})
    return out


def disorder(turns: Sequence[Turn] | None) -> str | None:
    """Return what is wrong with the order of the roles, or None.

    A system turn stands first only; user and assistant take turns, the user first; an input follows the
    user; the last turn is the assistant's. A tool's turn follows an assistant's or another tool's.

    >>> disorder([{"role": "assistant", "content": "Hi"}])
    'turn 1 is the assistant, at the start'
    """
    before = "start"
    for k, turn in enumerate(turns or (), 1):
        role = turn["role"]
        if role not in _MAY_FOLLOW:
            return f"turn {k} has the unknown role {role!r}"
        if before not in _MAY_FOLLOW[role]:
            where = "at the start" if before == "start" else f"after {_THE[before]}"
            return f"turn {k} is {_THE[role]}, {where}"
        before = role
    if before in ("assistant", "start"):
        return None
    return f"the last turn is {_THE[before]}"


_THE = {"system": "the system", "user": "the user", "input": "an input", "assistant": "the assistant",
        "tool": "a tool"}
_MAY_FOLLOW = {
    "system": ("start",),
    "user": ("start", "system", "assistant"),
    "input": ("user",),
    "assistant": ("user", "input", "tool"),
    "tool": ("assistant", "tool"),
}


def told(turns: Sequence[Turn] | None) -> str:
    """Return a conversation as plain text, each turn under its role."""
    return "\n\n".join(f"{turn['role']}: {turn['content'] or ''}" for turn in turns or ())
