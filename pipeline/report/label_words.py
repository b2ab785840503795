"""Label cells in words: one class, several, or the likeliest of a distribution."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from pipeline.dataset import Dataset
from pipeline.hashing import cell_json


def classes_of(cell: Any) -> list[str]:
    """Return the classes a label cell names: one, several (a list), or the likeliest (a distribution).

    >>> classes_of("a"), classes_of(["a", "b"]), classes_of({"a": 0.3, "b": 0.7}), classes_of(None)
    (['a'], ['a', 'b'], ['b'], [])
    """
    if cell is None:
        return []
    if isinstance(cell, Mapping):
        shares = {str(k): float(v) for k, v in cell.items() if v is not None}
        return [max(sorted(shares), key=shares.__getitem__)] if shares else []
    if isinstance(cell, list | tuple):
        return [_text(c) for c in cell if c is not None]
    return [_text(cell)]


def in_words(cell: Any) -> str:
    """Return a label cell as a person would say it.

    >>> in_words(["a", "b"]), in_words({"a": 0.3, "b": 0.7})
    ('a + b', 'b')
    """
    return " + ".join(classes_of(cell))


def words_for(data: Dataset) -> Callable[[str], str]:
    """Return what turns a label's text, as tables and review files have it, into words.

    The text of a list or of votes is JSON, that of a plain label the label itself.
    """
    label = data.roles.label
    if label is None or not pa.types.is_nested(data.table.schema.field(label).type):
        return str
    return _from_json


def _from_json(text: str) -> str:
    try:
        return in_words(json.loads(text)) or text
    except ValueError:  # no JSON: a class by its name
        return text


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else cell_json(cell)
