"""Which column holds the texts: by its name if it is used like one, else by its length.

A remark beside a table of measurements is no dataset of texts, so a column must be filled in most rows, and
its usual cell, not its longest, must say something.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

USUAL_NAMES = ("text", "body", "content", "review", "sentence", "document", "article", "comment", "message",
               "tweet", "post", "question", "utterance", "query", "description", "abstract", "email",
               "transcript")
LOOKED_AT = 1_000  # rows that a guess looks at
FEW_WORDS, FEW_CHARS = 3, 20  # a cell below both says little; scripts without blanks have chars only
LONG_CHARS = 50
BESIDE = 2  # a column of very short texts with a usual name is content beside at most so many others


class Cells(NamedTuple):
    """What the cells of a column are like: the medians are those of the filled ones."""

    filled_fraction: float
    median_chars: float
    median_words: float

    @property
    def is_filled(self) -> bool:
        """Whether most cells hold something."""
        return self.filled_fraction >= 0.5


def text_column(table: pa.Table, taken: Collection[str]) -> tuple[str, ...]:
    """Return the column that holds texts, none where no column looks as if it did.

    First a filled column with a usual name and more than a word or two in its median cell, then the longest
    filled one, then one with a usual name that has next to nothing beside it.

    >>> remarks = ["well kept, one owner", *[None] * 3]
    >>> cars = {"km": [9, 8, 7, 6], "doors": [3, 5, 5, 3], "year": [1, 2, 3, 4], "comment": remarks}
    >>> text_column(pa.table(cars), ()), text_column(pa.table({"comment": remarks}), ())
    ((), ('comment',))
    """
    free = [f.name for f in table.schema if f.name not in taken and not pa.types.is_nested(f.type)]
    strings = {n: _cells(table[n].slice(0, LOOKED_AT)) for n in free
               if _holds_strings(table.schema.field(n).type)}  # fmt: skip
    by_name = {name.lower(): name for name in reversed(strings)}
    usual = [by_name[name] for name in USUAL_NAMES if name in by_name]
    for name in usual:
        has = strings[name]
        if has.is_filled and (has.median_words >= FEW_WORDS or has.median_chars >= FEW_CHARS):
            return (name,)
    filled = {name: has for name, has in strings.items() if has.is_filled}
    longest = max(filled, key=lambda name: filled[name][1:], default=None)
    if longest and (filled[longest].median_words >= FEW_WORDS or filled[longest].median_chars >= LONG_CHARS):
        return (longest,)
    beside = len(free) - 1
    return next(((n,) for n in usual if beside <= (BESIDE if strings[n].is_filled else 0)), ())


def _holds_strings(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _cells(column: pa.ChunkedArray) -> Cells:
    there = pc.drop_null(column.cast(pa.large_string()))
    filled = there.filter(pc.match_substring_regex(there, r"\S"))
    if not len(filled):
        return Cells(0.0, 0.0, 0.0)
    chars, words = pc.utf8_length(filled), pc.count_substring_regex(filled, r"\S+")
    return Cells(len(filled) / len(column), *(float(pc.quantile(n, 0.5)[0].as_py()) for n in (chars, words)))
