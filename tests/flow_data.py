"""A small table and its recipe: a whole run in a few seconds, with no encoder to load."""

from __future__ import annotations

import csv
from pathlib import Path

from conftest import table_rows

RECIPE = """
title = "table"
[data]
path = "rows.csv"
columns = ["colour", "x", "y"]
label = "label"
id = "row_id"
split = "split"

[[stages]]
use = "clean"
[[stages]]
use = "label_noise"
[[stages]]
use = "rebalance"

[train]
method = "probe"

[loop]
rounds = 1
replicates = 5
"""


def write_table_recipe(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = table_rows()
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    return recipe
