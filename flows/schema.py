"""The recipe's JSON schema, with every stage's settings and every modality's own."""

from __future__ import annotations

from typing import Any

from finetune.settings import Training
from pipeline.modalities import modality, modality_names
from pipeline.recipe import Recipe
from pipeline.signals import signals
from pipeline.stage import stages


def recipe_schema() -> dict[str, Any]:
    """Return a JSON schema (2020-12) that describes what `load_recipe` accepts."""
    schema = Recipe.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    choices = []
    for name, stage in stages().items():
        one = stage.model_json_schema()
        definitions.update(one.pop("$defs", {}))
        one["properties"].pop("options")
        one["properties"] = {"use": {"const": name}, **one["properties"]}
        for kind in modality_names():
            if options := modality(kind).stage_options.get(name):
                one["properties"][kind] = options.model_json_schema()
        choices.append({**one, "required": ["use"], "additionalProperties": False})
    schema["properties"]["stages"] = {"type": "array", "items": {"oneOf": choices}}
    tables = {name: signal.model_json_schema() for name, signal in signals().items()}
    schema["properties"]["signals"] = {"type": "object", "properties": tables, "additionalProperties": False}
    training = Training.model_json_schema()
    definitions.update(training.pop("$defs", {}))
    schema["properties"]["train"] = training
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
