"""Methods partial and full: a network trained by `transformers.Trainer` with our loss, whatever its rows."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from finetune.best import best_epoch, steps_told
from finetune.history import save_history
from finetune.inputs import Collate, Item, Reader, Shortcut, inputs
from finetune.loss import weighted_trainer
from finetune.quiet import has_bf16, training_room
from finetune.settings import Training
from pipeline.dataset import Dataset
from pipeline.progress import counted
from pipeline.stage import NotApplicable

if TYPE_CHECKING:
    import torch
    from transformers import TrainerState

SEVERAL = "multi_label_classification"  # as transformers calls rows of several classes


class Part(NamedTuple):
    """Rows and what they should be told as: targets (n, K), see `finetune.loss.targets`."""

    rows: Dataset
    targets: np.ndarray


def tune(
    train: Part, validation: Part | None, names: Sequence[str], training: Training, seed: int, folder: Path
) -> list[dict[str, float]]:
    """Train, save the model and what reads its rows to `folder`, return what happened by epoch.

    With validation rows the weights of the epoch with the lowest validation loss are kept, and
    `early_stopping` epochs without a better one end the training. `names` are the classes' names, in the
    targets' order. `training` is `finetune.inputs.resolved`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with training_room(seed), tempfile.TemporaryDirectory(dir=folder, prefix=".training-") as scratch:
        model, reader = inputs(train.rows.modality).open_model(training, names, train.rows)
        if train.targets.shape[1] == 2 * len(names):  # see `finetune.loss.set_targets`
            if getattr(model, "one_class", False):
                what = f"{type(model).__name__} tells one class a row"
                raise NotApplicable(f"{what}, labels are lists of classes: use probe")
            model.config.problem_type = SEVERAL
        parts = [part for part in (train, validation) if part]
        rows = [reader.rows(part.rows) for part in parts]
        frozen = reader.freeze(model, training)
        bf16 = wants_bf16(training)
        with ExitStack() as stack:
            collate: Collate = reader.collate
            if frozen and training.augmentation == "none":
                every = [row for part in rows for row in part]
                shortcut = reader.shortcut(model, every, frozen, Path(scratch) / "states", bf16)
                if shortcut is not None and same_logits(model, collate, shortcut, every[:8], bf16):
                    stack.enter_context(shortcut.without())
                    collate = shortcut.collate
            targets = [part.targets for part in parts]
            state, best_loss = _train(model, reader, collate, rows, targets, training, seed, scratch, bf16)
        model.save_pretrained(folder)
        reader.save(folder)
        return save_history(state, best_loss, folder)


def wants_bf16(training: Training) -> bool:
    """Return whether products are done in bf16 (weights and sums stay fp32)."""
    return training.precision == "bf16" or (training.precision == "auto" and has_bf16())


def same_logits(
    model: Any, collate: Collate, shortcut: Shortcut, rows: Sequence[Item], bf16: bool
) -> bool:
    """Return whether the model says the same from cached activations as from the rows, the first of all."""
    import torch

    model.eval()
    device = model.device
    items = [{**row, "row": i} for i, row in enumerate(rows)]
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        whole = model(**_on(collate(items), device)).logits.float()
        with shortcut.without():
            cached = model(**_on(shortcut.collate(items), device)).logits.float()
    return bool(torch.allclose(whole, cached, atol=0.05 if bf16 else 1e-4))


def predict(model: Any, reader: Reader, data: Dataset, bf16: bool) -> np.ndarray:
    """Return probabilities (n, K) float64."""
    import torch

    rows = reader.rows(data)
    out = np.zeros((len(rows), model.config.num_labels))
    model.eval()
    with training_room(0), torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
        batches = reader.batches(rows, reader.predict_rows)
        for positions in counted("predicting", batches, len(batches)):
            given = _on(reader.collate([rows[i] for i in positions]), model.device)
            logits = model(**given).logits.double()
            sets = getattr(model.config, "problem_type", None) == SEVERAL
            out[positions] = (torch.sigmoid(logits) if sets else torch.softmax(logits, dim=-1)).cpu().numpy()
    return out


def with_targets(collate: Collate) -> Collate:
    """Return a collator that adds the items' `labels`, targets (b, K)."""
    import torch

    def whole(items: list[Item]) -> dict[str, torch.Tensor]:
        labels = torch.tensor(np.stack([item["labels"] for item in items]), dtype=torch.float32)
        return {**collate(items), "labels": labels}

    return whole


def _on(batch: dict[str, torch.Tensor], device: Any) -> dict[str, torch.Tensor]:
    return {name: values.to(device) for name, values in batch.items()}


def _items(rows: list[list[Item]], targets: list[np.ndarray], varied: bool) -> list[list[Item]]:
    """Return each part's rows with their targets and their place among all; those of train may vary."""
    out, n = [], 0
    for k, (part, of_part) in enumerate(zip(rows, targets, strict=True)):
        more = {"varied": True} if varied and k == 0 else {}
        out.append([{**row, **more, "row": n + i, "labels": of_part[i]} for i, row in enumerate(part)])
        n += len(part)
    return out


def _train(
    model: Any,
    reader: Reader,
    collate: Collate,
    rows: list[list[Item]],
    targets: list[np.ndarray],
    training: Training,
    seed: int,
    scratch: str,
    bf16: bool,
) -> tuple[TrainerState, float]:
    import torch
    from transformers import PrinterCallback, TrainingArguments

    items = _items(rows, targets, training.augmentation != "none")
    accelerated = torch.accelerator.is_available()
    given: dict[str, Any] = {
        "per_device_train_batch_size": training.batch_rows, "per_device_eval_batch_size": reader.predict_rows,
        "num_train_epochs": training.epochs, "gradient_accumulation_steps": training.gradient_accumulation,
        "learning_rate": training.rate, "weight_decay": training.weight_decay,
        "warmup_steps": training.warmup_fraction, "bf16": bf16, "use_cpu": not accelerated,
        "seed": seed, "data_seed": seed, "report_to": [], "remove_unused_columns": False,
        "disable_tqdm": True, "label_names": ["labels"], "save_strategy": "no", "logging_strategy": "epoch",
        "eval_strategy": "epoch" if len(items) > 1 else "no",
        "train_sampling_strategy": reader.sampling, "dataloader_pin_memory": accelerated,
    }  # fmt: skip
    arguments = TrainingArguments(output_dir=scratch, **{**given, **training.args})
    best = best_epoch(training.early_stopping)
    trainer = weighted_trainer()(
        model=model, args=arguments, train_dataset=items[0],
        eval_dataset=items[1] if len(items) > 1 else None, data_collator=with_targets(collate),
        processing_class=reader.processor, callbacks=[best, steps_told()],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    best.restore(model)  # type: ignore[attr-defined]
    model.to("cpu")
    return trainer.state, best.loss  # type: ignore[attr-defined]
