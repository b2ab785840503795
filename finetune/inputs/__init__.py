"""Inputs: what training must know of a modality. One file each; the training itself asks for none of it.

`open_model` gives a network with a new head, `load_model` a trained one, each with its `Reader`: how rows
become tensors, which parts stay frozen, and what is saved beside the weights.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from finetune.settings import Training
from pipeline.dataset import Dataset
from pipeline.stage import NotApplicable

if TYPE_CHECKING:
    import torch

Item = dict[str, Any]  # one row, as light as it can be; what is heavy is read by `collate`
Collate = Callable[[list[Item]], "dict[str, torch.Tensor]"]


class Shortcut(NamedTuple):
    """Activations of the frozen layers, computed once: `collate` reads them by an item's place, `row`.

    without : inside it the network takes what `collate` gives.
    """

    collate: Collate
    without: Callable[[], AbstractContextManager[None]]


class Reader(Protocol):
    """Rows as one network takes them.

    processor : what `transformers` calls the processing class. sampling : the Trainer's order of rows.
    predict_rows : rows of one forward pass when predicting.
    """

    processor: Any
    sampling: str
    predict_rows: int

    def rows(self, data: Dataset) -> list[Item]:
        """Return one item a row. Raises `ValueError` naming what cannot be read."""
        ...

    def batches(self, rows: Sequence[Item], batch_rows: int) -> list[np.ndarray]:
        """Return positions of rows, batch by batch, in the order in which they are best predicted."""
        ...

    def collate(self, items: list[Item]) -> dict[str, torch.Tensor]:
        """Return the network's arguments for some rows. Items with `varied` may be varied for training."""
        ...

    def freeze(self, model: Any, training: Training) -> int:
        """Freeze what the settings do not train, and keep it as it is; returns how many layers are frozen."""
        ...

    def shortcut(
        self, model: Any, rows: Sequence[Item], frozen: int, file: Path, bf16: bool
    ) -> Shortcut | None:
        """Run the frozen layers over all rows into `file`, None where that cannot be done or is too much."""
        ...

    def save(self, folder: Path) -> None:
        """Write what turns rows into tensors beside the weights."""
        ...


class Inputs(Protocol):
    """One modality: what is trained by default and how, and how networks and rows are opened."""

    default_model: str
    rates: dict[str, float]  # method -> peak learning rate
    methods: tuple[str, ...]
    foreign: frozenset[str]  # settings that other modalities read

    def sizes(self, n_rows: int) -> tuple[int, int]:
        """Return epochs and rows of a batch where none are set, for so many train rows."""
        ...

    def open_model(self, training: Training, names: Sequence[str], train: Dataset) -> tuple[Any, Reader]:
        """Return the network to train, with a head for these classes, and what reads its rows."""
        ...

    def load_model(self, folder: Path, training: Training) -> tuple[Any, Reader]:
        """Return a network that was saved, and what reads its rows."""
        ...


def inputs(modality: str) -> Inputs:
    """Return how a modality is trained. Raises `NotApplicable` for one without a network here.

    >>> inputs("text").default_model, inputs("image").default_model
    ('minilm', 'efficientnet-lite0')
    """
    if modality not in trainable():
        raise NotApplicable(
            f"methods partial and full train {', '.join(trainable())}, this dataset is {modality}; "
            "the probe reads any"
        )
    known: Inputs = importlib.import_module(f"{__name__}.{modality}").INPUTS
    return known


@cache
def trainable() -> tuple[str, ...]:
    """Names of the modalities that have networks: the files beside this one."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(__path__)))


def resolved(training: Training, modality: str, n_rows: int = 0) -> Training:
    """Return the settings with the modality's own model, epochs, batch and rate where none is set.

    n_rows : train rows, which the sizes for tables depend on.

    Raises `NotApplicable` for a method that the modality does not have.

    >>> resolved(Training(method="full"), "text").rate
    5e-05
    """
    if training.method in ("probe", "boosting"):
        return training
    known = inputs(modality)
    if training.method not in known.methods:
        raise NotApplicable(
            f"method {training.method!r} is not for {modality} rows; use probe, {', '.join(known.methods)}"
        )
    epochs, batch_rows = known.sizes(n_rows)
    own: dict[str, Any] = {
        "model": known.default_model, "epochs": epochs, "batch_rows": batch_rows,
        "learning_rate": known.rates[training.method],
    }  # fmt: skip
    return training.model_copy(update={k: v for k, v in own.items() if getattr(training, k) is None})
