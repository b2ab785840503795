"""From columns as they were read to those of a dataset: our names kept free, texts text, weights numbers."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dataset import OWN_COLUMNS, SOURCE, WEIGHT, Roles
from pipeline.ingest.content import free_names
from pipeline.ingest.label_cells import label_cells
from pipeline.ingest.numbers import typed
from pipeline.ingest.roles import Resolved, RoleNames
from pipeline.ingest.source import InputError
from pipeline.ingest.unify import as_text


def final_columns(
    table: pa.Table, found: Resolved, where: str, own: bool
) -> tuple[dict[str, pa.ChunkedArray | pa.Array], dict[str, str]]:
    """Return all columns but the id and the split under their final names, and which names had to change."""
    names = found.names
    kept = [c for c in table.column_names if c not in (names.id, names.split, names.weight)]
    if own:
        kept = [c for c in kept if c not in OWN_COLUMNS]
    rows = table.select(kept)
    if found.modality == "tabular":
        rows = typed(rows, keep={c for c in (names.group,) if c}, exact=set(kept) - set(names.content))[0]
    renamed = free_names(table.column_names, [c for c in kept if c in (*OWN_COLUMNS, WEIGHT)])
    columns = {renamed.get(c, c): _cell_types(rows[c], c, found, where) for c in kept}
    if names.weight:
        columns[WEIGHT] = _weights(table[names.weight], names.weight, where)
    if own:
        columns[SOURCE] = table[SOURCE]
    return columns, renamed


def _cell_types(column: pa.ChunkedArray, name: str, found: Resolved, where: str) -> pa.ChunkedArray:
    """Make text content text, and an empty label a missing one; everything else stays."""
    kind = column.type
    if found.modality == "text" and name in found.names.content and not pa.types.is_large_string(kind):
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise InputError(f"{where}: column {name!r} holds {kind}, not text (name another content column)")
        return as_text(column)
    if name == found.names.label:
        return label_cells(column, found.names.label_delimiter, name, where)
    return column


def empty_labels(table: pa.Table, label: str | None) -> list[str]:
    """Return the note on label cells that are the empty text, which count as missing."""
    kind = table.schema.field(label).type if label else None
    if label is None or not (pa.types.is_large_string(kind) or pa.types.is_string(kind)):
        return []
    n = pc.sum(pc.equal(table[label], "")).as_py() or 0
    what = "label is a missing one" if n == 1 else "labels are missing ones"
    return [f"label: {n:,} empty {what}"] if n else []


def _weights(column: pa.ChunkedArray, name: str, where: str) -> pa.ChunkedArray:
    try:
        weights = pc.cast(column, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{where}: column {name!r} holds no weights: {error} (it needs numbers)") from error
    if len(weights) and not pc.all(pc.greater_equal(pc.fill_null(weights, 1.0), 0.0)).as_py():
        raise InputError(f"{where}: column {name!r} holds a negative weight (weights are 0 or more)")
    return weights


def final_roles(names: RoleNames, renamed: dict[str, str]) -> Roles:
    """Return the roles under the columns' final names."""

    def now(name: str | None) -> str | None:
        return renamed.get(name, name) if name else None

    return Roles(content=tuple(renamed.get(c, c) for c in names.content), label=now(names.label),
                 group=now(names.group), time=now(names.time),
                 annotators=tuple(renamed.get(c, c) for c in names.annotators))
