"""The settings of a training that generates, where the defaults of a classifier would not fit."""

from __future__ import annotations

import math
from typing import Any

from finetune.generation.tiny import TINY
from finetune.settings import Training
from pipeline.dataset import Dataset
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


def with_steps(training: Training, data: Dataset) -> Training:
    """Return the settings with as many optimizer steps as the epochs take on the train rows of `data`.

    In a run `data` is the raw data: raw and curated then learn for as many steps. By epochs alone the side
    with fewer rows would learn less, and a model that has not yet learnt enough would prefer any more rows,
    wrong ones included. A `max_steps` that is given stays.
    """
    training = for_generation(training)
    if "max_steps" in training.args:
        return training
    n = int((data.is_train & (data.weights > 0)).sum())
    steps = math.ceil(math.ceil(n / training.batch_rows) / training.gradient_accumulation)  # type: ignore[operator]
    wanted = max(1, steps * (training.epochs or 1))
    return training.model_copy(update={"args": {**training.args, "max_steps": wanted}})
