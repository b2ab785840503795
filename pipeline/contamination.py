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
_IDS = ("row_id", "id", "task_id", "question_id")  # the first that is there names a benchmark's rows
_NO_TEXT = ("uuid", "index", "source", "split")


class Match(NamedTuple):
    """A train row that holds a benchmark's row. `similarity` in [0, 1]."""

    row: int
    similarity: float
    because: str


def contaminated(data: Dataset, kind: Modality, file: Path, near: float, share: float) -> list[Match]:
    """Return the train rows that hold a row of the benchmark in `file`, the best match of each.

    A row matches when it is an exact or a near copy (`near`), as its modality compares rows, or when a
    passage of it (of instruction pairs the prompt, the answer) has at least `share` of the word 8-grams of
    one of the benchmark's, or when its first passage (the prompt) is one of fewer words there. A benchmark in
    another form is compared by every text in its rows, those inside turns and lists too; ids are left out.
    Lambert et al., "Tulu 3", 2024, section 3.2. Cost: O(words of both).

    Raises `pipeline.ingest.InputError` when the file cannot be read or holds no text to compare with.
    """
    from pipeline.ingest.source import InputError

    table, content = _benchmark(data, kind, file)
    best: dict[int, Match] = {}
    train = np.flatnonzero(data.is_train)
    told = _names(table, file)
    asked = _passages(kind, table, content)
    if content is None and not any(len(_words(text)) >= _FEWEST_WORDS for texts in asked for text in texts):
        raise InputError(f"{file}: no row has a text of {_FEWEST_WORDS} words to compare with "
                         "(give a benchmark with its questions)")
    whole = range(1) if content is not None else None
    found = [*_copies(data, kind, content, near), *_shared(data, kind, asked, whole, share)]
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
    name = next((c for c in _IDS if c in table.column_names), None)
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
    data: Dataset, kind: Modality, asked: list[list[str]], prompts: range | None, share: float
) -> Iterator[tuple[int, int, float, str]]:
    """Yield (row, benchmark row, share of its n-grams, how) of passages that are there in large part.

    prompts : which passages of a benchmark row ask; None where nothing says so and each may.
    """
    grams: dict[str, list[tuple[int, int]]] = {}
    whole: dict[str, int] = {}
    sizes: dict[tuple[int, int], int] = {}
    for k, texts in enumerate(asked):
        for p, text in enumerate(texts):
            words = _words(text)
            if len(words) < WORDS:
                if (prompts is None or p in prompts) and len(words) >= _FEWEST_WORDS:
                    whole.setdefault(" ".join(words), k)
                continue
            of_passage = _grams(words)
            sizes[k, p] = len(of_passage)
            for gram in of_passage:
                grams.setdefault(gram, []).append((k, p))
    rows = data.content.to_pylist()
    for i in map(int, np.flatnonzero(data.is_train)):
        for p, text in enumerate(kind.passages(rows[i])):
            words = _words(text)
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


def _passages(kind: Modality, table: pa.Table, content: pa.Table | None) -> list[list[str]]:
    """Return each benchmark row's passages; of a file with other columns, every text of the row."""
    if content is not None:
        return [kind.passages(row) for row in content.to_pylist()]
    told = [c for c in table.column_names
            if c.lower() not in (*_IDS, *_NO_TEXT) and not c.lower().endswith("_id")]
    return [list(_texts(row)) for row in table.select(told).to_pylist()]


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts that a cell holds, those inside lists and structs too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _grams(words: Sequence[str]) -> set[str]:
    return {" ".join(words[k : k + WORDS]) for k in range(len(words) - WORDS + 1)}
