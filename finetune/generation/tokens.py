"""Tokens: rendered text -> ids and, for each id, whether the model learns to say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from finetune.generation.render import Refused, Rendered, prompt_of, render
from finetune.generation.turns import ASSISTANT, Turn, last_answer
from pipeline.stage import NotApplicable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_EMPTY = "the answer is empty, so only its end would be learnt"


@dataclass(frozen=True, eq=False)
class Tokens:
    """What a model is shown of one row.

    text : the rendered row. Of a sequence-to-sequence model this is the prompt, and `target` what it says.
    ids : the tokens of the text, cut. learnt : (n,) bool, the tokens whose loss counts; causal models only.
    target_ids : of a sequence-to-sequence model, all of them learnt.
    n_uncut : tokens before the cut. cut_answer_tokens : tokens of answers lost in the cut.
    end : "template" or "added" (by us) where the answer ends in a token that ends it, "cut off", "none".
    n_bytes : bytes in UTF-8 of the answers that are learnt, 1 for the end of each; no tokenizer changes it
        that cuts nothing.
    straddles : a token holds characters of the prompt and of the answer.
    marks : tokens of the template that a turn's own text holds: the model takes them for the template's.
    because : why nothing of this row is learnt, "" when something is.
    """

    text: str
    ids: tuple[int, ...] = ()
    learnt: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    target: str = ""
    target_ids: tuple[int, ...] = ()
    n_uncut: int = 0
    cut_answer_tokens: int = 0
    end: str = "none"
    n_bytes: int = 0
    straddles: bool = False
    marks: tuple[str, ...] = ()
    because: str = ""

    @property
    def n_loss(self) -> int:
        """Number of tokens the model learns to say."""
        return len(self.target_ids) if self.target_ids else int(self.learnt.sum())

    @property
    def n_cut(self) -> int:
        """Number of tokens that do not fit."""
        return self.n_uncut - len(self.ids)


def tokenize(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Turn]],
    max_tokens: int,
    loss_turns: str = "all",
    seq2seq: bool = False,
) -> list[Tokens]:
    """Return what a model reads of each row and learns from it; a row nothing is learnt from says why.

    A token that holds any character of an answer is learnt. Cost: one pass of the tokenizer, and three
    renderings an answer. Raises `NotApplicable` when the tokenizer does not say where its tokens stand.
    """
    if not tokenizer.is_fast:
        raise NotApplicable(
            f"{type(tokenizer).__name__} does not say which characters a token holds (use a fast tokenizer)"
        )
    if seq2seq:
        return [_marked(tokenizer, c, _pair(tokenizer, c, max_tokens)) for c in conversations]
    rendered: list[Rendered | Refused] = []
    for conversation in conversations:
        try:
            found = render(tokenizer, conversation, loss_turns)
            rendered.append(found if _says(conversation, loss_turns) else Refused(_EMPTY))
        except Refused as why:
            rendered.append(why)
    texts = [r.text for r in rendered if isinstance(r, Rendered)]
    encoded = iter(_encode(tokenizer, texts))
    return [
        Tokens("", because=str(r))
        if isinstance(r, Refused)
        else _marked(tokenizer, conversation, _tokens(tokenizer, r, *next(encoded), max_tokens))
        for conversation, r in zip(conversations, rendered, strict=True)
    ]


def _says(conversation: Sequence[Turn], which: str) -> bool:
    """Return whether an answer that is to be learnt holds anything."""
    answers = [turn["content"] for turn in conversation if turn["role"] == ASSISTANT]
    return any(answer.strip() for answer in (answers[-1:] if which == "last" else answers))


def ends(tokenizer: PreTrainedTokenizerBase, token: int) -> bool:
    """Return whether a token can end an answer: the end of sequence, or a token of the template's own."""
    return token == tokenizer.eos_token_id or token in tokenizer.added_tokens_decoder


def _marked(tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Turn], row: Tokens) -> Tokens:
    """Return the row with the special tokens that stand in its turns' own text."""
    names = [str(token) for token in tokenizer.all_special_tokens]
    found = {name for turn in conversation for name in names if name in turn["content"]}
    return replace(row, marks=tuple(sorted(found))) if found else row


def _encode(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[tuple[list[int], np.ndarray]]:
    """Return ids and (n, 2) character offsets of each text; the template writes all special tokens itself."""
    if not texts:
        return []
    e = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, truncation=False)
    offsets = [np.array(o, dtype=np.int64).reshape(-1, 2) for o in e["offset_mapping"]]
    return list(zip(e["input_ids"], offsets, strict=True))


def _tokens(
    tokenizer: PreTrainedTokenizerBase, r: Rendered, ids: list[int], offsets: np.ndarray, max_tokens: int
) -> Tokens:
    learnt, straddles, n_bytes = np.zeros(len(ids), dtype=bool), False, 0
    starts, stops = offsets[:, 0], np.maximum(offsets[:, 1], offsets[:, 0] + 1)  # trimmed spaces are empty
    for first, last in r.answers:
        inside = (starts < last) & (stops > first)
        straddles |= bool((inside & (starts < first)).any())
        learnt |= inside
        n_bytes += _bytes(tokenizer, r.text[:last], first, ids, starts, np.flatnonzero(inside[:max_tokens]))
    end = "template" if learnt.any() and ends(tokenizer, ids[int(np.flatnonzero(learnt)[-1])]) else "none"
    if end == "none" and tokenizer.eos_token_id is not None:
        ids, learnt, end = [*ids, int(tokenizer.eos_token_id)], np.append(learnt, True), "added"
        n_bytes += len(ids) <= max_tokens
    n, kept = len(ids), learnt[:max_tokens]
    return Tokens(
        text=r.text, ids=tuple(ids[:max_tokens]), learnt=kept, n_uncut=n, n_bytes=n_bytes,
        cut_answer_tokens=int(learnt[max_tokens:].sum()), end=end if n <= max_tokens else "cut off",
        straddles=straddles, because="" if kept.any() else _nothing_left(learnt, max_tokens),
    )  # fmt: skip


def _bytes(
    tokenizer: PreTrainedTokenizerBase, text: str, first: int, ids: list[int], starts: np.ndarray,
    kept: np.ndarray,
) -> int:  # fmt: skip
    """Return the bytes of the part of an answer that the `kept` tokens hold; the mark at its end counts 1."""
    if not len(kept):
        return 0
    k = int(kept[-1])
    if ends(tokenizer, ids[k]):
        return len(text[first : starts[k]].encode()) + 1
    stop = int(starts[k + 1]) if k + 1 < len(starts) else len(text)
    return len(text[first:stop].encode())


def _nothing_left(learnt: np.ndarray, max_tokens: int) -> str:
    if not learnt.any():
        return "the answer has no token"
    return f"the prompt alone takes {int(np.argmax(learnt))} tokens of max_tokens={max_tokens}"


def _pair(tokenizer: PreTrainedTokenizerBase, conversation: Sequence[Turn], max_tokens: int) -> Tokens:
    """Return prompt and last answer apart; the answer gets its end of sequence from us."""
    try:
        prompt = prompt_of(tokenizer, conversation)
    except Refused as why:
        return Tokens("", because=str(why))
    answer = conversation[last_answer(conversation) or 0]["content"]
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    said = tokenizer(text_target=answer, add_special_tokens=False)["input_ids"]
    end, n_said, n_bytes = "none", len(said), len(answer.encode())
    if tokenizer.eos_token_id is not None:
        said, end, n_bytes = [*said, int(tokenizer.eos_token_id)], "added", n_bytes + 1
    if len(said) > max_tokens:
        end, n_bytes = "cut off", len(str(tokenizer.decode(said[:max_tokens])).encode())
    return Tokens(
        text=prompt, ids=tuple(ids[:max_tokens]), learnt=np.zeros(min(len(ids), max_tokens), dtype=bool),
        target=answer, target_ids=tuple(said[:max_tokens]) if n_said else (), n_uncut=len(ids),
        cut_answer_tokens=max(0, len(said) - max_tokens), end=end,
        n_bytes=n_bytes if n_said else 0,
        because="" if n_said else "the answer has no token",
    )  # fmt: skip
