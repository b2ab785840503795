"""sees: what a model is shown of each row, and which tokens it learns to say. Before any training.

Nothing is guessed: this is the very function that training reads its batches from.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from finetune.generation import generates
from finetune.generation.models import base_tokenizer, is_seq2seq
from finetune.generation.settings import DEFAULTS
from finetune.generation.tokens import Tokens, tokenize
from finetune.generation.turns import conversations
from pipeline.dataset import ROW_ID, Dataset
from pipeline.stage import NotApplicable

LEARNT, NOT = "⟦", "⟧"  # around what is learnt, where a row is printed


@dataclass(frozen=True, eq=False)
class Seen:
    """A dataset through the eyes of a model. One `Tokens` a row, in the order of the rows.

    template : whose chat template wrote the text. names : of the tokens, by id, as the tokenizer writes them.
    """

    data: Dataset
    rows: tuple[Tokens, ...]
    model: str
    template: str
    max_tokens: int
    loss_turns: str
    seq2seq: bool
    tokenizer: Any

    @cached_property
    def lost(self) -> dict[str, str]:
        """Rows that give no loss, each with the reason: training leaves them out."""
        return {i: row.because for i, row in zip(self.data.ids, self.rows, strict=True) if row.because}

    @property
    def table(self) -> pa.Table:
        """One line a row: text, ids, which of them are learnt, end, cut, why nothing is learnt."""
        rows = self.rows
        lists = {"token_ids": [r.ids for r in rows], "target_ids": [r.target_ids for r in rows]}
        return pa.table({
            ROW_ID: pa.array(list(self.data.ids), pa.large_string()),
            "split": pa.array(list(self.data.splits), pa.large_string()),
            "text": pa.array([r.text for r in rows], pa.large_string()),
            **{name: pa.array(cells, pa.large_list(pa.int64())) for name, cells in lists.items()},
            "learnt": pa.array([r.learnt.tolist() for r in rows], pa.large_list(pa.bool_())),
            "loss_tokens": pa.array([r.n_loss for r in rows], pa.int64()),
            "cut_tokens": pa.array([r.n_cut for r in rows], pa.int64()),
            "cut_answer_tokens": pa.array([r.cut_answer_tokens for r in rows], pa.int64()),
            "end": pa.array([r.end for r in rows], pa.large_string()),
            "marks": pa.array([list(r.marks) for r in rows], pa.large_list(pa.large_string())),
            "straddles": pa.array([r.straddles for r in rows], pa.bool_()),
            "because": pa.array([r.because or None for r in rows], pa.large_string()),
        })  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return the whole in numbers, and every row that gives no loss."""
        lengths = np.array([row.n_uncut for row in self.rows if row.text] or [0])
        return {
            "model": self.model, "template": self.template, "max_tokens": self.max_tokens,
            "loss_turns": "last" if self.seq2seq else self.loss_turns, "seq2seq": self.seq2seq,
            "rows": len(self.rows), "tokens": int(sum(len(row.ids) for row in self.rows)),
            "loss_tokens": int(sum(row.n_loss for row in self.rows)),
            "length_tokens": {str(q): _quantile(lengths, q) for q in (0.5, 0.95, 1.0)},
            "cut_rows": sum(row.n_cut > 0 for row in self.rows),
            "cut_answers": sum(row.cut_answer_tokens > 0 for row in self.rows),
            "ends": dict(sorted(Counter(row.end for row in self.rows if not row.because).items())),
            "straddling_rows": sum(row.straddles for row in self.rows),
            "marked_rows": [i for i, row in zip(self.data.ids, self.rows, strict=True) if row.marks],
            "without_loss": self.lost,
        }  # fmt: skip

    def show(self, row_id: str) -> str:
        """Return a row as the model reads it, what it learns to say between ⟦ and ⟧. Raises `KeyError`.

        Line feeds stay; a token that is no text of its own is shown by its name.
        """
        row = self.rows[self.data.position[row_id]]
        head = f"row {row_id}: {len(row.ids)} tokens, {row.n_loss} learnt, end: {row.end}"
        head += f", {row.n_cut} cut" if row.n_cut else ""
        if row.because:
            return f"{head}\n  gives no loss: {row.because}"
        if row.target_ids:
            said = self.tokenizer.decode(list(row.target_ids))
            return f"{head}\n{self.tokenizer.decode(list(row.ids))}\n{LEARNT}{said}{NOT}"
        parts, start = [], 0
        ids, learnt = list(row.ids), row.learnt.tolist()
        for stop in range(1, len(ids) + 1):
            if stop == len(ids) or learnt[stop] != learnt[start]:
                text = self.tokenizer.decode(ids[start:stop], clean_up_tokenization_spaces=False)
                parts.append(f"{LEARNT}{text}{NOT}" if learnt[start] else text)
                start = stop
        return f"{head}\n{''.join(parts)}"

    def lines(self) -> list[str]:
        """Return the whole in a few lines for people."""
        f = self.to_json()
        share = f["loss_tokens"] / max(1, f["tokens"])
        n = f["length_tokens"]
        out = [
            f"{f['rows']:,} rows, {f['tokens']:,} tokens of {self.model}, {f['loss_tokens']:,} learnt "
            f"({share:.0%})",
            self.template,
            f"length in tokens: median {n['0.5']:,}, 95 % {n['0.95']:,}, longest {n['1.0']:,}; the limit is "
            f"{self.max_tokens:,}",
            f"cut: {f['cut_rows']:,} rows, {f['cut_answers']:,} of them within an answer",
            "answers end by: " + (", ".join(f"{end} {k:,}" for end, k in f["ends"].items()) or "none"),
        ]
        if f["straddling_rows"]:
            out.append(f"{f['straddling_rows']:,} rows have a token of both prompt and answer; it is learnt")
        if marked := f["marked_rows"]:
            out.append(
                f"{len(marked):,} rows hold the template's own tokens in a turn's text, "
                f"so a turn seems to end there: {', '.join(marked[:5])}"
            )
        if self.lost:
            out.append(f"{len(self.lost):,} rows give no loss and would be left out of training:")
            out += [f"  row {row_id}: {why}" for row_id, why in list(self.lost.items())[:5]]
        return out


def sees(
    data: Dataset, model: str | None = None, max_tokens: int | None = None, loss_turns: str = "all",
    tokenizer: Any = None,
) -> Seen:  # fmt: skip
    """Return what `model` is shown of each row of `data`, and what it learns of it.

    model : a folder, a Hub name or "tiny", the default. A folder may hold a tokenizer alone.
    tokenizer : one that is loaded already; else the model's own is.
    Raises `NotApplicable` when the rows are no conversations, `ValueError` when there is no tokenizer.
    """
    if not generates(data):
        raise NotApplicable(f"the rows are {data.modality}: only conversations have answers to learn")
    from finetune.generation.render import with_template

    name, limit = model or str(DEFAULTS["model"]), max_tokens or int(DEFAULTS["max_tokens"])
    turns = conversations(data)
    if tokenizer is None:
        tokenizer, template = base_tokenizer(name)
    else:
        template = with_template(tokenizer)
    seq2seq = is_seq2seq(name)
    rows = tokenize(tokenizer, turns, limit, loss_turns, seq2seq)
    return Seen(data, tuple(rows), name, template, limit, loss_turns, seq2seq, tokenizer)


def _quantile(values: np.ndarray, q: float) -> int:
    return int(np.quantile(values, q, method="higher"))
