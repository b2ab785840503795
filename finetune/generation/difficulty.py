"""ifd: how much an instruction helps a model to give its answer. Near or above 1 it does not help at all.

    IFD(i) = exp(mean nats of the answer after its prompt) / exp(mean nats of the answer alone)

Low: easy, the prompt says it all. High, below 1: hard, worth learning. 1 and more: the answer does not follow
from the prompt, as in wrong or misplaced answers. Li et al., NAACL 2024 (arXiv:2308.12032).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finetune.generation.generator import FORWARD_ROWS
from finetune.generation.loss import Collate, item_nats, items
from finetune.generation.models import is_seq2seq, load_model, saved_tokenizer
from finetune.generation.render import with_template
from finetune.generation.tokens import Tokens, tokenize
from finetune.generation.turns import conversations
from finetune.quiet import training_room
from finetune.texts import model_folder
from pipeline.dataset import Dataset
from pipeline.stage import NotApplicable


def ifd(data: Dataset, model: str, max_tokens: int = 512) -> np.ndarray:
    """Return each row's instruction-following difficulty, (n,) float64; NaN where its answer gives no loss.

    model : a causal model's folder or Hub name, or a folder with an adapter. Of several answers the last
    counts. Cost: two forward passes a row. Raises `NotApplicable` for a sequence-to-sequence model.
    """
    from pathlib import Path

    if is_seq2seq(model):
        raise NotApplicable(f"model {model}: difficulty needs a model that says answers unasked")
    tokenizer = saved_tokenizer(model)
    with_template(tokenizer)
    asked = tokenize(tokenizer, conversations(data), max_tokens, "last")
    alone = [_alone(row, tokenizer.bos_token_id) for row in asked]
    scored = [i for i, row in enumerate(alone) if row.n_loss and asked[i].n_loss]
    out = np.full(len(asked), np.nan)
    with training_room(0):
        network = load_model(Path(model_folder(model)) if not Path(model).is_dir() else Path(model), False)
        collate = Collate(int(tokenizer.pad_token_id or 0))
        sides = [_mean_nats(network, [rows[i] for i in scored], collate) for rows in (asked, alone)]
    out[scored] = np.exp(sides[0] - sides[1])
    return out


def _alone(row: Tokens, bos: int | None) -> Tokens:
    """Return the answer without what comes before it: its first token follows the beginning alone."""
    if not row.n_loss:
        return row
    first = int(np.argmax(row.learnt))
    head = () if bos is None else (int(bos),)
    ids = head + row.ids[first:]
    learnt = np.concatenate([np.zeros(len(head), dtype=bool), row.learnt[first:]])
    learnt[0] = False  # nothing predicts the first token
    return Tokens(row.text, ids=ids, learnt=learnt, n_uncut=len(ids))


def _mean_nats(network: object, rows: Sequence[Tokens], collate: Collate) -> np.ndarray:
    batch = items(rows, np.ones(len(rows)), "row")
    return item_nats(network, batch, collate, FORWARD_ROWS, False)
