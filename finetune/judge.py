"""Train on a dataset, evaluate it, cross-fit it, compare it with raw: each kept in the store under its key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.crossfit import cross_fit
from finetune.evaluate import Evaluation, compare, evaluate, replicate_predictions
from finetune.settings import Training
from finetune.train import fit
from pipeline.code import code_digest
from pipeline.dataset import Dataset
from pipeline.signals.engine import Engine, Given
from pipeline.store import Store, read_parquet, write_parquet


@dataclass(frozen=True, eq=False)
class Judged:
    """A trained model's folder, its evaluation, and the out-of-fold probabilities of its train rows."""

    folder: Path
    evaluation: Evaluation
    pred_probs: Given


def judge(
    data: Dataset, training: Training, engine: Engine, store: Store, seed: int, split: str = "validation"
) -> Judged:
    """Fit on the train rows, evaluate on `split`, cross-fit the train rows by the probe. Computed once per key."""

    def make(folder: Path) -> dict[str, Any]:
        model = fit(data, training, engine, seed, folder / "model")
        evaluation = evaluate(model, data, split, engine, seed=seed)
        given = cross_fit(data, training, engine, seed)
        write_parquet(folder / "pred_probs.parquet", given.table)
        return {"evaluation": evaluation.to_json(), "origin": given.origin}

    folder, facts = store.artifact(_key("judge", data, training, engine, seed, split), make)
    given = Given("pred_probs", read_parquet(folder / "pred_probs.parquet"), facts["origin"])
    return Judged(folder / "model", Evaluation.from_json(facts["evaluation"]), given)


def compare_on(
    raw: Dataset,
    curated: Dataset,
    training: Training,
    engine: Engine,
    store: Store,
    split: str,
    replicates: int,
    seed: int,
) -> dict[str, Any]:
    """Return the paired comparison of raw and curated on the same held-out rows with the same settings."""

    def make(folder: Path) -> dict[str, Any]:
        sides = [
            replicate_predictions(data, training, engine, split, replicates, seed) for data in (raw, curated)
        ]
        return compare(*sides, seed=seed).to_json()

    key = _key("compare", raw, training, engine, seed, f"{split}/{replicates}/{curated.fingerprint}")
    return store.artifact(key, make)[1]


def _key(what: str, data: Dataset, training: Training, engine: Engine, seed: int, detail: str) -> str:
    parts = [what, data.fingerprint, training.model_dump_json(), engine.settings, seed, detail,
             code_digest("finetune", "pipeline.signals", f"pipeline.modalities.{data.modality}")]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
