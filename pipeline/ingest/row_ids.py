"""Row ids: the user's own, or a digest of the source's name and all raw cells."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from pipeline.hashing import cell_json
from pipeline.ingest.source import InputError
from pipeline.ingest.unify import as_text


def digests(table: pa.Table, source: str) -> list[str]:
    """Return one id a row: "r" and 16 hex digits over the source's name and the row's cells by column name.

    Identical rows are numbered: `r1f...`, `r1f...-1`, `r1f...-2`; which is which makes no difference.

    >>> digests(pa.table({"x": ["a", "b", "a"]}), "s")
    ['r5de1db51c193f61a', 'rd935b72b6753e7aa', 'r5de1db51c193f61a-1']
    """
    names = sorted(table.column_names)
    columns = [_cells(table[name]) for name in names]
    seen: Counter[str] = Counter()
    ids = []
    for cells in zip(*columns, strict=True):
        text = cell_json([source, names, cells]).encode("utf-8", "surrogatepass")
        digest = "r" + hashlib.blake2b(text, digest_size=8).hexdigest()
        ids.append(f"{digest}-{seen[digest]}" if seen[digest] else digest)
        seen[digest] += 1
    return ids


def _cells(column: pa.ChunkedArray) -> Iterable[Any]:
    """Return a column's cells, those with bytes one at a time, so that they are not all copied at once."""
    kind = column.type
    inner = [kind.field(k).type for k in range(kind.num_fields)] if pa.types.is_struct(kind) else [kind]
    heavy = any(pa.types.is_binary(t) or pa.types.is_large_binary(t) for t in inner)
    return (cell.as_py() for cell in column) if heavy else column.to_pylist()


def own(column: pa.ChunkedArray, name: str, where: str) -> list[str]:
    """Return the user's ids as text.

    Raises
    ------
    InputError : an id is missing, empty or repeats.
    """
    ids = as_text(column).to_pylist()
    for row, value in enumerate(ids, 1):
        if not value:
            raise InputError(f"{where}: row {row} has no id in column {name!r} (fill it in)")
    value, times = Counter(ids).most_common(1)[0]
    if times > 1:
        raise InputError(f"{where}: id {value!r} stands {times} times in column {name!r} "
                         "(make ids unique, or name another id column)")
    return ids
