"""Ingest: files and folders -> one Dataset with ids, roles and leakage-safe splits.

Nothing is changed on the way: text stays text, rows that cannot be read are quarantined with file, line and
reason, and whatever is guessed or passed over is said in sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dataset import OWN_COLUMNS, PARENTS, ROW_ID, SOURCE, SPLIT, WEIGHT, Dataset, Roles
from pipeline.ingest import row_ids
from pipeline.ingest.folder import SPLIT_WORDS, read_source
from pipeline.ingest.numbers import typed
from pipeline.ingest.roles import Resolved, RoleNames, is_own, resolve
from pipeline.ingest.source import InputError, Raw, Source, did_you_mean, input_digest, quarantine
from pipeline.ingest.split import SplitPlan, assign, stated, units
from pipeline.ingest.unify import as_text, concat

__all__ = ["Ingested", "InputError", "RoleNames", "Source", "SplitPlan", "ingest", "input_digest"]
_DIGEST = "\0digest"  # carries each row's digest from its own source into the joined table


@dataclass(frozen=True, eq=False)
class Ingested:
    """A dataset and all that is to be told about how it came to be.

    quarantine : table (file, line, reason, raw) of rows that could not be read.
    guesses : what was decided for the user. notes : what was met on the way, such as other encodings and unused files.
    input_digest : SHA-256 over names and bytes of all files.
    """

    dataset: Dataset
    quarantine: pa.Table
    guesses: list[str]
    notes: list[str]
    input_digest: str


def ingest(
    sources: Sequence[Source],
    roles: RoleNames = RoleNames(),  # noqa: B008 - frozen
    *,
    modality: str | None = None,
    seed: int = 0,
    split: SplitPlan = SplitPlan(),  # noqa: B008 - frozen
    near_pairs: bool = True,
) -> Ingested:
    """Read sources into one dataset.

    Parameters
    ----------
    sources : one or several; with several, ids become `name:id`.
    roles, modality : what the user names; the rest is guessed.
    seed, split : for the splits that the data does not name.
    near_pairs : whether near duplicates, beside exact ones, are kept in one split.

    Raises
    ------
    InputError : one line that names the file, what is wrong and what to do.
    """
    digest = input_digest(sources)
    names = _source_names(sources)
    raws = [read_source(source) for source in sources]
    own = all(is_own(raw.table) for raw in raws)
    table, notes = concat([_prepared(raw, source, name) for raw, source, name in zip(raws, sources, names, strict=True)])
    row_source = [name for raw, name in zip(raws, names, strict=True) for _ in range(raw.table.num_rows)]
    where = sources[0].path if len(sources) == 1 else "the sources"
    found = resolve(table.drop_columns([_DIGEST]), roles, modality, where, own)
    ids = table[_DIGEST].to_pylist() if found.names.id is None else _own_ids(table, found, raws, sources)
    if len(sources) > 1:
        ids = [f"{name}:{row}" for name, row in zip(row_source, ids, strict=True)]
    columns, renamed = _columns(table, found, where, own, row_source if len(sources) > 1 or not own else None)
    if own and len(sources) > 1:
        columns[PARENTS] = pa.array([[f"{name}:{p}" for p in parents or []] for name, parents in
                                     zip(row_source, table[PARENTS].to_pylist(), strict=True)])
    given = found.names.split and stated(table[found.names.split], found.names.split, where, SPLIT_WORDS)
    rows = pa.table({ROW_ID: pa.array(ids, pa.large_string()), **columns})
    data = Dataset.of(rows, _roles(found.names, renamed), found.modality)
    splits, told = _splits(data, None if given is None else dict(zip(ids, given, strict=True)), split, seed, near_pairs, own)
    data = Dataset.of(data.table.set_column(data.table.column_names.index(SPLIT), SPLIT, pa.array(splits, pa.large_string())),
                      data.roles, data.modality)
    guesses = [g for raw in raws for g in raw.guesses] + list(found.guesses) + [
        f"{old}: the column is called {new!r} here, because {old!r} is ours" for old, new in renamed.items()]
    notes = [n for raw in raws for n in raw.notes] + notes
    return Ingested(data, quarantine(r for raw in raws for r in raw.rejected), guesses + told[0], notes + told[1], digest)


def _source_names(sources: Sequence[Source]) -> list[str]:
    if not sources:
        raise InputError("no source given (name a file or a folder)")
    names = [source.title for source in sources]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise InputError(f"two sources are called {twice[0]!r} (give each its own name)")
    return names


def _prepared(raw: Raw, source: Source, name: str) -> pa.Table:
    """Rename a source's columns as its map says, and add each row's digest over the cells as they were read."""
    table = raw.table
    for old in source.columns:
        if old not in table.column_names:
            raise InputError(f"{source.path}: no column {old!r} to rename ({did_you_mean(old, table.column_names)})")
    new = [source.columns.get(c, c) for c in table.column_names]
    if twice := sorted({n for n in new if new.count(n) > 1}):
        raise InputError(f"{source.path}: two columns would be called {twice[0]!r} (change the column map)")
    return table.rename_columns(new).append_column(_DIGEST, pa.array(row_ids.digests(table, name), pa.large_string()))


def _own_ids(table: pa.Table, found: Resolved, raws: Sequence[Raw], sources: Sequence[Source]) -> list[str]:
    ids: list[str] = []
    start = 0
    for raw, source in zip(raws, sources, strict=True):
        part = table.slice(start, raw.table.num_rows)
        ids += row_ids.own(part[str(found.names.id)], str(found.names.id), source.path)
        start += raw.table.num_rows
    return ids


def _columns(
    table: pa.Table, found: Resolved, where: str, own: bool, row_source: list[str] | None
) -> tuple[dict[str, pa.ChunkedArray | pa.Array], dict[str, str]]:
    """Return all columns but the id and the split under their final names, and which names had to change."""
    names = found.names
    kept = [c for c in table.column_names if c not in (_DIGEST, names.id, names.split, names.weight)]
    if own:
        kept = [c for c in kept if c not in OWN_COLUMNS]
    rows = table.select(kept)
    if found.modality == "tabular":
        rows = typed(rows, keep={c for c in (names.group,) if c})[0]
    taken = set(table.column_names)
    renamed: dict[str, str] = {}
    for c in kept:
        if c in (*OWN_COLUMNS, WEIGHT):
            new = c + "_"
            while new in taken:
                new += "_"
            taken.add(new)
            renamed[c] = new
    columns = {renamed.get(c, c): _cell_types(rows[c], c, found, where) for c in kept}
    if names.weight:
        columns[WEIGHT] = _weights(table[names.weight], names.weight, where)
    columns[SOURCE] = table[SOURCE] if row_source is None else pa.array(row_source, pa.large_string())
    if own:
        columns[PARENTS] = table[PARENTS]
    return columns, renamed


def _cell_types(column: pa.ChunkedArray, name: str, found: Resolved, where: str) -> pa.ChunkedArray:
    """Make text content text, and an empty label a missing one; everything else stays."""
    kind = column.type
    if found.modality == "text" and name in found.names.content and not pa.types.is_large_string(kind):
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise InputError(f"{where}: column {name!r} holds {kind}, not text (name another content column)")
        return as_text(column)
    if name == found.names.label and (pa.types.is_large_string(kind) or pa.types.is_string(kind)):
        return pc.if_else(pc.equal(column, ""), pa.scalar(None, kind), column)
    return column


def _weights(column: pa.ChunkedArray, name: str, where: str) -> pa.ChunkedArray:
    try:
        weights = pc.cast(column, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{where}: column {name!r} holds no weights: {error} (it needs numbers)") from error
    if len(weights) and not pc.all(pc.greater_equal(pc.fill_null(weights, 1.0), 0.0)).as_py():
        raise InputError(f"{where}: column {name!r} holds a negative weight (weights are 0 or more)")
    return weights


def _roles(names: RoleNames, renamed: dict[str, str]) -> Roles:
    def now(name: str | None) -> str | None:
        return renamed.get(name, name) if name else None

    return Roles(content=tuple(renamed.get(c, c) for c in names.content), label=now(names.label),
                 group=now(names.group), time=now(names.time))


def _splits(
    data: Dataset, given: dict[str, str] | None, plan: SplitPlan, seed: int, near: bool, own: bool
) -> tuple[np.ndarray, tuple[list[str], list[str]]]:
    """(n,) splits: the user's, completed by the held-out splits they lack, or all made; then guesses and notes."""
    splits = np.array([given[i] for i in data.ids] if given else ["train"] * data.n_rows, dtype=object)
    wanted = {"validation": plan.validation, "test": plan.test}
    wanted = {s: f for s, f in wanted.items() if f and not (splits == s).any()}
    train = splits == "train"
    if own or not wanted or not train.any():
        return splits, ([], [])
    left = 1 - sum(f for s, f in (("validation", plan.validation), ("test", plan.test)) if s not in wanted)
    fractions = {s: f / left for s, f in wanted.items()}
    fractions["train"] = 1 - sum(fractions.values())
    pool = data.where(train)
    unit, notes = units(pool, near)
    splits[train] = assign(pool, unit, fractions, seed)
    counts = ", ".join(f"{(splits == s).sum():,} {s}" for s in ("train", "validation", "test"))
    how = f"by the latest {data.roles.time!r}" if data.roles.time else f"stratified by label, seed {seed}"
    which = " and ".join(wanted)
    guesses = [f"split: {which} made from {'the train rows' if given else 'all rows'}, {how}, copies kept together: {counts}"]
    if empty := [s for s in wanted if not (splits == s).any()]:
        notes.append(f"split: no rows for {' and '.join(empty)}: too few rows that are no copies of each other")
    return splits, (guesses, notes)
