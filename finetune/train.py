"""fit, load, predict: a dataset in, a `save_pretrained` folder that knows what it was made from out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from finetune import labels, probe
from finetune.disk import disk_errors
from finetune.generation import generates
from finetune.generation.generator import ABOUT, Generator
from finetune.generation.train import fit_generator
from finetune.loss import targets
from finetune.quiet import training_room
from finetune.settings import Training
from finetune.texts import load_tokenizer, texts_of
from finetune.tune import predict_texts, tune, wants_bf16
from pipeline.dataset import Dataset
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable

PACKAGES = ("numpy", "scipy", "torch", "transformers")  # whose versions a trained model depends on


class Model(Protocol):
    """A trained classifier, wherever it came from."""

    @property
    def classes(self) -> tuple[Any, ...]:
        """Label cells, in the order of the probabilities' columns."""
        ...

    @property
    def method(self) -> str:
        """How it was trained: probe, partial or full."""
        ...

    def predict(self, data: Dataset, engine: Engine) -> np.ndarray:
        """Return class probabilities (n, K) float64, rows summing to 1."""
        ...

    def describe(self) -> str:
        """Return one line: method, model, rows, settings."""
        ...


@dataclass(frozen=True, eq=False)
class Saved:
    """A model in a folder. `about` is the content of its `assay_dataset.json`."""

    folder: Path
    about: dict[str, Any]

    @property
    def classes(self) -> tuple[Any, ...]:
        """Label cells, in the order of the probabilities' columns."""
        return tuple(self.about["classes"])

    @property
    def method(self) -> str:
        """How it was trained: probe, partial or full."""
        return str(self.about["method"])

    def describe(self) -> str:
        """Return one line: method, model, rows, settings."""
        used = Training(**self.about["training"]).used()
        rows = f"{self.about['rows']['train']:,} rows ({self.about['rows']['made']:,} made by stages)"
        told = {k: v for k, v in used.items() if k not in ("method", "model") and v not in (None, {})}
        settings = ", ".join(f"{k}={v}" for k, v in told.items())
        return f"{self.method} of {self.about['model']} on {rows}, seed {self.about['seed']}, {settings}"

    def predict(self, data: Dataset, engine: Engine) -> np.ndarray:
        """Return class probabilities (n, K) float64, rows summing to 1."""
        if self.method == "probe":
            return self._probe.predict(data, engine)
        training = Training(**self.about["training"])
        network, tokenizer = self._network
        return predict_texts(network, tokenizer, texts_of(data), training.max_tokens, wants_bf16(training))

    @cached_property
    def _probe(self) -> probe.Probe:
        return probe.load(self.folder)

    @cached_property
    def _network(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForSequenceClassification

        with training_room(0):
            network = AutoModelForSequenceClassification.from_pretrained(
                self.folder, dtype=torch.float32, use_safetensors=True
            )
        return network.to(torch.accelerator.current_accelerator() or "cpu"), load_tokenizer(str(self.folder))


def fit(
    data: Dataset, training: Training, engine: Engine, seed: int, folder: Path
) -> Saved | Generator:
    """Train on the labelled train rows, or on answers, with the rows' weights, and save to `folder`.

    Validation rows, if there are any, choose the epoch (partial, full); test rows are never looked at. The
    folder is a `save_pretrained` folder (the encoder's, for the probe) plus `assay_dataset.json`.
    Raises `NotApplicable` when labels are no single classes, or fewer than 2. Same seed, machine and number
    of threads: the same weights, to the bit.
    """
    if generates(data):
        return fit_generator(data, training, engine, seed, folder)
    train, classes = train_rows(data)
    t = train_targets(train, classes, training)
    folder.mkdir(parents=True, exist_ok=True)
    history: list[dict[str, float]] = []
    if training.method == "probe":
        fitted = probe.fit(train, data, t, training, engine)
        with disk_errors(folder):
            model = fitted.save(folder, engine)
    else:
        held = data.roots.where((data.roots.splits == "validation") & labels.present(data.roots))
        held = held.where(labels.codes(held.labels, classes) >= 0)
        known = targets(labels.codes(held.labels, classes), len(classes), np.ones(held.n_rows))
        validation = (texts_of(held), known) if held.n_rows else None
        names = labels.class_names(classes)
        with disk_errors(folder):
            history = tune((texts_of(train), t), validation, names, training, seed, folder)
        model = training.model if not Path(training.model).is_dir() else Path(training.model).name
    about = {
        "fingerprint": data.fingerprint, "method": training.method, "model": model, "seed": seed,
        "training": training.model_dump(mode="json"), "classes": json.loads(labels.label_key(list(classes))),
        "rows": {"train": train.n_rows, "made": sum(bool(p) for p in train.parents),
                 "weight": round(float(train.weights.sum()), 6)},
        "history": history, "versions": {name: version(name) for name in PACKAGES},
    }  # fmt: skip
    (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return Saved(folder, about)


def load(folder: Path | str) -> Saved | Generator:
    """Return a model that `fit` saved. Raises `ValueError` when the folder holds none."""
    folder = Path(folder)
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
    except OSError:
        raise ValueError(f"{folder}: no {ABOUT}, so this is no model that Assay trained") from None
    return Generator(folder, about) if about.get("task") == "generation" else Saved(folder, about)


def train_rows(data: Dataset) -> tuple[Dataset, tuple[Any, ...]]:
    """Return the rows to learn from (train, labelled, weight > 0), and the classes.

    Raises `NotApplicable`.
    """
    weights = data.weights
    if (weights < 0).any() or not np.isfinite(weights).all():
        bad = data.ids[int(np.argmin((weights >= 0) & np.isfinite(weights)))]
        raise NotApplicable(f"row {bad!r} has a weight that is below 0 or not finite")
    train = data.where(data.is_train & labels.present(data) & (weights > 0))
    if not train.n_rows:
        raise NotApplicable("there is no labelled train row to learn from")
    return train, labels.classes_of(train)


def train_targets(
    train: Dataset, classes: tuple[Any, ...], training: Training, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the rows' targets (n, K): their weights, smoothed and balanced as the settings say."""
    weights = train.weights if weights is None else weights
    codes, balanced = labels.codes(train.labels, classes), training.class_weight == "balanced"
    return targets(codes, len(classes), weights, training.label_smoothing, balanced)
