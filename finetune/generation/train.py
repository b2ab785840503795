"""fit_generator: conversations in, a model that answers out, in a `save_pretrained` folder."""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.best import best_epoch, steps_told
from finetune.disk import disk_errors
from finetune.generation.generator import ABOUT, Generator
from finetune.generation.loss import Collate, answer_trainer, items
from finetune.generation.models import base_model, base_tokenizer, is_seq2seq, save_model
from finetune.generation.settings import for_generation
from finetune.generation.tokens import Tokens, ends, tokenize
from finetune.generation.turns import conversations
from finetune.history import save_history
from finetune.quiet import training_room
from finetune.settings import Training
from finetune.tune import wants_bf16
from pipeline.dataset import Dataset
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, TrainerState

MOST_NAMED = 3  # rows without loss that are named one by one
VALIDATE_ROWS = 32


def fit_generator(data: Dataset, training: Training, engine: Engine, seed: int, folder: Path) -> Generator:
    """Train on the answers of the train rows, with the rows' weights, and save to `folder`.

    Rows whose answers give no loss are named and left out before training begins. Validation rows, if there
    are any, choose the epoch; test rows are never looked at. Same seed, machine and number of threads: the
    same weights, to the bit. Raises `NotApplicable` when nothing can be learnt.
    """
    training = for_generation(training)
    weights = data.weights
    if (weights < 0).any() or not np.isfinite(weights).all():
        bad = data.ids[int(np.argmin((weights >= 0) & np.isfinite(weights)))]
        raise NotApplicable(f"row {bad!r} has a weight that is below 0 or not finite")
    train = data.where(data.is_train & (weights > 0))
    held = data.roots.where(data.roots.splits == "validation")
    folder.mkdir(parents=True, exist_ok=True)
    with training_room(seed), tempfile.TemporaryDirectory(dir=folder, prefix=".training-") as scratch:
        tokenizer, template = base_tokenizer(str(training.model))
        seq2seq = is_seq2seq(str(training.model))
        rows = _rows(train, tokenizer, training, seq2seq)
        lost = {i: row.because for i, row in zip(train.ids, rows, strict=True) if row.because}
        for line in (*_about_template(template), *lost_lines(lost, len(rows))):
            engine.log(line)
        if len(lost) == len(rows):
            why = f": {next(iter(lost.values()))}" if lost else ""
            raise NotApplicable(f"no train row has an answer to learn{why}")
        parts = [_items(rows, train.weights, training)]
        if learnt := _items(_rows(held, tokenizer, training, seq2seq), held.weights * 0 + 1, training):
            parts.append(learnt)
        model = base_model(training, tokenizer, seq2seq)
        state, best_loss = _train(model, tokenizer, parts, training, seed, scratch)
        stops = stop_tokens(tokenizer, rows)
        with disk_errors(folder):
            _generation_defaults(model, stops, tokenizer.pad_token_id)
            save_model(model, training, folder)
            tokenizer.save_pretrained(folder)
            history = save_history(state, best_loss, folder)
    name = str(training.model)
    name = Path(name).name if Path(name).is_dir() else name
    about = {
        "task": "generation", "fingerprint": data.fingerprint, "method": training.method, "model": name,
        "seed": seed, "training": {**training.model_dump(mode="json"), "model": name}, "seq2seq": seq2seq,
        "template": template, "stops": stops,
        "rows": {"train": train.n_rows - len(lost), "made": sum(bool(p) for p in train.parents),
                 "weight": round(float(train.weights.sum()), 6), "without_loss": lost,
                 "loss_tokens": sum(row.n_loss for row in rows)},
        "history": history, "versions": _versions(training),
    }  # fmt: skip
    (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return Generator(folder, about)


def lost_lines(lost: dict[str, str], n_rows: int) -> list[str]:
    """Say which rows give no loss, and why; a few by name."""
    if not lost:
        return []
    named = [f"row {row_id!r} gives no loss: {why}" for row_id, why in list(lost.items())[:MOST_NAMED]]
    return [f"{len(lost):,} of {n_rows:,} train rows give no loss and are left out", *named]


def stop_tokens(tokenizer: PreTrainedTokenizerBase, rows: list[Tokens]) -> list[int]:
    """Return the tokens that end an answer: the tokenizer's own, and what the template ends answers with."""
    last = {row.target_ids[-1] if row.target_ids else row.ids[int(np.flatnonzero(row.learnt)[-1])]
            for row in rows if row.n_loss and row.end != "cut off"}  # fmt: skip
    found = {token for token in last if ends(tokenizer, token)}
    return sorted(found | ({tokenizer.eos_token_id} if tokenizer.eos_token_id is not None else set()))


def _rows(
    data: Dataset, tokenizer: PreTrainedTokenizerBase, training: Training, seq2seq: bool
) -> list[Tokens]:
    return tokenize(tokenizer, conversations(data), training.max_tokens, training.loss_turns, seq2seq)


def _items(rows: list[Tokens], weights: np.ndarray, training: Training) -> list[dict[str, Any]]:
    kept = [i for i, row in enumerate(rows) if row.n_loss]
    return items([rows[i] for i in kept], weights[kept], training.loss_per)


def _train(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    parts: list[list[dict[str, Any]]],
    training: Training,
    seed: int,
    scratch: str,
) -> tuple[TrainerState, float]:
    import torch
    from transformers import PrinterCallback, TrainingArguments

    accelerated = torch.accelerator.is_available()
    given: dict[str, Any] = {
        "per_device_train_batch_size": training.batch_rows, "per_device_eval_batch_size": VALIDATE_ROWS,
        "num_train_epochs": training.epochs, "gradient_accumulation_steps": training.gradient_accumulation,
        "learning_rate": training.rate, "weight_decay": training.weight_decay,
        "warmup_steps": training.warmup_fraction, "bf16": wants_bf16(training), "use_cpu": not accelerated,
        "seed": seed, "data_seed": seed, "report_to": [], "remove_unused_columns": False,
        "disable_tqdm": True, "label_names": ["labels"], "save_strategy": "no", "logging_strategy": "epoch",
        "eval_strategy": "epoch" if len(parts) > 1 else "no",
        "train_sampling_strategy": "group_by_length", "dataloader_pin_memory": accelerated,
    }  # fmt: skip
    start = model.config.decoder_start_token_id if model.config.is_encoder_decoder else None
    best = best_epoch(training.early_stopping)
    trainer = answer_trainer()(
        model=model, args=TrainingArguments(output_dir=scratch, **{**given, **training.args}),
        train_dataset=parts[0], eval_dataset=parts[1] if len(parts) > 1 else None,
        data_collator=Collate(int(tokenizer.pad_token_id or 0), start), processing_class=tokenizer,
        callbacks=[best, steps_told()],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    best.restore(model)  # type: ignore[attr-defined]
    model.to("cpu")
    return trainer.state, best.loss  # type: ignore[attr-defined]


def _generation_defaults(model: Any, stops: list[int], pad: int | None) -> None:
    """Let whoever loads the folder stop where we stop."""
    model.generation_config.eos_token_id = stops or None
    model.generation_config.pad_token_id = pad


def _about_template(template: str) -> list[str]:
    return [template] if "plain" in template else []


def _versions(training: Training) -> dict[str, str]:
    names = ["numpy", "torch", "transformers", "tokenizers"] + ["peft"] * (training.method == "lora")
    return {name: version(name) for name in names}
