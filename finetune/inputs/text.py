"""Texts: token lists for any encoder with a classification head; BERT-like ones with cached states."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.inputs import Item, Shortcut
from finetune.lower import LowerStates, cacheable, compute_states, freeze_lower, without_lower
from finetune.settings import Training
from finetune.texts import by_length, encode, load_tokenizer, model_folder, texts_of
from pipeline.dataset import Dataset

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class TextReader:
    """Texts through one tokenizer, cut at `max_tokens`."""

    sampling = "group_by_length"
    predict_rows = 64

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> None:
        self.processor: Any = tokenizer
        self.max_tokens = max_tokens

    def rows(self, data: Dataset) -> list[Item]:
        """Return one mapping of token lists a row."""
        return encode(self.processor, texts_of(data), self.max_tokens)

    def batches(self, rows: Sequence[Item], batch_rows: int) -> list[np.ndarray]:
        """Return batches of equal length as far as possible, longest first."""
        return list(by_length(rows, batch_rows))

    def collate(self, items: list[Item]) -> dict[str, torch.Tensor]:
        """Pad to the longest of the batch."""
        kept = self.processor.model_input_names
        lists = [{k: v for k, v in item.items() if k in kept} for item in items]
        return dict(self.processor.pad(lists, return_tensors="pt"))

    def freeze(self, model: Any, training: Training) -> int:
        """Freeze the lower layers for method partial."""
        return freeze_lower(model, training.layers) if training.method == "partial" else 0

    def shortcut(
        self, model: Any, rows: Sequence[Item], frozen: int, file: Path, bf16: bool
    ) -> Shortcut | None:
        """Cache the frozen layers' output for each token."""
        if not cacheable(model, sum(len(row["input_ids"]) for row in rows)):
            return None
        return self.cached(model, compute_states(model, self.processor, rows, frozen, file, bf16), frozen)

    def cached(self, model: Any, states: LowerStates, frozen: int) -> Shortcut:
        """Return the shortcut that reads these states."""

        def collate(items: list[Item]) -> dict[str, torch.Tensor]:
            mask = self.collate(items)["attention_mask"]
            return {
                "inputs_embeds": states.batch([item["row"] for item in items], mask),
                "attention_mask": mask,
            }

        return Shortcut(collate, partial(without_lower, model, frozen))

    def save(self, folder: Path) -> None:
        """Save the tokenizer, so that whoever cuts long texts cuts them as we do."""
        self.processor.model_max_length = self.max_tokens
        self.processor.save_pretrained(folder)


class TextInputs:
    """Any `AutoModelForSequenceClassification`."""

    default_model = "minilm"
    rates = {"partial": 3e-4, "full": 5e-5}  # noqa: RUF012 - read only
    methods = ("partial", "full")
    foreign = frozenset({"augmentation", "batch_norm"})

    def sizes(self, n_rows: int) -> tuple[int, int]:
        """Return 3 epochs and batches of 32."""
        return 3, 32

    def open_model(
        self, training: Training, names: Sequence[str], train: Dataset
    ) -> tuple[Any, TextReader]:
        """Return an encoder with a new head, and its tokenizer."""
        import torch
        from transformers import AutoModelForSequenceClassification

        name = training.model or self.default_model
        tokenizer = load_tokenizer(name)
        model = AutoModelForSequenceClassification.from_pretrained(
            model_folder(name), num_labels=len(names), id2label=dict(enumerate(names)), dtype=torch.float32,
            label2id={n: i for i, n in enumerate(names)}, use_safetensors=True,
        )  # fmt: skip
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id
        return model, TextReader(tokenizer, training.max_tokens)

    def load_model(self, folder: Path, training: Training) -> tuple[Any, TextReader]:
        """Return a trained classifier and its tokenizer."""
        import torch
        from transformers import AutoModelForSequenceClassification

        model = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True
        )
        return model, TextReader(load_tokenizer(str(folder)), training.max_tokens)


INPUTS = TextInputs()
