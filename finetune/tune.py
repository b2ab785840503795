"""Methods partial and full: a sequence classifier trained by `transformers.Trainer` with our loss."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.history import save_history
from finetune.loss import weighted_trainer
from finetune.lower import LowerStates, cacheable, compute_states, freeze_lower, without_lower
from finetune.quiet import has_bf16, training_room
from finetune.settings import Training
from finetune.texts import by_length, encode, load_tokenizer, model_folder
from pipeline.progress import advance, counted

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback, TrainerState

PREDICT_ROWS = 64  # rows of one forward pass when predicting


def tune(
    train: tuple[Sequence[str], np.ndarray],
    validation: tuple[Sequence[str], np.ndarray] | None,
    names: Sequence[str],
    training: Training,
    seed: int,
    folder: Path,
) -> list[dict[str, float]]:
    """Train on (texts, targets (n, K)), save the model and its tokenizer to `folder`, return what happened by
    epoch.

    With validation rows the weights of the epoch with the lowest validation loss are kept, and
    `early_stopping` epochs without a better one end the training. `names` are the classes' names, in the
    targets' order.
    """
    from transformers import AutoModelForSequenceClassification

    folder.mkdir(parents=True, exist_ok=True)
    with training_room(seed), tempfile.TemporaryDirectory(dir=folder, prefix=".training-") as scratch:
        tokenizer = load_tokenizer(training.model)
        model = _load(AutoModelForSequenceClassification, training.model, names)
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id
        rows = [encode(tokenizer, part[0], training.max_tokens) for part in (train, validation) if part]
        frozen = freeze_lower(model, training.layers) if training.method == "partial" else 0
        bf16 = wants_bf16(training)
        with ExitStack() as stack:
            states = None
            if frozen and cacheable(model, sum(len(r["input_ids"]) for part in rows for r in part)):
                every = [r for part in rows for r in part]
                states = compute_states(model, tokenizer, every, frozen, Path(scratch) / "states", bf16)
                if same_logits(model, tokenizer, states, every[:8], frozen, bf16):
                    stack.enter_context(without_lower(model, frozen))
                else:
                    states = None
            state, best_loss = _train(
                model, tokenizer, rows, [train, validation], states, training, seed, scratch, bf16
            )
        model.save_pretrained(folder)
        tokenizer.model_max_length = training.max_tokens  # so that whoever cuts long texts cuts them as we do
        tokenizer.save_pretrained(folder)
        return save_history(state, best_loss, folder)


def wants_bf16(training: Training) -> bool:
    """Return whether products are done in bf16 (weights and sums stay fp32)."""
    return training.precision == "bf16" or (training.precision == "auto" and has_bf16())


def same_logits(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    states: LowerStates,
    rows: list[dict[str, Any]],
    frozen: int,
    bf16: bool,
) -> bool:
    """Return whether the model says the same from cached states as from tokens, on the first rows."""
    import torch

    model.eval()
    collate = Collate(tokenizer, states)
    items = [{**row, "row": i} for i, row in enumerate(rows)]
    with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
        whole = model(**tokenizer.pad(rows, return_tensors="pt").to(model.device)).logits.float()
        with without_lower(model, frozen):
            inputs = {k: v.to(model.device) for k, v in collate(items).items()}
            cached = model(**inputs).logits.float()
    return bool(torch.allclose(whole, cached, atol=0.05 if bf16 else 1e-4))


class Collate:
    """Items -> one padded batch; cached states in place of tokens where there are any."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, states: LowerStates | None) -> None:
        self.tokenizer, self.states = tokenizer, states

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Pad to the longest of the batch; `labels` are targets (b, K)."""
        import torch

        lists = [{k: v for k, v in item.items() if k not in ("row", "labels")} for item in items]
        batch = dict(self.tokenizer.pad(lists, return_tensors="pt"))
        if self.states is not None:
            mask = batch["attention_mask"]
            batch = {
                "inputs_embeds": self.states.batch([item["row"] for item in items], mask),
                "attention_mask": mask,
            }
        if "labels" in items[0]:
            batch["labels"] = torch.tensor(np.stack([item["labels"] for item in items]), dtype=torch.float32)
        return batch


def predict_texts(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    max_tokens: int,
    bf16: bool,
) -> np.ndarray:
    """Return probabilities (n, K) float64, in batches of equal length as far as possible."""
    import torch

    rows = encode(tokenizer, texts, max_tokens)
    out = np.zeros((len(rows), model.config.num_labels))
    model.eval()
    with training_room(0), torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
        batches = list(by_length(rows, PREDICT_ROWS))
        for positions in counted("predicting", batches, len(batches)):
            inputs = tokenizer.pad([rows[i] for i in positions], return_tensors="pt").to(model.device)
            out[positions] = torch.softmax(model(**inputs).logits.double(), dim=-1).cpu().numpy()
    return out


def _load(auto: Any, name: str, names: Sequence[str]) -> PreTrainedModel:
    import torch

    model = auto.from_pretrained(
        model_folder(name), num_labels=len(names), id2label=dict(enumerate(names)), dtype=torch.float32,
        label2id={n: i for i, n in enumerate(names)}, use_safetensors=True,
    )  # fmt: skip
    return model


def _train(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    rows: list[list[dict[str, Any]]],
    parts: list[Any],
    states: LowerStates | None,
    training: Training,
    seed: int,
    scratch: str,
    bf16: bool,
) -> tuple[TrainerState, float]:
    import torch
    from transformers import PrinterCallback, TrainingArguments

    items, n = [], 0
    for encoded, part in zip(rows, parts, strict=False):
        items.append([{**row, "row": n + i, "labels": part[1][i]} for i, row in enumerate(encoded)])
        n += len(encoded)
    accelerated = torch.accelerator.is_available()
    given: dict[str, Any] = {
        "per_device_train_batch_size": training.batch_rows, "per_device_eval_batch_size": PREDICT_ROWS,
        "num_train_epochs": training.epochs, "gradient_accumulation_steps": training.gradient_accumulation,
        "learning_rate": training.rate, "weight_decay": training.weight_decay,
        "warmup_steps": training.warmup_fraction, "bf16": bf16, "use_cpu": not accelerated,
        "seed": seed, "data_seed": seed, "report_to": [], "remove_unused_columns": False,
        "disable_tqdm": True, "label_names": ["labels"], "save_strategy": "no", "logging_strategy": "epoch",
        "eval_strategy": "epoch" if len(items) > 1 else "no",
        "train_sampling_strategy": "group_by_length", "dataloader_pin_memory": accelerated,
    }  # fmt: skip
    arguments = TrainingArguments(output_dir=scratch, **{**given, **training.args})
    best = best_epoch(training.early_stopping)
    trainer = weighted_trainer()(
        model=model, args=arguments, train_dataset=items[0],
        eval_dataset=items[1] if len(items) > 1 else None, data_collator=Collate(tokenizer, states),
        processing_class=tokenizer, callbacks=[best, steps_told()],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    best.restore(model)  # type: ignore[attr-defined]
    model.to("cpu")
    return trainer.state, best.loss  # type: ignore[attr-defined]


def steps_told() -> TrainerCallback:
    """Return a callback that says how many optimizer steps are done."""
    from transformers import TrainerCallback

    class StepsTold(TrainerCallback):
        """A side channel: it changes nothing."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Say it; the last step is said at the end, since early stopping may come first."""
            advance("fine-tuning", min(state.global_step, state.max_steps - 1), state.max_steps)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Say that it is over."""
            advance("fine-tuning", state.max_steps, state.max_steps)

    return StepsTold()


def best_epoch(patience: int | None) -> TrainerCallback:
    """Return a callback that remembers the trained weights of the epoch with the lowest validation loss."""
    from transformers import TrainerCallback

    class BestEpoch(TrainerCallback):
        """In memory: a copy of what is trained, no checkpoint on disk."""

        loss, waited = float("inf"), 0
        weights: dict[str, torch.Tensor]

        def on_evaluate(
            self, args: Any, state: Any, control: Any, model: Any = None, metrics: Any = None, **_: Any
        ) -> None:
            """Keep or count."""
            if metrics["eval_loss"] < self.loss:
                self.loss, self.waited = metrics["eval_loss"], 0
                self.weights = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
            else:
                self.waited += 1
                control.should_training_stop = patience is not None and self.waited >= patience

        def restore(self, model: Any) -> None:
            """Put the best weights back, if any epoch was validated."""
            if self.loss < float("inf"):
                named = dict(model.named_parameters())
                for name, value in self.weights.items():
                    named[name].data.copy_(value)

    return BestEpoch()
