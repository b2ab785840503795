"""The settings of a training that generates, where the defaults of a classifier would not fit."""

from __future__ import annotations

from typing import Any

from finetune.generation.tiny import TINY
from finetune.settings import Training
from pipeline.stage import NotApplicable

DEFAULTS: dict[str, Any] = {"model": TINY, "max_tokens": 512, "epochs": 3, "batch_rows": 32}
TINY_DEFAULTS: dict[str, Any] = {"epochs": 10, "batch_rows": 16}


def for_generation(training: Training) -> Training:
    """Return the settings with the defaults of generation where nothing was set. Idempotent.

    The model is "tiny", `max_tokens` 512, the method "lora"; "full" for "tiny", which also takes 10 epochs of
    16 rows a batch. Raises `NotApplicable` for a method that only classifies.

    >>> for_generation(Training()).method, for_generation(Training(model="gpt2")).method
    ('full', 'lora')
    """
    given = training.model_fields_set
    wanted = {name: value for name, value in DEFAULTS.items() if _unset(training, name)}
    tiny = wanted.get("model", training.model) == TINY
    if tiny:
        wanted |= {name: value for name, value in TINY_DEFAULTS.items() if _unset(training, name)}
    if "method" not in given:
        wanted["method"] = "full" if tiny else "lora"
    out = training.model_copy(update=wanted)
    if out.method not in ("full", "lora"):
        raise NotApplicable(
            f"method {out.method} classifies, these rows are conversations to answer: use lora or full"
        )
    if tiny and out.method == "lora":
        raise NotApplicable("model tiny is trained from scratch, so there is no base for lora: use full")
    if out.model == "minilm":
        raise NotApplicable("model minilm is an encoder and cannot answer: name a causal or seq2seq model")
    return out


def _unset(training: Training, name: str) -> bool:
    return name not in training.model_fields_set or getattr(training, name) is None
