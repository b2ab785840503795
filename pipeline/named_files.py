"""Files that settings name: relative to their recipe, known to every cache key by content, never by path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel


class NamedFile:
    """Marks a setting that names a file: `decisions: Annotated[Path | None, NamedFile()] = None`."""


def named_files(model: type[BaseModel]) -> list[str]:
    """Return the names of the settings that name a file."""
    fields = model.model_fields.items()
    return [name for name, field in fields if any(isinstance(m, NamedFile) for m in field.metadata)]


def anchored(model: type[BaseModel], values: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Return the settings with their files' paths joined to `base`, the recipe's folder."""
    files = {n for n in named_files(model) if isinstance(values.get(n), str)}
    return {name: str(base / value) if name in files else value for name, value in values.items()}


def missing_files(settings: BaseModel | None) -> list[tuple[str, Path]]:
    """Return (setting, path) of the files that are named but not there."""
    if settings is None:
        return []
    named = [(name, getattr(settings, name)) for name in named_files(type(settings))]
    return [(name, Path(path)) for name, path in named if path is not None and not Path(path).is_file()]


def read_digests(settings: BaseModel) -> dict[str, str]:
    """Return the SHA-256 of each file that the settings name, by its path; a missing file has none."""
    paths = [Path(value) for n in named_files(type(settings)) if (value := getattr(settings, n)) is not None]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths if p.is_file()}


def key_settings(settings: BaseModel, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return all settings as plain values for a key; a file stands there as its SHA-256, wherever it lies."""
    values = settings.model_dump(mode="json")
    for name in named_files(type(settings)):
        if values[name] is not None:
            path = str(getattr(settings, name))
            digest = digests.get(path) or read_digests(settings).get(path)
            values[name] = {"sha256": digest} if digest else {"missing": path}
    return values
