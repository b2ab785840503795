"""Label cells as they were read -> one column of labels: lists cut at a delimiter, annotators counted.

Neither is guessed: a text with `;` in it stays one class, and columns that look alike stay metadata, until
the user says otherwise.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.roles import RoleNames
from pipeline.ingest.source import InputError, did_you_mean
from pipeline.ingest.unify import as_text
from pipeline.label_types import canonical, votes_column

VOTES_NAMES = ("label", "votes", "annotator_votes")  # what the column made of annotators is called, if free


def with_votes(table: pa.Table, names: RoleNames, where: str) -> tuple[pa.Table, RoleNames, list[str]]:
    """Return the table with a label column of the annotators' votes beside their own columns.

    Raises
    ------
    InputError : a named annotator is no column, there is only one, or a label column is named as well.
    """
    if not names.annotators:
        return table, names, []
    if names.label is not None:
        what = f"both a label column {names.label!r} and annotator columns are named"
        raise InputError(f"{where}: {what} (the annotators' votes are the label: name one of the two)")
    if len(set(names.annotators)) < 2:
        raise InputError(f"{where}: one annotator column (name it as the label column)")
    cells = []
    for name in names.annotators:
        if name not in table.column_names:
            hint = did_you_mean(name, table.column_names)
            raise InputError(f"{where}: no annotator column {name!r} ({hint})")
        kind = table.schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise InputError(f"{where}: annotator column {name!r} holds {kind} (it needs one class a row)")
        cells.append([v or None for v in as_text(table[name]).to_pylist()])
    votes = votes_column(cells)
    if not votes.type.num_fields:
        raise InputError(f"{where}: the annotator columns hold no vote (check their names)")
    made = next((name for name in VOTES_NAMES if name not in table.column_names), None)
    if made is None:
        raise InputError(f"{where}: columns {', '.join(VOTES_NAMES)} are all there (rename one of them)")
    n = len(names.annotators)
    told = f"label: column {made!r}, the votes of {n} annotators for {votes.type.num_fields} classes"
    return table.append_column(made, votes), names.model_copy(update={"label": made}), [told]


def label_cells(column: pa.ChunkedArray, delimiter: str | None, name: str, where: str) -> pa.ChunkedArray:
    """Return the label column in its final form: empty texts missing, lists cut and sorted, votes float64.

    Raises
    ------
    InputError : there is a delimiter, but the cells are lists already; a vote is negative.
    """
    if delimiter is not None:
        if pa.types.is_nested(column.type):
            what = f"label column {name!r} holds {column.type}, which needs no delimiter"
            raise InputError(f"{where}: {what} (leave --label-delimiter out)")
        cells = [_cut(text, delimiter) for text in as_text(column).to_pylist()]
        column = pa.chunked_array([pa.array(cells, pa.large_list(pa.large_string()))])
    if pa.types.is_large_string(column.type) or pa.types.is_string(column.type):
        return pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    try:
        return canonical(column)
    except ValueError as error:
        raise InputError(f"{where}: label column {name!r}: {error}") from None


def _cut(text: str | None, delimiter: str) -> list[str] | None:
    """Return the classes between delimiters, without blanks around them; none for an empty text.

    >>> _cut("b; a;", ";"), _cut("", ";")
    (['b', 'a'], None)
    """
    if text is None or not text.strip():
        return None
    return [part.strip() for part in text.split(delimiter) if part.strip()]
