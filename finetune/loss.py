"""One loss for everything: weighted soft cross-entropy, right under accumulation and several processes.

A row's target is a line of K numbers, its class distribution times its weight. Sample weights, class weights,
label smoothing and several annotators are then all the same thing, and

    loss = - sum_i sum_k T[i, k] log p[i, k]  /  sum_i sum_k T[i, k]

over the whole effective batch: all micro-batches of an accumulation window, in all processes. The Trainer's
own way divides each micro-batch by its own count, and for classifiers multiplies loss and gradients by the
number of accumulated batches.

Where a row may be of several classes at once, its target is a line of 2 K numbers, the weight that says *yes*
to each class and the weight that says *no*; p is then the sigmoid and its complement (binary cross-entropy,
the mean over classes), and sum T counts rows times K.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from transformers import Trainer


def targets(
    codes: np.ndarray,
    n_classes: int,
    weights: np.ndarray,
    label_smoothing: float = 0.0,
    balanced: bool = False,
) -> np.ndarray:
    """Return T (n, K) float64 from class codes (n,) and row weights (n,); the lines sum to the rows' weights.

    `balanced` multiplies a row by W / (K W_k), with W the sum of all weights and W_k that of its class.

    >>> targets(np.array([0, 1, 1]), 2, np.array([1.0, 1.0, 2.0]), label_smoothing=0.2).round(2).tolist()
    [[0.9, 0.1], [0.1, 0.9], [0.2, 1.8]]
    """
    return soft_targets(np.eye(n_classes)[codes], weights, label_smoothing, balanced)


def soft_targets(
    shares: np.ndarray, weights: np.ndarray, label_smoothing: float = 0.0, balanced: bool = False
) -> np.ndarray:
    """Return T (n, K) from each row's shares of the classes (n, K), lines that sum to 1.

    `balanced` multiplies the share of class k by W / (K W_k), with W_k the weight of that class in all rows.
    """
    n_classes = shares.shape[1]
    of_class = weights @ shares
    factor = np.ones(n_classes)
    if balanced:
        factor = np.divide(weights.sum(), n_classes * of_class, out=np.zeros(n_classes), where=of_class > 0)
    weighted = shares * factor  # (n, K)
    spread = weighted.sum(axis=1, keepdims=True) * (label_smoothing / n_classes)
    return (weighted * (1.0 - label_smoothing) + spread) * weights[:, None]


def set_targets(
    named: np.ndarray, weights: np.ndarray, label_smoothing: float = 0.0, balanced: bool = False
) -> np.ndarray:
    """Return T (n, 2 K) from which classes each row names (n, K): the yes of every class, then its no.

    `balanced` gives the yes and the no of a class half of all weight each.

    >>> set_targets(np.array([[1.0, 0.0]]), np.array([2.0]), label_smoothing=0.2).round(2).tolist()
    [[1.8, 0.2, 0.2, 1.8]]
    """
    sides = np.hstack([named, 1.0 - named])
    of_side = weights @ sides
    factor = np.ones(len(of_side))
    if balanced:
        factor = np.divide(weights.sum(), 2 * of_side, out=np.zeros(len(of_side)), where=of_side > 0)
    smooth = sides * (1.0 - label_smoothing) + label_smoothing / 2
    return smooth * factor * weights[:, None]


def weighted_loss(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | float | None = None
) -> torch.Tensor:
    """Return the loss of one micro-batch; a `compute_loss_func` for `weighted_trainer()`.

    labels : targets (b, K), or (b, 2 K) where each class is a question of its own.
    num_items_in_batch : sum of all targets of the window, this batch's own when
        None.
    """
    import torch

    logits = outputs["logits"] if isinstance(outputs, dict) else outputs.logits
    labels = labels.float()
    total = labels.sum() if num_items_in_batch is None else num_items_in_batch
    if labels.shape[-1] == 2 * logits.shape[-1]:
        both = torch.cat([logits, -logits], dim=-1).float()  # yes and no
        log_probs = torch.nn.functional.logsigmoid(both)
    else:
        log_probs = torch.log_softmax(logits.float(), dim=-1)  # (b, K), or (b, members, K) of an ensemble
    if log_probs.ndim == 3:
        log_probs = log_probs.mean(dim=1)  # each member learns on its own
    loss: torch.Tensor = -(labels * log_probs).sum()  # (b, K) -> ()
    return loss / total


@cache
def weighted_trainer() -> type[Trainer]:
    """Return the Trainer that counts a window's weight where transformers counts its labels."""
    import torch
    from transformers import Trainer

    class WeightedTrainer(Trainer):
        """`transformers.Trainer` whose `num_items_in_batch` is the sum of the targets of all processes."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "compute_loss_func": weighted_loss})
            self.model_accepts_loss_kwargs = False  # the loss is ours; the model gets no extra arguments

        def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> torch.Tensor | None:
            if not batch_samples or "labels" not in batch_samples[0]:
                return None
            total = (
                torch.stack([batch["labels"].double().sum() for batch in batch_samples])
                .sum()
                .float()
                .to(device)
            )
            if self.args.world_size > 1:
                total = self.accelerator.gather(total).sum()
            return total.expand(self.args.n_gpu) if self.args.n_gpu > 1 else total

    return WeightedTrainer
