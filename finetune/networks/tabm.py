"""TabM: a small network for tables that is many at once, as a `transformers` model.

Numbers enter piecewise-linearly (Gorishniy, Rubachev & Babenko, NeurIPS 2022): a number x becomes, for each
bin [a, b] between quantiles of the train rows, min(1, max(0, (x - a) / (b - a))), and a missing one zeros and
a 1 of its own. Categories are embedded; place 0 is for those that train rows do not have. `members` networks
share all weights but a scaling of what enters and the last layer, learn on their own and answer with the mean
of their probabilities: an ensemble for the price of one (Gorishniy, Kotelnikov & Babenko, ICLR 2025).
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

NAME = "tabm"
MODEL_TYPE = "assay_tabm"


@cache
def classes() -> tuple[Any, Any]:  # noqa: C901 - two classes, made where torch is
    """Return the configuration's and the network's class."""
    import torch
    import transformers
    from transformers.modeling_outputs import SequenceClassifierOutput

    hf: Any = transformers  # its classes have no types

    class TabmConfig(hf.PreTrainedConfig):
        """Sizes. numbers : columns of numbers. bins : of the widest. categories : values of each column."""

        model_type = MODEL_TYPE

        def __init__(
            self, numbers: int = 0, bins: int = 1, categories: tuple[int, ...] = (), members: int = 8,
            hidden: int = 192, depth: int = 2, embedding: int = 12, dropout: float = 0.1, **more: Any,
        ) -> None:  # fmt: skip
            self.numbers, self.bins, self.categories = numbers, bins, list(categories)
            self.members, self.hidden, self.depth = members, hidden, depth
            self.embedding, self.dropout = embedding, dropout
            super().__init__(**more)

    class Tabm(hf.PreTrainedModel):
        """`numbers` (b, columns) float32 with NaN where missing, `categories` (b, columns) int64."""

        config_class = TabmConfig
        base_model_prefix = "network"
        main_input_name = "numbers"
        low: Any  # (columns, bins)
        width: Any

        one_class = True  # its answer is a mean of probabilities that sum to 1

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            c = config
            self.register_buffer("low", torch.zeros(c.numbers, c.bins))
            self.register_buffer("width", torch.full((c.numbers, c.bins), float("inf")))
            self.embeddings = torch.nn.ModuleList(
                [torch.nn.Embedding(n + 1, c.embedding) for n in c.categories]
            )
            entering = c.numbers * (c.bins + 1) + len(c.categories) * c.embedding
            self.scales = torch.nn.Parameter(torch.ones(c.members, max(entering, 1)))
            sizes = [max(entering, 1), *[c.hidden] * c.depth]
            self.layers = torch.nn.ModuleList(
                [torch.nn.Linear(one, two) for one, two in pairwise(sizes)]
            )
            self.dropout = torch.nn.Dropout(c.dropout)
            self.head = torch.nn.Parameter(torch.zeros(c.members, sizes[-1], c.num_labels))
            self.bias = torch.nn.Parameter(torch.zeros(c.members, c.num_labels))
            self.post_init()

        def _init_weights(self, module: Any) -> None:
            if isinstance(module, torch.nn.Embedding):
                torch.nn.init.normal_(module.weight, std=0.1)
            elif isinstance(module, torch.nn.Linear):
                torch.nn.init.kaiming_uniform_(module.weight, a=5**0.5)
                torch.nn.init.zeros_(module.bias)
            elif isinstance(module, Tabm):
                signs = torch.randint(0, 2, module.scales.shape).float() * 2 - 1
                module.scales.data.copy_(signs)
                torch.nn.init.uniform_(module.head, -1, 1)
                module.head.data.div_(module.head.shape[1] ** 0.5)

        def forward(
            self, numbers: torch.Tensor, categories: torch.Tensor, **_: Any
        ) -> SequenceClassifierOutput:
            """Give `logits` (b, members, K) in training, one answer each; else (b, K), of the mean."""
            x = self._entering(numbers, categories)[:, None, :] * self.scales  # (b, members, entering)
            for layer in self.layers:
                x = self.dropout(torch.relu(layer(x)))
            logits = torch.einsum("bmh,mhk->bmk", x, self.head) + self.bias
            if not self.training and self.config.problem_type == "multi_label_classification":
                logits = torch.logit(torch.sigmoid(logits.float()).mean(dim=1), eps=1e-7)
            elif not self.training:
                logits = torch.log_softmax(logits.float(), dim=-1).logsumexp(dim=1)
            return SequenceClassifierOutput(logits=logits)

        def _entering(self, numbers: torch.Tensor, categories: torch.Tensor) -> torch.Tensor:
            missing = torch.isnan(numbers)
            share = ((numbers[:, :, None] - self.low) / self.width).clamp(0, 1)  # (b, columns, bins)
            share = torch.where(missing[:, :, None], torch.zeros_like(share), share)
            words = [embed(categories[:, k]) for k, embed in enumerate(self.embeddings)]
            out = torch.cat([share.flatten(1), missing.to(share.dtype), *words], dim=1)
            return out if out.shape[1] else out.new_zeros(len(out), 1)

    return TabmConfig, Tabm
