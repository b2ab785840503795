"""Recipe: TOML -> a validated plan. Unknown keys are refused, with the line and the key that was meant."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from pipeline.modalities import modality, modality_names
from pipeline.named_files import anchored, missing_files
from pipeline.recipe_data import Data, Source
from pipeline.recipe_faults import locate, meant, nearest, validate
from pipeline.recipe_text import RecipeError, one_line, override, parse_value, put, read_toml
from pipeline.stage import ORDER, Stage, stages

__all__ = ["Data", "Loop", "Recipe", "RecipeError", "Source", "build_recipe", "build_stage", "load_recipe",
           "parse_value", "put", "validated", "with_options"]


class Loop(BaseModel, frozen=True, extra="forbid"):
    """How the rounds run and how they are judged."""

    rounds: int = Field(default=2, ge=1, le=20)
    replicates: int = Field(
        default=20, ge=5, le=200, description="refits for the paired comparison of raw and curated"
    )
    harmful: Literal["reject", "keep"] = Field(
        default="reject", description="what to do with a round shown to be harmful"
    )


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """A whole plan: data, stages in order, signals' settings, training, rounds."""

    title: str = ""
    seed: int = 0
    data: Data
    stages: tuple[Any, ...] = ()
    signals: dict[str, dict[str, Any]] = {}
    train: dict[str, Any] = Field({}, description="settings of the fine-tuning stage, see finetune.settings")
    loop: Loop = Loop()

    @property
    def digest(self) -> str:
        """Return 32 hex digits over everything that is asked for."""
        stages_text = [(s.name, s.key_settings) for s in self.stages]
        text = self.model_copy(update={"stages": ()}).model_dump_json() + repr(stages_text)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def digest_without_rounds(self) -> str:
        """Return the same whatever the number of rounds: runs that share it are rounds of one plan."""
        once = self.loop.model_copy(update={"rounds": 1})
        return self.model_copy(update={"loop": once, "data": self.data.at_home}).digest


def load_recipe(
    path: Path | str, overrides: Sequence[str] = (), train_model: type[BaseModel] | None = None
) -> Recipe:
    """Read a recipe. `overrides` are KEY=VALUE (`duplicates.threshold=0.9`, `loop.rounds=1`).

    A relative path is relative to the recipe's folder. Raises `RecipeError` with one line a fault,
    each naming file, line, key and what was meant.
    """
    path = Path(path)
    text, raw = read_toml(path)
    for change in overrides:
        override(raw, change, stages())
    return build_recipe(raw, base=path.parent, where=one_line(path), text=text, train_model=train_model)


def build_recipe(
    raw: dict[str, Any],
    base: Path = Path(),
    where: str = "recipe",
    text: str = "",
    train_model: type[BaseModel] | None = None,
) -> Recipe:
    """Validate a recipe given as nested mappings. Raises `RecipeError`."""
    faults: list[str] = []
    places = _places(train_model)
    body = {k: v for k, v in raw.items() if k != "stages"}
    recipe = validate(Recipe, body, (), faults, places)
    named = recipe.data.modality if recipe else None
    listed = raw.get("stages", [])
    if not isinstance(listed, list):
        faults.append("stages\0should be a list: write [[stages]] above each stage")
        listed = []
    built = [_stage(entry, i, named, faults, places, base) for i, entry in enumerate(listed)]
    ranks = [(ORDER.index(s.name), s.name) for s in built if s is not None and s.name in ORDER]
    if ranks != sorted(ranks):
        yours = ", ".join(name for _, name in ranks)
        faults.append(f"stages\0the order must be {', '.join(ORDER)}; yours is {yours}")
    for table, values in raw.items():
        _check_table(table, values, train_model, faults, places)
    if recipe and not recipe.data.path and not recipe.data.sources:
        faults.append("data.path\0missing: give a file, a folder, or [[data.sources]]")
    if recipe and _weights_twice(built, recipe.train):
        faults.append("train.class_weight\0rebalance already weights the classes; use one of the two")
    if faults or recipe is None:
        raise RecipeError("\n".join(locate(where, text, fault) for fault in faults))
    data = recipe.data
    at = {
        "path": str(base / data.path) if data.path else None,
        "sources": tuple(s.model_copy(update={"path": str(base / s.path)}) for s in data.sources),
    }
    return recipe.model_copy(update={"stages": tuple(built), "data": data.model_copy(update=at)})


def build_stage(name: str, settings: Mapping[str, Any], modality_name: str | None) -> Stage:
    """Return one stage with its settings; its modality's own settings stand under the modality's name.

    Raises `RecipeError`.

    >>> build_stage("duplicates", {"treshold": 1}, "text")
    Traceback (most recent call last):
    pipeline.recipe_text.RecipeError: settings: duplicates.treshold: unknown key, did you mean threshold?
    """
    faults: list[str] = []
    stage = _stage({"use": name, **settings}, None, modality_name, faults)
    if stage is None or faults:
        raise RecipeError("\n".join(locate("settings", "", f) for f in faults))
    return stage


def settings_of(stage: Stage) -> dict[str, Any]:
    """Return the settings that a recipe gave to a stage, as `build_stage` takes them."""
    given = stage.model_dump(exclude_unset=True, exclude={"options"})
    for name in modality_names():
        if type(stage.options) is modality(name).stage_options.get(stage.name):
            given[name] = stage.options.model_dump(exclude_unset=True)
    return given


def validated(model: type[BaseModel], values: Mapping[str, Any], where: str) -> Any:
    """Return the model built from settings of the command line. Raises `RecipeError`."""
    faults: list[str] = []
    built = validate(model, values, (where,), faults)
    if faults:
        raise RecipeError("\n".join(locate("settings", "", f) for f in faults))
    return built


def with_options(stage: Stage, modality_name: str) -> Stage:
    """Return the stage with its modality's default options where none were given."""
    model = modality(modality_name).stage_options.get(stage.name)
    return stage.model_copy(update={"options": model()}) if stage.options is None and model else stage


def _stage(
    entry: Any,
    i: int | None,
    modality_name: str | None,
    faults: list[str],
    places: Mapping[str, str] | None = None,
    base: Path = Path(),
) -> Stage | None:
    at = f"stages[{i}]" if i is not None else str(entry.get("use"))
    known = ", ".join(stages())
    if not isinstance(entry, dict) or "use" not in entry:
        faults.append(f"{at}.use\0missing: name a stage ({known})")
        return None
    name = str(entry["use"]).replace("-", "_")
    if name not in stages():
        near = nearest(name, list(stages()))
        what = f", did you mean {near}?" if near else f"; stages are {known}"
        faults.append(f"{at}.use\0{entry['use']!r} is no stage{what}")
        if near is None:
            return None
        name = near  # so that its settings are looked at too
    settings = {k: v for k, v in entry.items() if k != "use"}
    options = None
    for other in modality_names():
        if other in settings:
            given = settings.pop(other)
            model = modality(other).stage_options.get(name)
            if model is None or (modality_name is not None and other != modality_name):
                faults.append(
                    f"{at}.{other}\0{name} has no settings for modality {other}"
                    + (f"; the data is {modality_name}" if modality_name else "")
                )
            else:
                options = validate(model, given, (at, other), faults)
    if "options" in settings:
        faults.append(f"{at}.options\0unknown key; write [stages.<modality>]")
        return None
    stage = validate(stages()[name], anchored(stages()[name], settings, base), (at,), faults, places)
    faults += [f"{at}.{setting}\0{path}: no such file" for setting, path in missing_files(stage)]
    return None if stage is None else stage.model_copy(update={"options": options})


def _places(train_model: type[BaseModel] | None) -> dict[str, str]:
    """Return what to write for keys that stand in a table they do not belong to."""
    out = {key: f"{key} under [[stages]] with use = {name!r}" for name, model in stages().items()
           for key in model.model_fields if key != "options"}
    for table, model in (("train", train_model), ("loop", Loop), ("data", Data)):
        out |= {key: f"{table}.{key}" for key in (model.model_fields if model else ())}
    return out | {key: f"{key}, above the first table" for key in ("title", "seed")}


def _check_table(
    table: str, values: Any, train_model: type[BaseModel] | None, faults: list[str], places: Mapping[str, str]
) -> None:
    """Look at the tables the recipe's own model leaves open, and at those whose name is a slip."""
    name = table if table in Recipe.model_fields else nearest(table, list(Recipe.model_fields))
    if not isinstance(values, dict):
        return
    if name == "signals":
        _check_signals(table, values, faults, places)
    elif name == "train" and train_model is not None:
        validate(train_model, values, (table,), faults, places)
    elif name != table and name in ("data", "loop"):
        faults[:] = [f for f in faults if f != f"{name}\0missing"]  # it is there, under another name
        validate(Data if name == "data" else Loop, values, (table,), faults, places)


def _check_signals(
    table: str, given: Mapping[str, Any], faults: list[str], places: Mapping[str, str]
) -> None:
    from pipeline.signals import signals

    for name, settings in given.items():
        near = name if name in signals() else nearest(name, list(signals()))
        if near != name:
            faults.append(f"{table}.{name}\0unknown key{meant(name, list(signals()))}")
        if near is not None:
            validate(signals()[near], settings, (table, name), faults, places)


def _weights_twice(built: Sequence[Stage | None], train: Mapping[str, Any]) -> bool:
    methods = [getattr(s, "method", "") for s in built if s is not None and s.name == "rebalance"]
    return "weights" in methods and bool(train.get("class_weight"))
