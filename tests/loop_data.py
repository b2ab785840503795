"""A recipe and data for the loop's tests: three topics, one of them spoilt on purpose."""

from __future__ import annotations

import json
import random
from pathlib import Path

from conftest import WORDS, sentence

RECIPE = """
title = "loop"
[data]
path = "rows.jsonl"
text = "text"
label = "label"
id = "id"
split = "split"

[[stages]]
use = "clean"
[[stages]]
use = "duplicates"
[[stages]]
use = "label_noise"
action = "flag"
[[stages]]
use = "rebalance"
[[stages]]
use = "augment"
target = "focus"

[loop]
rounds = {rounds}
replicates = 5
"""


def write_recipe(folder: Path, weak: str | None = None, rounds: int = 2, stages: str = "") -> Path:
    """Write data and recipe; most train labels of the class `weak` are wrong, so no model can learn it."""
    rng = random.Random(7)
    rows = []
    for topic in WORDS:
        for split, n in (("train", 36), ("validation", 20), ("test", 20)):
            for k in range(n):
                label = topic
                if split == "train" and topic == weak and k % 4:
                    label = sorted(set(WORDS) - {topic})[k % 2]
                row_id, text = f"{topic}-{split}-{k}", sentence(topic, rng)
                rows.append({"id": row_id, "text": text, "label": label, "split": split})
    rows.append({**rows[0], "id": "copy"})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.format(rounds=rounds) + stages)
    return recipe
