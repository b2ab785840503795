"""Contamination: train rows that hold what a benchmark asks, by copies and by shared word n-grams."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.dataset import Dataset
from pipeline.modalities import Modality

WORDS = 8  # an n-gram; shorter passages count only when they are equal
_FEWEST_WORDS = 3  # of a prompt that is compared as a whole
_COMMON = 50  # benchmark passages a gram may stand in; a gram of more is boilerplate
_WORD = re.compile(r"\w+")


class Match(NamedTuple):
    """A train row that holds a benchmark's row. `similarity` in [0, 1]."""

    row: int
    similarity: float
    because: str


def contaminated(data: Dataset, kind: Modality, file: Path, near: float, share: float) -> list[Match]:
    """Return the train rows that hold a row of the benchmark in `file`, the best match of each.

    A row matches when it is an exact or a near copy (`near`), as its modality compares rows, or when a
    passage of it (of instruction pairs the prompt, the answer) has at least `share` of the word 8-grams of
    one of the benchmark's. Lambert et al., "Tulu 3", 2024, section 3.2. Cost: O(words of both).

    Raises `pipeline.ingest.InputError` when the file cannot be read.
    """
    table, content = _benchmark(data, kind, file)
    best: dict[int, Match] = {}
    train = np.flatnonzero(data.is_train)
    told = _names(table, file)
    found = [*_copies(data, kind, content, near), *_shared(data, kind, table, content, share)]
    for i, k, similarity, how in found:
        if data.is_train[i] and (i not in best or similarity > best[i].similarity):
            best[i] = Match(i, similarity, f"{how} {told[k]}")
    return [best[i] for i in map(int, train) if i in best]


def _benchmark(data: Dataset, kind: Modality, file: Path) -> tuple[pa.Table, pa.Table | None]:
    """Return the benchmark's rows, and their content where they have the columns that the dataset has."""
    from pipeline.ingest.folder import read_source
    from pipeline.ingest.source import Source

    table = read_source(Source("", str(file))).table
    same = set(data.roles.content) <= set(table.column_names)
    columns = data.roles.content if same else kind.content_columns(table, set())
    if not columns:
        return table, None
    taken = kind.intake(table, tuple(columns))
    table = taken.table
    if set(taken.content) != set(data.roles.content):
        return table, None
    content = table.select(list(data.roles.content))
    try:
        return table, content.cast(data.content.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return table, None


def _names(table: pa.Table, file: Path) -> list[str]:
    name = next((c for c in ("row_id", "id", "task_id", "question_id") if c in table.column_names), None)
    ids = table[name].to_pylist() if name else range(1, table.num_rows + 1)
    return [f"benchmark row {i} of {file.name}" for i in ids]


def _copies(
    data: Dataset, kind: Modality, content: pa.Table | None, near: float
) -> Iterator[tuple[int, int, float, str]]:
    """Yield (row, benchmark row, similarity, how) of exact and near copies."""
    if content is None:
        return
    first: dict[str, int] = {}
    for k, key in enumerate(kind.identity(content)):
        first.setdefault(key, k)
    for i, key in enumerate(kind.identity(data.content)):
        if key and key in first:
            yield i, first[key], 1.0, "exact copy of"
    n = data.n_rows
    both = pa.concat_tables([data.content, content])
    inside = np.concatenate([data.is_train, np.zeros(content.num_rows, bool)])
    found = kind.pairs(both, near, inside)
    for i, j, s in zip(found.left.tolist(), found.right.tolist(), found.similarity.tolist(), strict=True):
        if i < n <= j:
            yield i, j - n, s, f"near copy (similarity {s:.2f}) of"


def _shared(
    data: Dataset, kind: Modality, table: pa.Table, content: pa.Table | None, share: float
) -> Iterator[tuple[int, int, float, str]]:
    """Yield (row, benchmark row, share of its n-grams, how) of passages that are there in large part."""
    asked = _passages(kind, table, content)
    grams: dict[str, list[tuple[int, int]]] = {}
    whole: dict[str, int] = {}
    sizes: dict[tuple[int, int], int] = {}
    for k, texts in enumerate(asked):
        for p, text in enumerate(texts):
            words = _WORD.findall(text.casefold())
            if len(words) < WORDS:
                if p == 0 and len(words) >= _FEWEST_WORDS:
                    whole.setdefault(" ".join(words), k)
                continue
            of_passage = _grams(words)
            sizes[k, p] = len(of_passage)
            for gram in of_passage:
                grams.setdefault(gram, []).append((k, p))
    rows = data.content.to_pylist()
    for i in map(int, np.flatnonzero(data.is_train)):
        for p, text in enumerate(kind.passages(rows[i])):
            words = _WORD.findall(text.casefold())
            if p == 0 and (k := whole.get(" ".join(words), -1)) >= 0:
                yield i, k, 1.0, "the same prompt as"
            yield from _covered(i, _grams(words), grams, sizes, share)


def _covered(
    i: int, own: set[str], grams: Mapping[str, list[tuple[int, int]]], sizes: Mapping[tuple[int, int], int],
    share: float,
) -> Iterator[tuple[int, int, float, str]]:
    hits: Counter[tuple[int, int]] = Counter()
    for gram in own:
        places = grams.get(gram, ())
        if len(places) <= _COMMON:
            hits.update(places)
    for (k, p), n in sorted(hits.items()):
        if n >= share * sizes[k, p]:
            part = n / sizes[k, p]
            yield i, k, part, f"holds {100 * part:.0f} % of the {WORDS}-word passages of"


def _passages(kind: Modality, table: pa.Table, content: pa.Table | None) -> list[Sequence[str]]:
    """Return each benchmark row's passages; of a file with other columns, every text of the row."""
    if content is not None:
        return [kind.passages(row) for row in content.to_pylist()]
    texts = [name for name in table.column_names if _is_text(table.schema.field(name).type)]
    return [[str(cell or "") for cell in row.values()] for row in table.select(texts).to_pylist()]


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _grams(words: Sequence[str]) -> set[str]:
    return {" ".join(words[k : k + WORDS]) for k in range(len(words) - WORDS + 1)}
