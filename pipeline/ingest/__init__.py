"""Ingest: files and folders -> one Dataset with ids, roles and leakage-safe splits.

Nothing is changed on the way: text stays text, rows that cannot be read are quarantined with file, line and
reason, and whatever is guessed or passed over is said in sentences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.dataset import PARENTS, ROW_ID, SOURCE, SPLIT, Dataset
from pipeline.ingest import row_ids
from pipeline.ingest.assemble import empty_labels, final_columns, final_roles
from pipeline.ingest.folder import read_source
from pipeline.ingest.label_cells import with_votes
from pipeline.ingest.pictures import with_named
from pipeline.ingest.roles import RoleNames, is_own, resolve
from pipeline.ingest.several import fit_together
from pipeline.ingest.source import InputError, Raw, Rejected, Source, did_you_mean, input_digest, quarantine
from pipeline.ingest.split import SplitPlan, complete, stated
from pipeline.ingest.types import column_lines
from pipeline.ingest.unify import concat
from pipeline.ingest.written import written
from pipeline.modalities import Intake
from pipeline.modalities import modality as modality_called

__all__ = ["Ingested", "InputError", "RoleNames", "Source", "SplitPlan", "ingest", "input_digest"]


@dataclass(frozen=True, eq=False)
class Ingested:
    """A dataset and all that is to be told about how it came to be.

    quarantine : table (file, line, reason, raw) of rows that could not be read.
    guesses : what was decided for the user.
    notes : what was met on the way, such as other encodings and unused files.
    input_digest : SHA-256 over names and bytes of all files.
    """

    dataset: Dataset
    quarantine: pa.Table
    guesses: list[str]
    notes: list[str]
    input_digest: str


def ingest(
    sources: Sequence[Source],
    roles: RoleNames | None = None,
    *,
    modality: str | None = None,
    seed: int = 0,
    split: SplitPlan | None = None,
    near_pairs: bool = True,
) -> Ingested:
    """Read sources into one dataset.

    sources : one or several; with several, ids become `name:id`.
    roles : the columns the user names; the rest is guessed.
    modality : its name, or None to guess it.
    seed : for the splits that the data does not name.
    split : how much to hold out then; by default a fifth for test and a tenth for validation.
    near_pairs : whether near duplicates, beside exact ones, are kept in one split.

    Raises
    ------
    InputError : one line that names the file, what is wrong and what to do.
    """
    digest = input_digest(sources)
    names = _source_names(sources)
    raws = [_with_pictures(read_source(source), source) for source in sources]
    sizes = [raw.table.num_rows for raw in raws]
    own = all(is_own(raw.table) for raw in raws)
    tables = [_renamed(raw.table, source) for raw, source in zip(raws, sources, strict=True)]
    fit = fit_together(tables, sources, roles or RoleNames(), modality)
    table, mixed = concat(fit.tables)
    where = sources[0].path if len(sources) == 1 else "the sources"
    table, named, counted = with_votes(table, fit.named(roles or RoleNames()), where)
    about = written(raws, sources) if own else None
    kind = fit.modality or modality
    named, kind, told_roles = about.named(named, kind) if about else (named, kind, [])
    found = resolve(table, named, kind, where, own, sizes, settled=about is not None)

    of_row = [name for name, size in zip(names, sizes, strict=True) for _ in range(size)]
    prefix = [f"{name}:" if len(sources) > 1 else "" for name in of_row]
    if found.names.id is None:
        ids = [i for raw, name in zip(raws, names, strict=True) for i in row_ids.digests(raw.table, name)]
    else:
        ids = _own_ids(table, found.names.id, sizes, sources, [raw.table for raw in raws], names)
    ids = [p + i for p, i in zip(prefix, ids, strict=True)]
    taken = fit.after(modality_called(found.modality).intake(table, found.names.content))
    found = found.with_content(taken.content)
    table, rejected = taken.table, _unreadable(taken, sources, sizes)
    if rejected:
        good = [i for i in range(table.num_rows) if i not in taken.unreadable]
        if not good:
            why = f"{rejected[0].file}: {rejected[0].reason}"
            raise InputError(f"{where}: no row can be read, the first because {why} (name another column)")
        table = table.take(pa.array(good, pa.int64()))
        ids, prefix, of_row = ([cells[i] for i in good] for cells in (ids, prefix, of_row))
    empty = empty_labels(table, found.names.label)
    columns, renamed = final_columns(table, found, where, own)
    if own:
        columns[PARENTS] = _prefixed(table[PARENTS], prefix)
    if not own or len(sources) > 1:
        columns[SOURCE] = pa.array(of_row, pa.large_string())
    rows = pa.table({ROW_ID: pa.array(ids, pa.large_string()), **columns})
    data = Dataset.of(rows, final_roles(found.names, renamed), found.modality)
    told_types = found.modality == "tabular" and not own
    types = column_lines(table, rows, found.names.content, renamed) if told_types else []

    given = None
    if found.names.split is not None:
        given = dict(zip(ids, stated(table[found.names.split], found.names.split, where), strict=True))
    splits, told, split_notes = complete(data, given, split or SplitPlan(), seed, near_pairs, own)
    cells = pa.array(splits.tolist(), pa.large_string())
    data = Dataset.of(data.table.drop_columns([SPLIT]).append_column(SPLIT, cells), data.roles, data.modality)
    ours = [f"{old}: called {new!r} here, because the name is ours" for old, new in renamed.items()]
    return Ingested(
        dataset=data,
        quarantine=quarantine([*(row for raw in raws for row in raw.rejected), *rejected]),
        guesses=[*(g for raw in raws for g in raw.guesses), *counted, *told_roles, *found.guesses, *ours,
                 *types, *told],
        notes=[*(n for raw in raws for n in raw.notes), *fit.notes, *mixed, *taken.notes, *empty,
               *split_notes],
        input_digest=digest,
    )


def _source_names(sources: Sequence[Source]) -> list[str]:
    if not sources:
        raise InputError("no source given (name a file or a folder)")
    names = [source.title for source in sources]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise InputError(f"two sources are called {twice[0]!r} (give each its own name)")
    return names


def _with_pictures(raw: Raw, source: Source) -> Raw:
    """Return the rows with the pictures whose files the source's image column names."""
    if source.image is None:
        return raw
    column = next((old for old, new in source.columns.items() if new == source.image), source.image)
    folder = Path(source.path) if Path(source.path).is_dir() else Path(source.path).parent
    raw = with_named(raw, column, column, folder, source.path)
    if raw.rejected and not raw.table.num_rows:
        first = raw.rejected[0]
        raise InputError(f"{first.file}:{first.line}: {first.reason} (names are relative to {folder})")
    return raw


def _renamed(table: pa.Table, source: Source) -> pa.Table:
    """Return the table with its columns called as the source's map says."""
    for old in source.columns:
        if old not in table.column_names:
            hint = did_you_mean(old, table.column_names)
            raise InputError(f"{source.path}: no column {old!r} to rename ({hint})")
    new = [source.columns.get(c, c) for c in table.column_names]
    if twice := sorted(n for n, times in Counter(new).items() if times > 1):
        raise InputError(f"{source.path}: two columns would be called {twice[0]!r} (change the column map)")
    return table.rename_columns(new)


def _own_ids(
    table: pa.Table, column: str, sizes: Sequence[int], sources: Sequence[Source], raws: Sequence[pa.Table],
    names: Sequence[str],
) -> list[str]:  # fmt: skip
    """Return the ids of a column, and digests for a source of several that has none at all."""
    ids: list[str] = []
    for k, (source, size) in enumerate(zip(sources, sizes, strict=True)):
        cells = table[column].slice(len(ids), size)
        none = len(sources) > 1 and cells.null_count == size
        ids += row_ids.digests(raws[k], names[k]) if none else row_ids.own(cells, column, source.path)
    return ids


def _unreadable(taken: Intake, sources: Sequence[Source], sizes: Sequence[int]) -> list[Rejected]:
    """Return the rows whose content the modality could not read, with their own file where they have one."""
    starts = np.cumsum([0, *sizes])
    named = next((c for c in ("file", "file_name") if c in taken.table.column_names), None)
    out = []
    for row, reason in sorted(taken.unreadable.items()):
        k = int(np.searchsorted(starts, row, "right")) - 1
        file = taken.table[named][row].as_py() if named else None
        line = 1 if file else row - int(starts[k]) + 1
        out.append(Rejected(str(file or sources[k].path), line, reason, ""))
    return out


def _prefixed(parents: pa.ChunkedArray, prefix: Sequence[str]) -> pa.Array:
    cells = [[p + parent for parent in row or []] for p, row in zip(prefix, parents.to_pylist(), strict=True)]
    return pa.array(cells, pa.large_list(pa.large_string()))
