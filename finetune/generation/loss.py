"""The loss of answers: weighted, and the same whether a batch is whole, accumulated or spread.

    loss = sum_i sum_t u[i, t] * -log p(token t of row i)  /  sum_i sum_t u[i, t]

over the answer tokens t of all rows i of the effective batch: all micro-batches of an accumulation window, in
all processes. u = w_i, the row's weight, when every token counts the same; u = w_i / n_i, with n_i the number
of the row's answer tokens, when every row does. Prompt and padding have u = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.generation.tokens import Tokens

if TYPE_CHECKING:
    import torch
    from transformers import Trainer


def items(rows: Sequence[Tokens], weights: np.ndarray, per: str) -> list[dict[str, Any]]:
    """Return what a batch is made of, one mapping a row: ids, targets and their u.

    Of a causal model the target of position t is token t + 1.
    """
    out = []
    for row, weight in zip(rows, weights, strict=True):
        u = float(weight) / row.n_loss if per == "row" else float(weight)
        if row.target_ids:
            targets, shares = list(row.target_ids), [u] * len(row.target_ids)
        else:
            targets, shares = [*row.ids[1:], 0], [u * bool(m) for m in (*row.learnt[1:], False)]
        out.append({"input_ids": list(row.ids), "targets": targets, "shares": shares})
    return out


class Collate:
    """Items -> one batch, padded on the right to its longest row.

    `labels` (b, t, 2) float64 hold target ids, which are whole numbers below 2^53, and u.
    decoder_start : first token of the decoder, of a sequence-to-sequence model.
    """

    def __init__(self, pad: int, decoder_start: int | None = None) -> None:
        self.pad, self.decoder_start = pad, decoder_start

    def __call__(self, batch: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return ids, mask and labels, and for sequence to sequence what the decoder reads."""
        import torch

        ids = _padded([item["input_ids"] for item in batch], self.pad)
        mask = _padded([[1] * len(item["input_ids"]) for item in batch], 0)
        targets = _padded([item["targets"] for item in batch], 0)
        shares = _padded([item["shares"] for item in batch], 0.0)
        out = {"input_ids": ids, "attention_mask": mask,
               "labels": torch.stack([targets.double(), shares.double()], dim=-1)}  # fmt: skip
        if self.decoder_start is not None:
            begun = [[self.decoder_start, *item["targets"][:-1]] for item in batch]
            out["decoder_input_ids"] = _padded(begun, self.pad)
        return out


def answer_loss(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | float | None = None
) -> torch.Tensor:
    """Return the loss of one micro-batch. num_items_in_batch : sum of u of the window, else the batch's."""
    shares = labels[..., 1].float()
    total = shares.sum() if num_items_in_batch is None else num_items_in_batch
    loss: torch.Tensor = (token_nats(outputs, labels) * shares).sum() / total
    return loss


def token_nats(outputs: Any, labels: torch.Tensor) -> torch.Tensor:
    """Return -log p of each target (b, t), 0 where its u is 0; logits of other places are not touched."""
    import torch

    logits = outputs["logits"] if isinstance(outputs, dict) else outputs.logits
    learnt = labels[..., 1] != 0
    nats = torch.nn.functional.cross_entropy(
        logits[learnt].float(), labels[..., 0][learnt].long(), reduction="none"
    )
    return torch.zeros(learnt.shape, device=nats.device).masked_scatter(learnt, nats)


@cache
def answer_trainer() -> type[Trainer]:
    """Return the Trainer that divides by the window's sum of u, and validates by the exact same loss."""
    import torch
    from transformers import Trainer

    class AnswerTrainer(Trainer):
        """`transformers.Trainer` whose `num_items_in_batch` is the sum of u of all processes."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "compute_loss_func": answer_loss})
            self.model_accepts_loss_kwargs = False  # the loss is ours; the model gets no extra arguments

        def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> torch.Tensor | None:
            if not batch_samples or "labels" not in batch_samples[0]:
                return None
            sums = [batch["labels"][..., 1].sum() for batch in batch_samples]
            total = torch.stack(sums).sum().float().to(device)
            if self.args.world_size > 1:
                total = self.accelerator.gather(total).sum()
            return total.expand(self.args.n_gpu) if self.args.n_gpu > 1 else total

        def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
            """Return `eval_loss` over all validation tokens at once, however they are batched."""
            rows: Any = self.eval_dataset
            nats = item_nats(self.model, rows, self.data_collator, self.args.per_device_eval_batch_size,
                             bool(self.args.bf16))  # fmt: skip
            total = sum(sum(row["shares"]) for row in rows)
            metrics = {"eval_loss": float(sum(nats)) / total}
            self.log(metrics)
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

    return AnswerTrainer


def item_nats(
    model: Any, rows: Sequence[dict[str, Any]], collate: Any, batch_rows: int, bf16: bool
) -> np.ndarray:
    """Return the sum of u * -log p of each row, (n,) float64, in batches of like length."""
    import torch

    out, training = np.zeros(len(rows)), model.training
    order = np.argsort([-len(row["input_ids"]) for row in rows], kind="stable")
    model.eval()
    device = next(model.parameters()).device
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for start in range(0, len(order), batch_rows):
            places = order[start : start + batch_rows]
            batch = {k: v.to(device) for k, v in collate([rows[i] for i in places]).items()}
            labels = batch.pop("labels")
            nats = token_nats(model(**batch), labels).double()
            out[places] = (nats * labels[..., 1]).sum(dim=1).cpu().numpy()
    model.train(training)
    return out


def _padded(lists: Sequence[Sequence[float]], value: float) -> torch.Tensor:
    import torch

    rows = [torch.tensor(row) for row in lists]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)
