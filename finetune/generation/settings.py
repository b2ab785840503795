"""The settings of a training that generates, where the defaults of a classifier would not fit."""

from __future__ import annotations

from typing import Any

from finetune.generation.tiny import TINY
from finetune.settings import Training
from pipeline.stage import NotApplicable

DEFAULTS: dict[str, Any] = {"model": TINY, "epochs": 3, "batch_rows": 8, "max_tokens": 512, "method": "lora"}
TINY_DEFAULTS: dict[str, Any] = {"epochs": 10, "batch_rows": 16, "method": "full"}


def for_generation(training: Training) -> Training:
    """Return the settings with the defaults of generation where nothing was set. Idempotent.

    By default the model is "tiny", trained whole for 10 epochs of 16 rows a batch; any other model is trained
    by "lora" for 3 epochs of 8 rows a batch; rows are cut at 512 tokens.
    Raises `NotApplicable` for a method that only classifies.

    >>> for_generation(Training()).method, for_generation(Training(model="gpt2")).method
    ('full', 'lora')
    """
    given = {name for name in training.model_fields_set if getattr(training, name) is not None}
    tiny = "model" not in given or training.model == TINY
    defaults = {**DEFAULTS, **TINY_DEFAULTS} if tiny else DEFAULTS
    out = training.model_copy(update={name: v for name, v in defaults.items() if name not in given})
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
