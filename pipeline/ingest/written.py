"""What a file of ours says of itself: its modality and the roles of its columns; nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError

from pipeline.dataset import Roles
from pipeline.ingest.roles import RoleNames
from pipeline.ingest.source import Raw, Source
from pipeline.modalities import modality_names

BY_US = "as written by assay"


class Written(BaseModel, frozen=True):
    """Modality and roles, as `pipeline.outputs.write_data` states them in a Parquet schema."""

    modality: str
    roles: Roles

    def named(self, names: RoleNames, kind: str | None) -> tuple[RoleNames, str | None, list[str]]:
        """Return the roles and the modality, those that the user names first, and what is to be told.

        A column that the user gives another role is no content; another modality finds its own content.
        """
        given = names.model_dump(exclude={"content", "annotators"}, exclude_none=True)
        taken = {*given.values(), *names.annotators}
        found = {role: name for role in ("label", "group", "time")
                 if role not in given and (name := getattr(self.roles, role)) and name not in taken}
        told = [f"{role}: column {name!r}, {BY_US}" for role, name in found.items()]
        if "label" in found:
            found["annotators"] = self.roles.annotators
        content = tuple(c for c in self.roles.content if c not in taken)
        if kind in (None, self.modality) and not names.content and content:
            columns = ", ".join(map(repr, content))
            told += [f"modality: {self.modality}, {BY_US}", f"content: {columns}, {BY_US}"]
            kind, found = self.modality, {**found, "content": content}
        return names.model_copy(update=found), kind, told


def written(raws: Sequence[Raw], sources: Sequence[Source]) -> Written | None:
    """Return what all sources state alike, None where one states nothing, or nothing that makes sense.

    The columns are called as the sources' column maps say.
    """
    found = [_stated(raw, source.columns) for raw, source in zip(raws, sources, strict=True)]
    return found[0] if all(f is not None and f == found[0] for f in found) else None


def _stated(raw: Raw, columns: Mapping[str, str]) -> Written | None:
    try:
        one = Written.model_validate(json.loads(raw.about))
    except (ValueError, ValidationError, RecursionError):
        return None
    new = {name: columns.get(name, name) for name in raw.table.column_names}
    roles = one.roles
    single = [name for name in (roles.label, roles.group, roles.time) if name]
    if one.modality not in modality_names() or not roles.content:
        return None
    if not new.keys() >= {*single, *roles.content, *roles.annotators}:
        return None
    content, annotators = (tuple(new[c] for c in names) for names in (roles.content, roles.annotators))
    label, group, time = (new[name] if name else None for name in (roles.label, roles.group, roles.time))
    called = Roles(content=content, label=label, group=group, time=time, annotators=annotators)
    return Written(modality=one.modality, roles=called)
