"""Generator: a model in a folder that answers conversations, and what it makes of held-out answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from finetune.generation.loss import Collate, item_nats, items
from finetune.generation.models import load_model, saved_tokenizer
from finetune.generation.render import Refused, prompt_of, with_template
from finetune.generation.tokens import tokenize
from finetune.generation.turns import Turn, conversations
from finetune.quiet import training_room
from finetune.settings import Training
from finetune.tune import wants_bf16
from pipeline.dataset import Dataset
from pipeline.progress import counted

ABOUT = "assay_dataset.json"
FORWARD_ROWS = 32  # rows of one forward pass


class AnswerLoss(NamedTuple):
    """What a model makes of n rows' answers; rows whose answers give no loss have 0 everywhere."""

    nats: np.ndarray  # (n,) float64, sum of -log p over the answer's tokens
    n_tokens: np.ndarray  # (n,) int64
    n_bytes: np.ndarray  # (n,) int64, what was learnt of the answers, in UTF-8


@dataclass(frozen=True, eq=False)
class Generator:
    """A model in a folder. `about` is the content of its `assay_dataset.json`."""

    folder: Path
    about: dict[str, Any]

    @classmethod
    def of(cls, folder: Path) -> Generator:
        """Return the model that a training left in a folder."""
        return cls(folder, json.loads((folder / ABOUT).read_text("utf-8")))

    @property
    def method(self) -> str:
        """How it was trained: lora or full."""
        return str(self.about["method"])

    @property
    def training(self) -> Training:
        """The settings it was trained with."""
        return Training(**self.about["training"])

    def describe(self) -> str:
        """Return one line: method, model, rows, settings."""
        used = self.training.used(generation=True)
        rows = f"{self.about['rows']['train']:,} rows ({self.about['rows']['made']:,} made by stages)"
        told = {k: v for k, v in used.items() if k not in ("method", "model") and v not in (None, {}, ())}
        settings = ", ".join(f"{k}={v}" for k, v in told.items())
        return f"{self.method} of {self.about['model']} on {rows}, seed {self.about['seed']}, {settings}"

    def losses(self, data: Dataset) -> AnswerLoss:
        """Return the loss of each row's answers, those that training would learn from."""
        t = self.training
        turns = conversations(data)
        rows = tokenize(self.tokenizer, turns, t.max_tokens, t.loss_turns, self.about["seq2seq"])
        scored = [i for i, row in enumerate(rows) if row.n_loss]
        nats, tokens = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
        tokens[scored] = [rows[i].n_loss for i in scored]
        with training_room(0):
            batch = items([rows[i] for i in scored], np.ones(len(scored)), "token")
            nats[scored] = item_nats(self.network, batch, self._collate, FORWARD_ROWS, wants_bf16(t))
        n_bytes = np.array([row.n_bytes for row in rows], dtype=np.int64)
        return AnswerLoss(nats, tokens, n_bytes)

    def answers(self, turns: Sequence[Sequence[Turn]]) -> list[tuple[str | None, bool]]:
        """Return the model's own last answer to each conversation, greedy, and whether it came to an end.

        None where the template refuses the turns. At most `max_new_tokens` tokens each.
        """
        out: list[tuple[str | None, bool]] = [(None, False)] * len(turns)
        prompts = {}
        for i, conversation in enumerate(turns):
            try:
                prompts[i] = self.tokenizer(prompt_of(self.tokenizer, conversation), add_special_tokens=False)
            except Refused:
                continue
        order = sorted(prompts, key=lambda i: -len(prompts[i]["input_ids"]))
        batches = [order[k : k + FORWARD_ROWS] for k in range(0, len(order), FORWARD_ROWS)]
        with training_room(0):
            for places in counted("answering", batches, len(batches)):
                said = self._said([prompts[i]["input_ids"] for i in places])
                for i, answer in zip(places, said, strict=True):
                    out[i] = answer
        return out

    def _said(self, prompts: list[list[int]]) -> list[tuple[str, bool]]:
        import torch

        t, stops, pad = self.training, self.about["stops"], int(self.tokenizer.pad_token_id or 0)
        prompts = [p[-t.max_tokens :] for p in prompts]
        width = max(map(len, prompts))
        ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=self.network.device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=ids.device)
        bf16 = wants_bf16(t)
        with torch.no_grad(), torch.autocast(ids.device.type, torch.bfloat16, enabled=bf16):
            out = self.network.generate(
                input_ids=ids, attention_mask=mask, do_sample=False, num_beams=1, pad_token_id=pad,
                max_new_tokens=t.max_new_tokens, eos_token_id=stops or None,
            )  # fmt: skip
        new = out[:, 1:] if self.about["seq2seq"] else out[:, width:]
        said = []
        for line in new.tolist():
            end = next((k for k, token in enumerate(line) if token in stops), None)
            said.append((self.tokenizer.decode(line[:end], skip_special_tokens=True), end is not None))
        return said

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, its template included."""
        tokenizer = saved_tokenizer(str(self.folder))
        with_template(tokenizer)
        return tokenizer

    @cached_property
    def network(self) -> Any:
        """The model, on the accelerator where there is one."""
        import torch

        with training_room(0):
            network = load_model(self.folder, self.about["seq2seq"])
        return network.to(torch.accelerator.current_accelerator() or "cpu").eval()

    @cached_property
    def _collate(self) -> Collate:
        start = self.network.config.decoder_start_token_id if self.about["seq2seq"] else None
        return Collate(int(self.tokenizer.pad_token_id or 0), start)
