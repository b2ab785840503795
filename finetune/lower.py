"""Cached activations: frozen lower layers run once, the layers above them train as if they were there.

For encoders of the BERT family (`embeddings`, then `encoder.layer`). Frozen layers run without dropout,
cached or not, so both ways train the same function.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.texts import by_length
from pipeline.progress import counted

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ABOVE = ("pooler", "final_layer_norm", "norm", "ln_f")  # what stands on top of the layers, by its usual names
CACHE_BYTES = 4 * 2**30  # larger caches are not made: plain freezing is used


def freeze_lower(model: PreTrainedModel, layers: int) -> int:
    """Freeze all but the last `layers` layers and what stands above them; returns how many layers are frozen.

    Raises `ValueError` when the model's layers cannot be found.
    """
    import torch

    base: Any = model.base_model
    blocks = _blocks(base)
    if blocks is None:
        raise ValueError(f"{type(model).__name__}: cannot tell its layers apart; use method full")
    frozen = max(0, len(blocks) - layers)
    inside = {id(p) for block in list(blocks)[frozen:] for p in block.parameters()}
    above = {id(p) for name, part in base.named_children() if name in ABOVE for p in part.parameters()}
    for p in base.parameters():
        p.requires_grad = id(p) in inside or id(p) in above
    trained = {id(m) for block in list(blocks)[frozen:] for m in block.modules()}
    for module in base.modules():
        if isinstance(module, torch.nn.Dropout) and id(module) not in trained:
            module.p = 0.0
    return frozen


class LowerStates:
    """The frozen layers' output in a file: (tokens, hidden) float32, row i from offsets[i] on."""

    def __init__(self, states: np.memmap, offsets: np.ndarray) -> None:
        self.states, self.offsets = states, offsets

    def batch(self, rows: Sequence[int], mask: torch.Tensor) -> torch.Tensor:
        """Return the rows' states (b, tokens, hidden), zero where `mask` (b, tokens) is."""
        import torch

        out = torch.zeros((*mask.shape, self.states.shape[1]))
        for i, row in enumerate(rows):
            out[i, mask[i].bool()] = torch.from_numpy(
                self.states[self.offsets[row] : self.offsets[row + 1]].copy()
            )
        return out


def cacheable(model: PreTrainedModel, n_tokens: int) -> bool:
    """Return whether the model is built the BERT way and its states for so many tokens fit the limit."""
    base: Any = model.base_model
    built = hasattr(base, "embeddings") and hasattr(getattr(base, "encoder", None), "layer")
    return built and n_tokens * model.config.hidden_size * 4 <= CACHE_BYTES


def compute_states(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    encoded: Sequence[dict[str, Any]],
    frozen: int,
    file: Path,
    bf16: bool,
) -> LowerStates:
    """Run embeddings and the first `frozen` layers over all rows, longest batches first, into `file`."""
    import torch

    base: Any = model.base_model
    device = model.device
    lengths = np.array([len(row["input_ids"]) for row in encoded])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    states = np.memmap(file, dtype=np.float32, mode="w+", shape=(int(offsets[-1]), model.config.hidden_size))
    blocks, pooler = base.encoder.layer, getattr(base, "pooler", None)
    base.encoder.layer, base.pooler = blocks[:frozen], None
    base.eval()
    try:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            batches = list(by_length(encoded, 32))
            for rows in counted("frozen layers", batches, len(batches)):
                inputs = tokenizer.pad([encoded[i] for i in rows], return_tensors="pt").to(device)
                hidden = base(**inputs).last_hidden_state.float().cpu()
                real = inputs["attention_mask"].bool().cpu()
                for i, row in enumerate(rows):
                    states[offsets[row] : offsets[row + 1]] = hidden[i][real[i]].numpy()
    finally:
        base.encoder.layer, base.pooler = blocks, pooler
    return LowerStates(states, offsets)


@contextmanager
def without_lower(model: PreTrainedModel, frozen: int) -> Iterator[None]:
    """Take the frozen layers out: inside, the model takes cached states as `inputs_embeds`."""
    import torch

    class Passed(torch.nn.Module):
        """Stands in for the embeddings: gives back the states it is handed."""

        def forward(self, input_ids: Any = None, inputs_embeds: Any = None, **_: Any) -> Any:
            return inputs_embeds

    base: Any = model.base_model
    embeddings, blocks = base.embeddings, base.encoder.layer
    base.embeddings, base.encoder.layer = Passed(), blocks[frozen:]
    try:
        yield
    finally:
        base.embeddings, base.encoder.layer = embeddings, blocks


def _blocks(base: Any) -> Any:
    """Return the list of layers, bottom first, or None."""
    import torch

    lists = [
        m
        for m in base.modules()
        if isinstance(m, torch.nn.ModuleList) and len(m) == base.config.num_hidden_layers
    ]
    return lists[0] if lists else None
