"""A number with its noun, so that one row is never "1 rows"."""

from __future__ import annotations


def how_many(n: int, one: str, more: str | None = None) -> str:
    """Return a number with its noun. `more` is the plural where it is not `one` with an s.

    >>> how_many(1, "row"), how_many(2000, "row"), how_many(2, "class", "classes")
    ('1 row', '2,000 rows', '2 classes')
    """
    return f"{n:,} {one if n == 1 else more or one + 's'}"
