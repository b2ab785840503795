"""Open a recipe's data: ingest once, then serve the stored snapshot until files or settings change."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.blobs import holds
from pipeline.code import code_parts
from pipeline.dataset import Dataset
from pipeline.files import read_parquet, write_parquet
from pipeline.ingest import RoleNames, Source, SplitPlan, ingest, input_digest
from pipeline.keys import Key
from pipeline.recipe import Data, Recipe
from pipeline.store import Store


@dataclass(frozen=True, eq=False)
class Opened:
    """A dataset as it was read, with what the reading guessed, noted and could not read."""

    dataset: Dataset
    guesses: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)


def open_data(recipe: Recipe, store: Store) -> Opened:
    """Return the recipe's data as a snapshot of the store. Raises `pipeline.ingest.InputError`."""
    return open_plan(recipe.data, recipe.seed, store)


def open_plan(data: Data, seed: int, store: Store) -> Opened:
    """Return the data of a plan, ingested when it is new."""
    sources = _sources(data)

    def read(folder: Path) -> dict[str, Any]:
        done = ingest(
            sources,
            _roles(data),
            modality="image" if data.image else data.modality,
            seed=seed,
            split=SplitPlan(test=data.test_fraction, validation=data.validation_fraction),
        )
        write_parquet(folder / "quarantine.parquet", done.quarantine)
        return {"root": store.save(done.dataset), "guesses": done.guesses, "notes": done.notes}

    folder, facts = store.artifact(ingest_key(data, seed), read)
    quarantine = read_parquet(folder / "quarantine.parquet").to_pylist()
    if not holds(store, facts["root"]):  # was damaged and deleted, as one is told
        with TemporaryDirectory() as scratch:
            read(Path(scratch))
    return Opened(store.load(facts["root"]), facts["guesses"], facts["notes"], quarantine)


def ingest_key(data: Data, seed: int) -> Key:
    """Return all that reading depends on: files, settings, seed, code."""
    sources = _sources(data)
    return Key("ingest", {
        "files": input_digest(sources), "seed": seed,
        "sources": [(s.name, s.columns, s.encoding, s.labels, s.split) for s in sources],
        "settings": data.model_copy(update={"path": None, "sources": ()}).model_dump(mode="json"),
        "code": code_parts("pipeline.ingest", "pipeline.modalities", "pipeline.minhash"),
    })  # fmt: skip


def _sources(data: Data) -> list[Source]:
    if data.sources:
        return [
            Source(s.name, s.path, dict(s.columns), encoding=s.encoding or data.encoding,
                   labels=dict(s.labels), split=s.split, image=data.image)
            for s in data.sources
        ]
    return [Source("", str(data.path), encoding=data.encoding, image=data.image)]


def _roles(data: Data) -> RoleNames:
    content = data.columns or tuple(name for name in (data.text, data.image) if name)
    return RoleNames(
        content=content, label=data.label, id=data.id, split=data.split, group=data.group, time=data.time,
        annotators=data.annotators, label_delimiter=data.label_delimiter,
    )  # fmt: skip
