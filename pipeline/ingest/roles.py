"""Which column is what: as named, or guessed, and every guess is a sentence the user gets to read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from pipeline.dataset import PARENTS, ROW_ID, SOURCE, SPLIT, WEIGHT
from pipeline.ingest.content import content_of, is_own_target, is_scalar, is_text
from pipeline.ingest.folder import SPLIT_WORDS
from pipeline.ingest.source import InputError, did_you_mean
from pipeline.modalities import modality_names
from pipeline.words import how_many

ID_NAMES = ("row_id", "id", "uid", "guid", "uuid", "_id")
LABEL_NAMES = ("label", "labels", "class", "category", "target", "y", "sentiment", "stars", "rating", "topic",
               "intent", "species", "tag", "tags", "label_text", "label_name")
SPLIT_NAMES = ("split", "subset", "partition", "set")
GROUP_NAMES = ("group", "group_id")
TIME_NAMES = ("time", "timestamp", "date", "datetime", "created_at", "published_at")
LABEL_KINDS = 50  # a column that is no label by name may be one if it holds at most this many different cells
LABEL_CHARS = 40


class RoleNames(BaseModel, frozen=True, extra="forbid"):
    """The columns the user names; what is None or empty is guessed."""

    content: tuple[str, ...] = ()
    label: str | None = None
    id: str | None = None
    split: str | None = None
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    annotators: tuple[str, ...] = ()
    label_delimiter: str | None = None


class Resolved(BaseModel, frozen=True):
    """What was decided: names in the table as it was read, the modality, and the sentences."""

    names: RoleNames
    modality: str
    guesses: tuple[str, ...]

    def with_content(self, content: tuple[str, ...]) -> Resolved:
        """Return the same with other content columns: those that the modality made of the ones named."""
        return self.model_copy(update={"names": self.names.model_copy(update={"content": content})})


def is_own(table: pa.Table) -> bool:
    """Return whether the table was written by us: it has our columns, ids are texts and parents lists."""
    if not {ROW_ID, SPLIT, SOURCE, PARENTS} <= set(table.column_names):
        return False
    if not all(is_text(table, name) for name in (ROW_ID, SPLIT, SOURCE)):
        return False
    kind = table.schema.field(PARENTS).type
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def resolve(
    table: pa.Table, names: RoleNames, kind: str | None, where: str, own: bool, sizes: Sequence[int],
    settled: bool = False,
) -> Resolved:  # fmt: skip
    """Complete the roles and the modality.

    `where` names the input in errors; `sizes` are the rows of each source, within which ids must be unique;
    where the roles are `settled`, those that are not named do not exist, so no label and no group is guessed.
    A time column is never guessed, since a split by time is another experiment; a group column only by the
    name `group` or `group_id`.

    Raises
    ------
    InputError : a named column or modality does not exist, or no content is found.
    """
    for role, name in _named(names):
        if name not in table.column_names:
            hint = did_you_mean(name, table.column_names)
            raise InputError(f"{where}: no column {name!r} for {role} ({hint})")
    if kind is not None and kind not in modality_names():
        raise InputError(f"{where}: no modality {kind!r} ({did_you_mean(kind, modality_names())})")
    told: list[str] = []
    found = names.model_dump()
    if own:
        found |= {"id": names.id or ROW_ID, "split": names.split or SPLIT}
        found["weight"] = names.weight or (WEIGHT if WEIGHT in table.column_names else None)
    taken = {name for _, name in _named(RoleNames(**found))} | ({SOURCE, PARENTS} if own else set())
    if found["id"] is None:
        found["id"], sentence = _id(table, taken, sizes)
        taken |= {found["id"]} if found["id"] else set()
        told.append(sentence)
    pairs = names.label is None and not settled and is_own_target(table, names.content, kind, taken)
    guesses = (("split", _split), ("group", _group), ("label", _label))
    for role, guess in guesses[: 1 if settled else 3]:
        if found[role] is None and not (pairs and role == "label"):
            found[role], sentence = guess(table, taken)
            taken |= {found[role]} if found[role] else set()
            told += [sentence] if sentence else []
    if found["time"] is None and not settled and (clock := _first(table, TIME_NAMES, taken)):
        told.append(f"time: column {clock!r} was not used; name it as the time column to split by time")
    content, kind, sentences = content_of(table, names.content, kind, taken)
    if not content:
        free = ", ".join(map(repr, sorted(set(table.column_names) - taken))) or "no columns"
        raise InputError(f"{where}: no content column among {free} (name one, e.g. --text-column)")
    complete = RoleNames(**(found | {"content": content}))
    return Resolved(names=complete, modality=kind, guesses=(*told, *sentences))


def _named(names: RoleNames) -> list[tuple[str, str]]:
    several = {"content": names.content, "annotators": names.annotators}
    single = names.model_dump(exclude={*several, "label_delimiter"})
    listed = [(role, name) for role, group in several.items() for name in group]
    return [*listed, *((role, name) for role, name in single.items() if name)]


def _id(table: pa.Table, taken: set[str], sizes: Sequence[int]) -> tuple[str | None, str]:
    name = _first(table, ID_NAMES, taken)
    if name is None or not is_scalar(table, name):
        return None, "id: none found, so row ids are digests of the cells"
    starts = accumulate(sizes, initial=0)
    parts = [table[name].slice(start, size) for start, size in zip(starts, sizes, strict=False) if size]
    given = [part for part in parts if part.null_count < len(part)]  # a source may have no such column

    def broken(part: pa.ChunkedArray) -> bool:
        empty = is_text(table, name) and pc.any(pc.equal(part, "")).as_py()
        return bool(part.null_count or empty or len(pc.unique(part)) < len(part))

    if not given or any(map(broken, given)):
        return None, f"id: column {name!r} repeats or has gaps, so row ids are digests of the cells"
    rest = how_many(len(parts) - len(given), "source has", "sources have")
    without = f"; {rest} none, so row ids are digests there" if len(given) < len(parts) else ""
    return name, f"id: column {name!r}, by its name{without}"


def _split(table: pa.Table, taken: set[str]) -> tuple[str | None, str]:
    name = _first(table, SPLIT_NAMES, taken)
    if name is None or not is_text(table, name):
        return None, ""
    words = {str(v).strip().lower() for v in pc.unique(table[name]).to_pylist()}
    meant = words & set(SPLIT_WORDS) if name.lower() == SPLIT else words <= set(SPLIT_WORDS)
    return (name, f"split: column {name!r}, by its name") if meant else (None, "")


def _group(table: pa.Table, taken: set[str]) -> tuple[str | None, str]:
    name = _first(table, GROUP_NAMES, taken)
    return (name, f"group: column {name!r}, by its name") if name and is_scalar(table, name) else (None, "")


def _label(table: pa.Table, taken: set[str]) -> tuple[str | None, str]:
    if name := _first(table, LABEL_NAMES, taken):
        return name, f"label: column {name!r}, by its name"
    able = [name for name in table.column_names if name not in taken and _few_kinds(table, name)]
    if said := _annotators(table, able):
        return None, said
    last = [name for name in table.column_names if name not in taken][-1:]
    if len(able) == 1 or (able and able[-1:] == last):
        n = len(pc.unique(table[able[-1]]))
        return able[-1], f"label: column {able[-1]!r}, because it holds only {n} different cells"
    return None, "label: none found; name the label column if there is one"


def _annotators(table: pa.Table, able: Sequence[str]) -> str:
    """Say what to write where the last three columns of few words hold the same three classes or more."""
    words = [name for name in able if is_text(table, name)]
    texts = {name: {v for v in pc.unique(table[name]).to_pylist() if v} for name in words}
    last = list(texts.values())[-1:]
    same = [name for name, kinds in texts.items() if [kinds] == last]
    if not last or len(last[0]) < 3 or len(same) < 3:  # yes and no are what many features say
        return ""
    write = f"--annotator-columns {','.join(same)}, or name the label column"
    return f"label: none taken, since {len(same)} columns hold the same classes ({write})"


def _few_kinds(table: pa.Table, name: str) -> bool:
    kind = table.schema.field(name).type
    if not (is_text(table, name) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return False
    values = pc.unique(table[name]).to_pylist()
    few = 2 <= len(values) <= min(LABEL_KINDS, table.num_rows / 5)
    return few and all(len(str(v)) <= LABEL_CHARS for v in values)


def _first(table: pa.Table, wanted: Sequence[str], taken: set[str]) -> str | None:
    by_lower = {name.lower(): name for name in reversed(table.column_names) if name not in taken}
    return next((by_lower[w] for w in wanted if w in by_lower), None)
