"""fit, load, predict: a dataset in, a `save_pretrained` folder that knows what it was made from out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from finetune import boosting, labels, probe
from finetune.disk import disk_errors
from finetune.generation import generates
from finetune.generation.generator import ABOUT, Generator
from finetune.generation.train import fit_generator
from finetune.inputs import Reader, inputs, resolved
from finetune.loss import set_targets, soft_targets
from finetune.quiet import training_room
from finetune.refused import Refused
from finetune.settings import Training
from finetune.tune import Part, predict, tune, wants_bf16
from pipeline.dataset import Dataset
from pipeline.labels import labels_of
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

    @property
    def modality(self) -> str:
        """What its rows are."""
        return str(self.about.get("modality", "text"))

    def describe(self) -> str:
        """Return one line: method, model, rows, settings."""
        foreign = () if self.method in ("probe", "boosting") else inputs(self.modality).foreign
        used = Training(**self.about["training"]).used(foreign)
        rows = f"{self.about['rows']['train']:,} rows ({self.about['rows']['made']:,} made by stages)"
        told = {k: v for k, v in used.items() if k not in ("method", "model") and v not in (None, {})}
        settings = ", ".join(f"{k}={v}" for k, v in told.items())
        return f"{self.method} of {self.about['model']} on {rows}, seed {self.about['seed']}, {settings}"

    def predict(self, data: Dataset, engine: Engine) -> np.ndarray:
        """Return class probabilities (n, K) float64, rows summing to 1."""
        if data.modality != self.modality:
            raise Refused(f"{self.folder}: a model of {self.modality} rows, the data is {data.modality}")
        if self.method == "probe":
            return self._probe.predict(data, engine)
        if self.method == "boosting":
            return self._boosted.predict(data)
        network, reader = self._network
        return predict(network, reader, data, wants_bf16(Training(**self.about["training"])))

    @cached_property
    def _probe(self) -> probe.Probe:
        return probe.load(self.folder)

    @cached_property
    def _boosted(self) -> boosting.Boosted:
        return boosting.load(self.folder, len(self.classes))

    @cached_property
    def _network(self) -> tuple[Any, Reader]:
        import torch

        training = Training(**self.about["training"])
        with training_room(0):
            network, reader = inputs(self.modality).load_model(self.folder, training)
        return network.to(torch.accelerator.current_accelerator() or "cpu"), reader


def fit(
    data: Dataset, training: Training, engine: Engine, seed: int, folder: Path
) -> Saved | Generator:
    """Train on the labelled train rows, or on answers, with the rows' weights, and save to `folder`.

    Validation rows, if there are any, choose the epoch (partial, full); test rows are never looked at. The
    folder is a `save_pretrained` folder (the encoder's, for the probe) plus `assay_dataset.json`.
    Raises `NotApplicable` when labels are no classes, or fewer than 2. Same seed, machine and number
    of threads: the same weights, to the bit.
    """
    if generates(data):
        return fit_generator(data, training, engine, seed, folder)
    train, classes = train_rows(data)
    training = resolved(training, data.modality, train.n_rows)
    t = train_targets(train, classes, training)
    folder.mkdir(parents=True, exist_ok=True)
    history: list[dict[str, float]] = []
    if training.method == "probe":
        fitted = probe.fit(train, data, t, training, engine)
        with disk_errors(folder):
            model = fitted.save(folder, engine)
    else:
        held = data.roots.where((data.roots.splits == "validation") & labels.to_judge(data.roots))
        held = held.where(spoken_of(held, classes))
        plain = training.model_copy(update={"label_smoothing": 0.0, "class_weight": None})
        known = train_targets(held, classes, plain, np.ones(held.n_rows))
        model, history = _trained(Part(train, t), Part(held, known), classes, training, seed, folder)
    about = {
        "fingerprint": data.fingerprint, "modality": data.modality, "method": training.method,
        "model": model, "seed": seed,
        "training": training.model_dump(mode="json"), "classes": json.loads(labels.label_key(list(classes))),
        "rows": {"train": train.n_rows, "made": sum(bool(p) for p in train.parents),
                 "weight": round(float(train.weights.sum()), 6)},
        "history": history, "versions": {name: version(name) for name in PACKAGES},
    }  # fmt: skip
    (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return Saved(folder, about)


def _trained(
    train: Part, held: Part, classes: tuple[Any, ...], training: Training, seed: int, folder: Path
) -> tuple[str, list[dict[str, float]]]:
    """Train a network or trees into the folder; returns the model's name and what happened by epoch."""
    with disk_errors(folder):
        if training.method == "boosting":
            if labels.independent(train.rows):
                raise NotApplicable("boosting tells one class a row, labels are lists of classes: use probe")
            boosting.fit(train.rows, train.targets, held.rows, held.targets, training, seed).save(folder)
            return "trees", []
        names = labels.class_names(classes)
        history = tune(train, held if held.rows.n_rows else None, names, training, seed, folder)
    name = str(training.model)
    return Path(name).name if Path(name).is_dir() else name, history


def load(folder: Path | str) -> Saved | Generator:
    """Return a model that `fit` saved. Raises `ValueError` when the folder holds none."""
    folder = Path(folder)
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
    except OSError:
        raise Refused(f"{folder}: no {ABOUT}, so this is no model that Assay trained") from None
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
    """Return the rows' targets, (n, K) or for sets (n, 2 K): their weights, smoothed and balanced as the
    settings say.
    """
    weights = train.weights if weights is None else weights
    made = set_targets if labels.independent(train) else soft_targets
    shares = labels_of(train, classes).targets
    return made(shares, weights, training.label_smoothing, training.class_weight == "balanced")


def spoken_of(data: Dataset, classes: tuple[Any, ...]) -> np.ndarray:
    """Return which rows a model of these classes can be right about, (n,) bool."""
    found = labels_of(data, classes)
    return found.known if found.shape == "set" else found.codes >= 0
