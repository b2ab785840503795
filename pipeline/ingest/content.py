"""Which columns are content: each modality is asked what it would take of those that have no other role."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dataset import OWN_COLUMNS, WEIGHT
from pipeline.ingest.numbers import typed
from pipeline.modalities import modality, modality_names

NAMED = 6  # columns that a sentence names


def content_of(
    table: pa.Table, named: Sequence[str], kind: str | None, taken: set[str]
) -> tuple[tuple[str, ...], str, list[str]]:
    """Ask each modality what it would take, special ones first, tables of numbers last."""
    names = [kind] if kind else sorted(modality_names(), key=lambda n: (n == "tabular", n == "text", n))
    for name in names:
        view = typed(table, keep=taken)[0] if name == "tabular" else table
        content = _asked(name, view.select(list(named)) if named else view, set() if named else taken)
        if content or (named and kind):
            told = [] if kind else [f"modality: {name}"]
            if not named:
                told.append(f"content: {', '.join(map(repr, content))}")
                told += [] if kind else _left_out(table, name, {*taken, *content})
            return tuple(named or content), name, told
    if named:
        name = "text" if any(is_text(table, c) for c in named) else "tabular"
        return tuple(named), name, [f"modality: {name}"]
    return (), kind or "text", []


def is_own_target(table: pa.Table, named: Sequence[str], kind: str | None, taken: set[str]) -> bool:
    """Whether the content holds its own target, as answers to prompts are, so that no label is guessed."""
    kinds = [name for name in ([kind] if kind else modality_names()) if not modality(name).labelled]
    view = table.select(list(named)) if named else table
    return any(_asked(name, view, set() if named else taken) for name in kinds)


def _left_out(table: pa.Table, kind: str, used: set[str]) -> list[str]:
    """Say which columns are like the features of a table, where what was guessed is none."""
    if kind == "tabular":
        return []
    free = [name for name in table.column_names if name not in used and is_scalar(table, name)]
    left = [name for name in free if not is_text(table, name) or _repeats(table[name])]
    shown = ", ".join(map(repr, left[:NAMED]))
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    return [f"not looked at: {shown}{more} (--modality tabular for a table)"] if left else []


def _repeats(column: pa.ChunkedArray) -> bool:
    """Whether the cells are values that come again, not names, addresses or texts."""
    filled = pc.drop_null(column)
    return 2 <= 2 * len(pc.unique(filled)) <= len(filled)


def _asked(name: str, table: pa.Table, taken: set[str]) -> tuple[str, ...]:
    """Return the content columns that a modality would take.

    Modalities leave out columns that have our names. One that is not taken is the user's own, say the weight
    of a person, so it is shown to them under the name that it will have.
    """
    ours = {*OWN_COLUMNS, WEIGHT} - taken
    shown = free_names(table.column_names, [c for c in table.column_names if c in ours])
    view = table.rename_columns([shown.get(c, c) for c in table.column_names])
    back = {new: old for old, new in shown.items()}
    return tuple(back.get(c, c) for c in modality(name).content_columns(view, taken))


def free_names(all_names: Sequence[str], ours: Sequence[str]) -> dict[str, str]:
    """Return for columns that have our names the ones they get instead.

    >>> free_names(["weight", "weight_", "y"], ["weight"])
    {'weight': 'weight__'}
    """
    taken, out = set(all_names), {}
    for name in ours:
        new = name + "_"
        while new in taken:
            new += "_"
        taken.add(new)
        out[name] = new
    return out


def is_text(table: pa.Table, name: str) -> bool:
    """Whether a column holds texts, maybe as codes of a dictionary."""
    kind = table.schema.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def is_scalar(table: pa.Table, name: str) -> bool:
    """Whether a column holds single values."""
    return not pa.types.is_nested(table.schema.field(name).type)
