"""Conversations: turns, roles, prompts against answers, what a reader cuts, and what preference rewards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.dataset import Dataset
from pipeline.report.bars import bars
from pipeline.report.multiples import plane

MOST_READ, MOST_POINTS, MOST_BARS = 4_000, 1_000, 12
ANSWERS = "assistant"
Turns = list[dict[str, Any]]


def turns_page(data: Dataset, limits: Mapping[str, int]) -> dict[str, Any] | None:
    """Return what is particular to rows made of turns, None where no content column holds turns.

    At most 4,000 rows, evenly spaced in the order of ids, are read. The last answer of a row counts as its
    answer; all before it is its prompt. limits : how many tokens each reader takes of a row, by name.
    """
    columns = [c for c in data.roles.content if holds_turns(data.table.schema.field(c).type)]
    if not columns or not data.n_rows:
        return None
    rows = np.unique(np.linspace(0, data.n_rows - 1, min(data.n_rows, MOST_READ)).astype(np.int64))
    cells = {c: [turns or [] for turns in data.table[c].take(rows).to_pylist()] for c in columns}
    out: dict[str, Any] = {"columns": columns, "read": len(rows), "preference": _preference(cells)}
    said = [cells[c] for c in columns if c != "rejected"]
    whole = [[turn for turns in of_row for turn in turns] for of_row in zip(*said, strict=True)]
    split = [_prompt_and_answer(turns) for turns in whole]
    return out | {
        "turns": [{"turns": k, "rows": n} for k, n in sorted(Counter(len(t) for t in whole).items())],
        "roles": _roles(whole), "lengths": _lengths(split), "cut": _cut(split, limits),
        "unanswered": sum(not answer.strip() for _, answer in split),
    }  # fmt: skip


def holds_turns(kind: pa.DataType) -> bool:
    """Return whether a column's cells are lists of turns: what who said.

    >>> holds_turns(pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))
    True
    """
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not is_list or not pa.types.is_struct(kind.value_type):
        return False
    return {"role", "content"} <= {field.name for field in kind.value_type}


def _prompt_and_answer(turns: Turns) -> tuple[str, str]:
    last = max((i for i, t in enumerate(turns) if t["role"] == ANSWERS), default=len(turns))
    prompt = "\n".join(str(t["content"] or "") for t in turns[:last])
    return prompt, str(turns[last]["content"] or "") if last < len(turns) else ""


def _roles(whole: Sequence[Turns]) -> list[dict[str, Any]]:
    said: dict[str, list[int]] = {}
    rows: Counter[str] = Counter()
    for turns in whole:
        rows.update({str(t["role"]) for t in turns})
        for t in turns:
            said.setdefault(str(t["role"]), []).append(len(t["content"] or ""))
    ranked = sorted(said, key=lambda role: (-len(said[role]), role))
    return [
        {"role": r, "turns": len(said[r]), "rows": rows[r], "median_chars": float(np.median(said[r]))}
        for r in ranked[:12]
    ]


def _lengths(split: Sequence[tuple[str, str]]) -> dict[str, Any]:
    sizes = np.array([[len(prompt), len(answer)] for prompt, answer in split], np.int64)
    shown = np.unique(np.linspace(0, len(sizes) - 1, min(len(sizes), MOST_POINTS)).astype(int))
    return {
        "points": sizes[shown].tolist(), "median_prompt_chars": float(np.median(sizes[:, 0])),
        "median_answer_chars": float(np.median(sizes[:, 1])),
        "longer_answers": int((sizes[:, 1] > sizes[:, 0]).sum()),
    }  # fmt: skip


def _cut(split: Sequence[tuple[str, str]], limits: Mapping[str, int]) -> dict[str, Any] | None:
    """Count the rows whose answer a reader cuts, and those whose answer it never sees."""
    from pipeline.modalities.text.lengths import token_counts

    prompts, answers = (token_counts([pair[k] for pair in split]) for k in (0, 1))
    if prompts is None or answers is None:
        return None
    total = prompts + answers
    return {
        "median": float(np.median(total)), "longest": int(total.max()),
        "readers": [
            {"reader": name, "tokens": most, "cut": int(((total > most) & (prompts < most)).sum()),
             "lost": int((prompts >= most).sum())}
            for name, most in sorted(limits.items(), key=lambda p: p[1])
        ],
    }  # fmt: skip


def _preference(cells: Mapping[str, Sequence[Turns]]) -> dict[str, Any] | None:
    """Return how often the chosen answer is the longer one, with a 95 % Wilson interval; equal ones aside."""
    if not {"chosen", "rejected"} <= set(cells):
        return None
    chosen, rejected = (
        np.array([sum(len(t["content"] or "") for t in turns) for turns in cells[c]], np.int64)
        for c in ("chosen", "rejected")
    )
    n, k = int((chosen != rejected).sum()), int((chosen > rejected).sum())
    low, high = _wilson(k, n) if n else (None, None)
    return {
        "pairs": len(chosen), "differ": n, "longer": k, "share": k / n if n else None, "low": low,
        "high": high, "median_chosen_chars": float(np.median(chosen)),
        "median_rejected_chars": float(np.median(rejected)),
        "same": sum(a == b for a, b in zip(cells["chosen"], cells["rejected"], strict=True)),
        "points": np.stack([rejected, chosen], axis=1)[
            np.unique(np.linspace(0, len(chosen) - 1, min(len(chosen), MOST_POINTS)).astype(int))
        ].tolist(),
    }  # fmt: skip


def _wilson(k: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    p, d = k / n, 1 + z * z / n
    half = z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5
    middle = p + z * z / (2 * n)
    return max((middle - half) / d, 0.0), min((middle + half) / d, 1.0)


def view(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the charts of the conversations as the page shows them."""
    found = data.get("turns")
    if not found:
        return None
    turns = [(f"{t['turns']} turns" if t["turns"] != 1 else "1 turn", (t["rows"],)) for t in found["turns"]]
    lengths, prefers = found["lengths"], found["preference"]
    return {
        **found, "hidden_turns": max(len(turns) - MOST_BARS, 0),
        "turns_chart": bars("turn-counts", "Rows by number of turns", "One bar a number of turns.",
                            turns[:MOST_BARS], ("rows",)),
        "lengths_chart": _plane("prompt-answer", "Prompt and answer lengths", lengths, ("prompt", "answer")),
        "preference_chart": _plane("chosen-rejected", "Both lengths", prefers, ("rejected", "chosen")),
    }  # fmt: skip


def _plane(name: str, title: str, found: Mapping[str, Any] | None, axes: tuple[str, str]) -> str | None:
    if not found or not found["points"]:
        return None
    points = [(x + 1, y + 1, 0) for x, y in found["points"]]  # 1 more, so that a logarithm exists
    across, up = (f"{axis} in characters" for axis in axes)
    return plane(name, title, "One point a row.", points, (across, up), ("s1",), diagonal=True)
