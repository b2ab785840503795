"""The folder in which the documentation's commands run: tiny data under the names that the docs use."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pandas as pd
from conftest import WORDS, sentence

ROOT = Path(__file__).parent.parent
RECIPE = """
[data]
path = "reviews.csv"
text = "text"
label = "stars"
id = "id"

[[stages]]
use = "duplicates"
[[stages]]
use = "label_noise"

[train]
method = "probe"

[loop]
rounds = 1
replicates = 5
"""
PRELUDE = """
import numpy as np
import pandas as pd

frame = pd.read_csv("reviews.csv")
probabilities = np.full((len(frame), frame["stars"].nunique()), 1 / frame["stars"].nunique())
"""  # what a python block of the docs may take for granted


def prepare(folder: Path) -> Path:
    """Write reviews.csv, reviews.parquet, recipe.toml and, out of the guide itself, reviews.toml."""
    rng = random.Random(3)
    topics = [topic for topic in WORDS for _ in range(20)]
    stars = {topic: str(n) for n, topic in enumerate(sorted(WORDS), 1)}
    rows = [{"id": f"r{1200 + i:05d}", "text": sentence(topic, rng, 14), "stars": stars[topic]}
            for i, topic in enumerate(topics)]  # fmt: skip
    for one, two in ((27, 34), (1, 2), (3, 4), (21, 22), (41, 42), (43, 44)):
        rows[two]["text"] = rows[one]["text"]  # r01234 and others are copies
    frame = pd.DataFrame(rows)
    frame.to_csv(folder / "reviews.csv", index=False)
    frame.rename(columns={"text": "body"}).drop(columns="id").to_parquet(folder / "reviews.parquet")
    (folder / "recipe.toml").write_text(RECIPE)
    printed = re.search(r"```toml\n(.+?)```", (ROOT / "docs" / "guide.md").read_text("utf-8"), re.DOTALL)[1]
    for large, little in (('method = "partial"', 'method = "probe"'), ("replicates = 20", "replicates = 5")):
        assert large in printed
        printed = printed.replace(large, little)
    (folder / "reviews.toml").write_text(printed)
    return folder
