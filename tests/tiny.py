"""A tiny encoder with random weights and its own word list, saved like any other model."""

from __future__ import annotations

import random
from pathlib import Path

from pipeline.dataset import Dataset, Roles

ROLES = Roles(content=("text",), label="y")
KINDS = ("ball", "coin", "note")
WORDS = [f"{kind}{i}" for kind in (*KINDS, "the") for i in range(12)]


def save_tiny_encoder(folder: Path, layers: int = 3) -> Path:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=64)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def rows(n=90, seed=0):
    rng = random.Random(seed)
    out = []
    for i in range(n):
        k = i % 3
        drawn = [KINDS[k] if rng.random() < 0.6 else "the" for _ in range(rng.randrange(6, 20))]
        words = [f"{word}{rng.randrange(12)}" for word in drawn]
        split = ("train", "train", "train", "train", "validation", "test")[i // 3 % 6]
        row = {"row_id": f"r{i:03d}", "text": " ".join(words), "y": KINDS[k], "split": split}
        out.append({**row, "weight": 1.0, "parents": []})
    return out


def dataset(some_rows):
    return Dataset.of({k: [r[k] for r in some_rows] for k in some_rows[0]}, ROLES, "text")
