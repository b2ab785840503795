"""Several sources as one dataset: each is understood on its own, and what does not fit is said in words.

Sources may differ in format, encoding, column names and label words. Their column maps and label maps bring
them together; content that a modality keeps in a form of its own (turns, pictures) is brought into it source
by source, so that formats can be mixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import pyarrow as pa

from pipeline.dataset import SPLIT
from pipeline.ingest.roles import Resolved, RoleNames, is_own, resolve
from pipeline.ingest.source import InputError, Source, did_you_mean
from pipeline.ingest.source_labels import about_labels, with_labels
from pipeline.modalities import Intake
from pipeline.modalities import modality as modality_called


@dataclass
class Joined:
    """Tables that fit together, the content they have in common if it was settled, and what is to be told."""

    tables: list[pa.Table]
    content: tuple[str, ...] = ()
    modality: str | None = None
    unreadable: list[Mapping[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def named(self, names: RoleNames) -> RoleNames:
        """Return the names with the content that was settled here."""
        return names.model_copy(update={"content": self.content}) if self.content else names

    def after(self, taken: Intake) -> Intake:
        """Return the intake of all rows with the reasons that were found source by source."""
        starts = accumulate((t.num_rows for t in self.tables), initial=0)
        earlier = {start + i: why for start, of in zip(starts, self.unreadable, strict=False)
                   for i, why in of.items()}  # fmt: skip
        return taken._replace(unreadable={**taken.unreadable, **earlier}) if earlier else taken


def fit_together(
    tables: Sequence[pa.Table], sources: Sequence[Source], names: RoleNames, kind: str | None
) -> Joined:
    """Return the tables with labels mapped, splits named and content in one form.

    Raises
    ------
    InputError : sources whose content, label or kind differ in a way that only the user can decide.
    """
    out = Joined(list(tables), unreadable=[{} for _ in tables])
    plain = not any(s.labels or s.split for s in sources)
    if all(is_own(t) for t in tables) or (len(tables) == 1 and plain):
        return out
    found = [_understood(t, s, names, kind) for t, s in zip(tables, sources, strict=True)]
    if len(tables) > 1:
        _same_modality(found, sources)
        _in_one_form(out, found, sources, bool(names.content))
    label = _one_name("label", [f.names.label for f in found], sources)
    split = _one_name("split", [f.names.split for f in found], sources)
    for k, source in enumerate(sources):
        if source.labels:
            out.tables[k] = with_labels(out.tables[k], found[k].names.label, source)
    out.notes += [*about_labels(out.tables, sources, label), *_apart(out, found, sources)]
    out.notes += _with_splits(out, sources, split)
    return out


def _understood(table: pa.Table, source: Source, names: RoleNames, kind: str | None) -> Resolved:
    """Resolve one source alone, with the named columns that it has."""
    if missing := [c for c in names.content if c not in table.column_names]:
        hint = did_you_mean(missing[0], table.column_names).rstrip("?")
        raise InputError(f"{source.path}: no column {missing[0]!r} for content ({hint}; map the one that "
                         f"holds it: {_map('body', missing[0])})")
    single = {role: getattr(names, role) for role in ("label", "id", "split", "group", "time", "weight")}
    absent = {role: None for role, name in single.items() if name and name not in table.column_names}
    if names.id and "id" in absent:
        raise InputError(f"{source.path}: no column {names.id!r} for ids (map the one that holds them: "
                         f"{_map('key', names.id)})")
    found = resolve(table, names.model_copy(update=absent), kind, source.path, is_own(table), [len(table)])
    keep = {"label": None} if "label" in absent else {}  # a named label is not guessed where it is absent
    return found.model_copy(update={"names": found.names.model_copy(update=keep)})


def _same_modality(found: Sequence[Resolved], sources: Sequence[Source]) -> None:
    kinds = {f.modality for f in found}
    if len(kinds) > 1:
        each = ", ".join(f"{s.title!r} is {f.modality}" for s, f in zip(sources, found, strict=True))
        raise InputError(f"the sources are of different kinds: {each} (name the modality if that is wrong; "
                         "else make a dataset of each)")


def _in_one_form(out: Joined, found: Sequence[Resolved], sources: Sequence[Source], named: bool) -> None:
    """Bring the content of each source into the modality's form where the sources' columns differ."""
    contents = [f.names.content for f in found]
    if len(set(contents)) == 1 or named:
        return
    taken = [modality_called(f.modality).intake(t, f.names.content)
             for f, t in zip(found, out.tables, strict=True)]  # fmt: skip
    if len({t.content for t in taken}) == 1:
        out.tables, out.content, out.modality = [t.table for t in taken], taken[0].content, found[0].modality
        out.unreadable = [t.unreadable for t in taken]
        out.notes += [note for t in taken for note in t.notes]
        return
    shared = set.intersection(*(set(c) for c in contents))
    several = all(len(c) > 1 for c in contents)
    if not shared or not several:  # one text each, under different names: which is which is for the user
        one, other = contents[0], next(c for c in contents if c != contents[0])
        which = sources[contents.index(other)]
        old, new = (next((c for c in a if c not in b), a[0]) for a, b in ((other, one), (one, other)))
        raise InputError(
            f"the content is {', '.join(map(repr, one))} in source {sources[0].title!r}, but "
            f"{', '.join(map(repr, other))} in {which.title!r} ({_map(old, new)} under {which.title!r}, or "
            "name the content columns)"
        )
    for name in sorted(set().union(*contents) - shared):
        has = ", ".join(repr(s.title) for s, c in zip(sources, contents, strict=True) if name in c)
        out.notes.append(f"column {name!r} is only in {has}; in the other sources its cells are missing")


def _apart(out: Joined, found: Sequence[Resolved], sources: Sequence[Source]) -> list[str]:
    """Say which columns beside content and roles only some sources have."""
    names_of = [f.names for f in found]
    used = {c for n in names_of for c in (*n.content, n.label, n.id, n.split)}
    names = [set(table.column_names) - used for table in out.tables]
    told = []
    for name in sorted(set().union(*names) - set.intersection(*names)):
        has = ", ".join(repr(s.title) for s, of in zip(sources, names, strict=True) if name in of)
        told.append(f"column {name!r} is only in {has}")
    return told


def _one_name(role: str, names: Sequence[str | None], sources: Sequence[Source]) -> str | None:
    """Return the one column that has a role in all sources that have one."""
    different = {n: s for s, n in zip(reversed(sources), reversed(names), strict=True) if n}
    if len(different) > 1:
        (new, one), (old, other) = sorted(different.items(), key=lambda p: sources.index(p[1]))[:2]
        raise InputError(f"the {role} column is {new!r} in source {one.title!r}, but {old!r} in "
                         f"{other.title!r} ({_map(old, new)} under {other.title!r}, or name the column)")
    return next(iter(different), None)


def _with_splits(out: Joined, sources: Sequence[Source], split: str | None) -> list[str]:
    """Name the split of sources that are one split as a whole, and of those that name none."""
    if split is None and not any(s.split for s in sources):
        return []
    column, notes = split or SPLIT, []
    for k, source in enumerate(sources):
        has = column in out.tables[k].column_names
        if has and source.split:
            raise InputError(f"{source.path}: the source is {source.split} as a whole, but has a column "
                             f"{column!r} too (use one of the two)")
        if not has:
            n = out.tables[k].num_rows
            cells = pa.array([source.split or "train"] * n, pa.large_string())
            out.tables[k] = out.tables[k].append_column(column, cells)
            why = "as it says" if source.split else "since it names no split"
            of = source.split or "train"
            notes.append(f"split: source {source.title!r}: all {n:,} rows are {of}, {why}")
    return notes


def _map(old: str, new: str) -> str:
    return f'columns = {{ {old} = "{new}" }}'
