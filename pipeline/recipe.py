"""Recipe: TOML -> a validated plan. Unknown keys are refused, with the line and the key that was meant."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, field_validator

from pipeline.modalities import modality, modality_names
from pipeline.recipe_faults import PathText, locate, meant, validate
from pipeline.stage import ORDER, Stage, stages


class RecipeError(Exception):
    """All that is wrong with a recipe, a line each."""


class Source(BaseModel, frozen=True, extra="forbid"):
    """One of several sources; ids become `name:id`."""

    name: str = Field(min_length=1)
    path: PathText
    columns: dict[str, str] = {}


class Data(BaseModel, frozen=True, extra="forbid"):
    """What to read. Columns that are not named are guessed, and the guess is printed."""

    path: PathText | None = None
    sources: tuple[Source, ...] = ()
    modality: str | None = None
    text: str | None = None
    columns: tuple[str, ...] = Field((), description="content columns, when there are several")
    label: str | None = None
    id: str | None = None
    split: str | None = None
    group: str | None = None
    time: str | None = None
    test_fraction: float = Field(0.2, ge=0, lt=1, description="made when the data has no split column")
    validation_fraction: float = Field(0.1, ge=0, lt=1)

    @field_validator("modality")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in modality_names():
            raise ValueError(f"{value!r} is none of {', '.join(modality_names())}")
        return value


class Loop(BaseModel, frozen=True, extra="forbid"):
    """How the rounds run and how they are judged."""

    rounds: int = Field(default=2, ge=1, le=20)
    replicates: int = Field(
        default=20, ge=5, le=200, description="refits for the paired comparison of raw and curated"
    )
    harmful: str = Field(
        default="reject",
        pattern="^(reject|keep)$",
        description="what to do with a round shown to be harmful",
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
        stages_text = [(s.name, s.model_dump_json()) for s in self.stages]
        text = self.model_copy(update={"stages": ()}).model_dump_json() + repr(stages_text)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def digest_without_rounds(self) -> str:
        """Return the same whatever the number of rounds: runs that share it are rounds of one plan."""
        return self.model_copy(update={"loop": self.loop.model_copy(update={"rounds": 1})}).digest


def load_recipe(
    path: Path | str, overrides: Sequence[str] = (), train_model: type[BaseModel] | None = None
) -> Recipe:
    """Read a recipe. `overrides` are KEY=VALUE (`duplicates.threshold=0.9`, `loop.rounds=1`).

    A relative data path is relative to the recipe's folder. Raises `RecipeError` with one line a fault,
    each naming file, line, key and what was meant.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
        raw = tomllib.loads(text)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror or error} (give a recipe's path)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML: {error}") from None
    for override in overrides:
        _override(raw, override)
    return build_recipe(raw, base=path.parent, where=str(path), text=text, train_model=train_model)


def build_recipe(
    raw: dict[str, Any],
    base: Path = Path(),
    where: str = "recipe",
    text: str = "",
    train_model: type[BaseModel] | None = None,
) -> Recipe:
    """Validate a recipe given as nested mappings. Raises `RecipeError`."""
    faults: list[str] = []
    body = {k: v for k, v in raw.items() if k != "stages"}
    recipe = validate(Recipe, body, (), faults)
    named = recipe.data.modality if recipe else None
    built = [_stage(entry, i, named, faults) for i, entry in enumerate(raw.get("stages", []))]
    ranks = [(ORDER.index(s.name), s.name) for s in built if s is not None and s.name in ORDER]
    if ranks != sorted(ranks):
        yours = ", ".join(name for _, name in ranks)
        faults.append(f"stages\0the order must be {', '.join(ORDER)}; yours is {yours}")
    if train_model is not None:
        validate(train_model, raw.get("train", {}), ("train",), faults)
    _check_signals(raw.get("signals", {}), faults)
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
    pipeline.recipe.RecipeError: settings: duplicates.treshold: unknown key, did you mean threshold?
    """
    faults: list[str] = []
    stage = _stage({"use": name, **settings}, None, modality_name, faults)
    if stage is None or faults:
        raise RecipeError("\n".join(locate("settings", "", f) for f in faults))
    return stage


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


def _stage(entry: Any, i: int | None, modality_name: str | None, faults: list[str]) -> Stage | None:
    at = f"stages[{i}]" if i is not None else str(entry.get("use"))
    known = ", ".join(stages())
    if not isinstance(entry, dict) or "use" not in entry:
        faults.append(f"{at}.use\0missing: name a stage ({known})")
        return None
    name = str(entry["use"]).replace("-", "_")
    if name not in stages():
        near = meant(name, list(stages()))
        faults.append(f"{at}.use\0{entry['use']!r} is no stage{near}; stages are {known}")
        return None
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
    stage = validate(stages()[name], settings, (at,), faults)
    return None if stage is None else stage.model_copy(update={"options": options})


def _check_signals(given: Mapping[str, Any], faults: list[str]) -> None:
    from pipeline.signals import signals

    for name, settings in given.items():
        if name not in signals():
            faults.append(f"signals.{name}\0unknown key{meant(name, list(signals()))}")
        else:
            validate(signals()[name], settings, ("signals", name), faults)


def _weights_twice(built: Sequence[Stage | None], train: Mapping[str, Any]) -> bool:
    methods = [getattr(s, "method", "") for s in built if s is not None and s.name == "rebalance"]
    return "weights" in methods and bool(train.get("class_weight"))


def _override(raw: dict[str, Any], override: str) -> None:
    key, eq, text = override.partition("=")
    if not eq:
        raise RecipeError(f"--set {override}: write KEY=VALUE")
    *path, last = key.strip().split(".")
    here: Any = raw
    if path and path[0].replace("-", "_") in stages():
        wanted = path.pop(0).replace("-", "_")
        here = next((s for s in raw.get("stages", []) if str(s.get("use")).replace("-", "_") == wanted), None)
        if here is None:
            raise RecipeError(f"--set {override}: the recipe has no stage {wanted}")
    for part in path:
        here = here.setdefault(part, {})
    here[last] = parse_value(text)


def parse_value(text: str) -> Any:
    """Return a setting's value from the command line: TOML where it is TOML, else the text itself.

    >>> parse_value("0.9"), parse_value("true"), parse_value("drop")
    (0.9, True, 'drop')
    """
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
