"""A recipe over the table fixture: a whole run of it takes seconds, since a table needs no encoder."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import table_rows

RECIPE = """
[data]
path = "rows.jsonl"
columns = ["colour", "x", "y"]
label = "label"
id = "row_id"
split = "split"
modality = "tabular"
[[stages]]
use = "clean"
[[stages]]
use = "duplicates"
[loop]
rounds = 1
replicates = 5
"""


def write_table_recipe(folder: Path) -> Path:
    """Write data and recipe, return the recipe's path."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table_rows()))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder / "recipe.toml"
