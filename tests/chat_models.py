"""Tokenizers with chat templates of different kinds, tiny models, and conversations to learn."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa

from pipeline.dataset import Dataset, Roles

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = (  # trims, opens with a beginning, ends turns with a token that is not the end of sequence
    "{{ bos_token }}{% for message in messages %}"
    "<|head|>{{ message['role'] }}<|/head|>\n\n{{ message['content'] | trim }}<|eot|>"
    "{% endfor %}{% if add_generation_prompt %}<|head|>assistant<|/head|>\n\n{% endif %}"
)
MISTRAL = (  # no header before an answer, no system turn, turns must take turns
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
    "{% if message['role'] == 'user' %}[INST] {{ message['content'] }} [/INST]"
    "{% else %} {{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
THINKING = (  # the last turn is written differently, so fewer turns do not begin the whole text
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|head|>", "<|/head|>", "<|eot|>"]
WORDS = [f"{kind}{i}" for kind in ("cat", "dog", "cow") for i in range(8)]


def tokenizer(template: str | None, eos: str = "</s>", merges: str = "", unknown: bool = False):
    """Return a byte-level BPE tokenizer learnt from a few words, and from `merges` where text must merge."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    if not merges:
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel() if not merges else decoders.Fuse()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet()) if not merges else sorted(set(merges))
    size = len(alphabet) + len(SPECIAL) + 60
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIAL, show_progress=False, initial_alphabet=alphabet
    )
    bpe.train_from_iterator([merges] * 3 if merges else [" ".join(WORDS)] * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token=eos, pad_token="<pad>", chat_template=template,
        additional_special_tokens=[s for s in SPECIAL if s not in ("<s>", eos, "<pad>")],
    )  # fmt: skip


def save_causal(folder: Path, template: str | None = CHATML, eos: str = "<|im_end|>") -> Path:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    words = tokenizer(template, eos)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(words), n_positions=128, n_embd=32, n_layer=2, n_head=2, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=words.eos_token_id,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def save_seq2seq(folder: Path) -> Path:
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    words = tokenizer(None)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(words), d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, dropout_rate=0.0,
        pad_token_id=0, eos_token_id=words.eos_token_id, decoder_start_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def ask(*turns: str) -> list[dict[str, str]]:
    """Return turns of user and assistant, one after the other."""
    return [{"role": ("user", "assistant")[k % 2], "content": turn} for k, turn in enumerate(turns)]


def chats(rows: list[dict]) -> Dataset:
    return Dataset.of(pa.Table.from_pylist(rows), Roles(content=("messages",)), "sft")


def echoes(n: int = 60, seed: int = 0) -> list[dict]:
    """Rows whose answer is a word of the question: what a tiny model can learn."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        word = WORDS[rng.randrange(6)]
        split = ("train", "train", "train", "validation", "test")[i % 5]
        row = {"row_id": f"e{i:03d}", "messages": ask(f"say {word}", word), "split": split}
        rows.append({**row, "weight": 1.0})
    return rows
