"""Train on a dataset, evaluate it, cross-fit it, compare it with raw: each kept in the store by its key."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finetune.compare import compare
from finetune.crossfit import cross_fit
from finetune.evaluate import Evaluation, evaluate
from finetune.generation import generates
from finetune.generation.compare import compare_losses
from finetune.generation.evaluate import evaluate_generator
from finetune.generation.generator import Generator
from finetune.replicates import Replicates, replicate_predictions
from finetune.settings import Training
from finetune.train import fit
from pipeline.code import code_parts
from pipeline.dataset import Dataset
from pipeline.files import read_parquet, write_parquet
from pipeline.given import Given
from pipeline.keys import Key
from pipeline.signals.engine import Engine
from pipeline.store import Store

MODEL, PREDICTIONS, PRED_PROBS = "model", "predictions.parquet", "pred_probs.parquet"


@dataclass(frozen=True, eq=False)
class Judged:
    """A training's evaluation on one split; `folder / "model"` is there when the model was kept."""

    folder: Path
    evaluation: Evaluation


def judge(
    data: Dataset,
    training: Training,
    engine: Engine,
    store: Store,
    seed: int,
    split: str = "validation",
    keep: bool = False,
    answers: bool = True,
) -> Judged:
    """Fit on the train rows and evaluate on `split`, once per key.

    `keep` keeps the model beside the evaluation. A model that generates is kept always, since one training
    serves every split; without `answers` only its losses are measured.
    """
    if generates(data):
        return _judge_generator(data, training, engine, store, seed, split, answers)

    def make(folder: Path) -> dict[str, Any]:
        model = fit(data, training, engine, seed, folder / MODEL)
        evaluation = evaluate(model, data, split, engine, seed=seed)
        if not keep:
            shutil.rmtree(folder / MODEL)
        write_parquet(folder / PREDICTIONS, evaluation.predictions)
        return evaluation.to_json()

    folder, facts = store.artifact(_key(f"judge {split}", data, training, engine, seed, keep=keep), make)
    return Judged(folder, Evaluation.from_json(facts, read_parquet(folder / PREDICTIONS)))


def learn_signals(
    data: Dataset, training: Training, engine: Engine, store: Store, seed: int
) -> Given | None:
    """Cross-fit the curated rows by the probe: what training gives back to the next round, once per key.

    None for conversations: no class probabilities come of them.
    """
    if generates(data):
        return None

    def make(folder: Path) -> dict[str, Any]:
        given = cross_fit(data, training, engine, seed)
        write_parquet(folder / PRED_PROBS, given.table)
        return {"origin": given.origin}

    folder, facts = store.artifact(_key("cross-fit", data, training, engine, seed), make)
    return Given("pred_probs", read_parquet(folder / PRED_PROBS), facts["origin"])


def compare_by_probe(
    raw: Dataset,
    curated: Dataset,
    training: Training,
    engine: Engine,
    store: Store,
    split: str,
    replicates: int,
    seed: int,
) -> dict[str, Any]:
    """Return the paired, replicated comparison of raw and curated on the same held-out rows, once per key.

    Conversations, which no probe can answer, are compared by the training itself, one pair for each of its
    `seeds`.
    """
    if generates(raw):
        seeds = range(training.seeds)
        one, two = (
            [judge(data, training, engine, store, seed + k, split, answers=False) for k in seeds]
            for data in (raw, curated)
        )
        return compare_judged(one, two, seed)

    def make(folder: Path) -> dict[str, Any]:
        one, two = (
            replicate_predictions(data, training, engine, split, replicates, seed) for data in (raw, curated)
        )
        return compare(one, two, seed=seed).to_json()

    more = {"replicates": replicates, "curated": curated.fingerprint}
    key = _key(f"compare {split}", raw, training, engine, seed, **more)
    return store.artifact(key, make)[1]


def compare_judged(raw: Sequence[Judged], curated: Sequence[Judged], seed: int) -> dict[str, Any]:
    """Return the paired comparison of fine-tuned models, one of each side for each seed."""
    if "nats" in raw[0].evaluation.predictions.column_names:
        one, two = ([j.evaluation for j in side] for side in (raw, curated))
        return compare_losses(one, two, seed=seed).to_json()
    return compare(_replicates(raw), _replicates(curated), seed=seed).to_json()


def _judge_generator(
    data: Dataset, training: Training, engine: Engine, store: Store, seed: int, split: str, answers: bool
) -> Judged:
    def train(folder: Path) -> dict[str, Any]:
        fit(data, training, engine, seed, folder / MODEL)
        return {}

    folder, _ = store.artifact(_key("train", data, training, engine, seed), train)

    def score(out: Path) -> dict[str, Any]:
        model = Generator.of(folder / MODEL)
        evaluation = evaluate_generator(model, data, split, engine, seed=seed, generate=answers)
        write_parquet(out / PREDICTIONS, evaluation.predictions)
        return evaluation.to_json()

    key = _key(f"judge {split}", data, training, engine, seed, answers=answers)
    scored, facts = store.artifact(key, score)
    return Judged(folder, Evaluation.from_json(facts, read_parquet(scored / PREDICTIONS)))


def _replicates(judged: Sequence[Judged]) -> Replicates:
    tables = [j.evaluation.predictions for j in judged]
    first = tables[0]
    classes = tuple(sorted({c for t in tables for c in t["predicted"].to_pylist()}))
    place = {name: k for k, name in enumerate(classes)}
    return Replicates(
        row_ids=tuple(first["row_id"].to_pylist()),
        labels=tuple(first["label"].to_pylist()),
        clusters=tuple(map(str, first["cluster"].to_pylist())),
        classes=classes,
        predicted=np.array([[place[c] for c in t["predicted"].to_pylist()] for t in tables], dtype=np.int64),
        method=judged[0].evaluation.method,
    )


def _key(what: str, data: Dataset, training: Training, engine: Engine, seed: int, **more: Any) -> Key:
    shared = ("finetune", "pipeline.signals", "pipeline.slices", "pipeline.crossfit", "pipeline.linear")
    return Key(what, {
        "data": data.fingerprint, "training": training.model_dump(mode="json"), "signals": engine.settings,
        "brought": [g.digest for g in engine.given if g.name == "embeddings"], "seed": seed,
        "code": code_parts(*shared, f"pipeline.modalities.{data.modality}"), **more,
    })  # fmt: skip
