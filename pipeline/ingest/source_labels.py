"""Labels of several sources: their own words replaced by the dataset's, and what still differs is told."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.source import InputError, Source, did_you_mean
from pipeline.ingest.unify import as_text

MOST_CLASSES = 50  # sources with more classes are not compared word for word


def with_labels(table: pa.Table, label: str | None, source: Source) -> pa.Table:
    """Return the table with the source's own words for classes replaced by the dataset's."""
    if label is None:
        raise InputError(f"{source.path}: labels are mapped, but there is no label column (name it)")
    column = table[label]
    nested = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    if nested:
        cells = [None if c is None else [_text(v) for v in c] for c in column.to_pylist()]
        seen = {v for c in cells if c for v in c}
        mapped = [None if c is None else [source.labels.get(v, v) for v in c] for c in cells]
        kind: pa.DataType = pa.large_list(pa.large_string())
    else:
        words = as_text(column).to_pylist()
        seen = {w for w in words if w is not None}
        mapped = [None if w is None else source.labels.get(w, w) for w in words]
        kind = pa.large_string()
    if unknown := sorted(set(source.labels) - seen):
        raise InputError(f"{source.path}: no label {unknown[0]!r} to map in column {label!r} "
                         f"({did_you_mean(unknown[0], seen)})")
    return table.set_column(table.column_names.index(label), label, pa.array(mapped, kind))


def about_labels(tables: Sequence[pa.Table], sources: Sequence[Source], label: str | None) -> list[str]:
    """Say which sources have no labels, and which have classes that no other source has any of."""
    if label is None:
        return []
    notes, classes = [], {}
    for table, source in zip(tables, sources, strict=True):
        if label not in table.column_names:
            notes.append(f"label: source {source.title!r} has no column {label!r}, so its rows have no label")
        elif not pa.types.is_nested(table[label].type):
            classes[source.title] = {w for w in as_text(pc.unique(table[label])).to_pylist() if w}
    listed = list(classes.items())
    for k, (name, own) in enumerate(listed):
        for other, theirs in listed[:k]:
            few = own and theirs and max(len(own), len(theirs)) <= MOST_CLASSES
            if few and not own & theirs:
                a, b = (", ".join(map(repr, sorted(c)[:4])) for c in (theirs, own))
                example = f"labels = {{ {min(own)!r} = {min(theirs)!r} }}".replace("'", '"')
                notes.append(f"label: sources {other!r} ({a}) and {name!r} ({b}) have no class in common; if "
                             f"they mean the same, map them: {example} under {name!r}")
            elif few and (slips := _slips(own, theirs)):
                notes.append(f"label: {slips[0]!r} in source {name!r} and {slips[1]!r} in {other!r} differ "
                             "only in case or spaces; map one to the other if they mean the same")
    return notes


def _slips(own: set[str], theirs: set[str]) -> tuple[str, str] | None:
    folded = {" ".join(w.split()).casefold(): w for w in sorted(theirs)}
    for word in sorted(own - theirs):
        other = folded.get(" ".join(word.split()).casefold())
        if other is not None and other != word:
            return word, other
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)
