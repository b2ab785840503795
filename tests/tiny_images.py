"""Small pictures of three colours, and small networks with random weights, saved like any other model."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pyarrow as pa

from pipeline.dataset import Dataset, Roles
from pipeline.hashing import IMAGE, image_cell

ROLES = Roles(content=("image",), label="label")
COLOURS = {"blue": (40, 60, 200), "green": (40, 190, 60), "red": (200, 50, 40)}
SIDE_PX = 32


def png(colour: tuple[int, int, int], rng: random.Random, side_px: int = 40) -> bytes:
    """A noisy ground with a coloured square on it."""
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(rng.randrange(2**32))
    pixels = noise.integers(90, 150, (side_px, side_px, 3)).astype(np.uint8)
    top, left = rng.randrange(side_px // 2), rng.randrange(side_px // 2)
    pixels[top : top + side_px // 2, left : left + side_px // 2] = colour
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def picture_rows(n: int = 60, seed: int = 0) -> list[dict]:
    rng = random.Random(seed)
    out = []
    for i in range(n):
        label = list(COLOURS)[i % 3]
        split = ("train", "train", "train", "train", "validation", "test")[i // 3 % 6]
        cell = image_cell(png(COLOURS[label], rng))
        out.append({"row_id": f"p{i:03d}", "image": cell, "label": label, "split": split, "weight": 1.0,
                    "parents": []})  # fmt: skip
    return out


def pictures(rows: list[dict]) -> Dataset:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    table = pa.table({**columns, "image": pa.array(columns["image"], IMAGE),
                      "parents": pa.array(columns["parents"], pa.large_list(pa.large_string()))})  # fmt: skip
    return Dataset.of(table, ROLES, "image")


def save_tiny_network(folder: Path, kind: str) -> Path:
    """A network of a few thousand weights with the processor of its pictures."""
    import torch
    from transformers import (
        AutoModelForImageClassification,
        MobileNetV2Config,
        ResNetConfig,
        ViTConfig,
        ViTImageProcessorPil,
    )

    configs = {
        "resnet": ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 16], depths=[1, 1, 1],
                               layer_type="basic"),
        "vit": ViTConfig(hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
                         image_size=SIDE_PX, patch_size=8, hidden_dropout_prob=0.1),
        "mobilenet": MobileNetV2Config(image_size=SIDE_PX, depth_multiplier=0.35, num_labels=5),
    }  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForImageClassification.from_config(configs[kind])
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as if it had seen pictures: statistics of its own
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    model.save_pretrained(folder)
    size = {"height": SIDE_PX, "width": SIDE_PX}
    ViTImageProcessorPil(size=size, image_mean=[0.5] * 3, image_std=[0.25] * 3).save_pretrained(folder)
    return folder
