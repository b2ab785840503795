"""One run of a small recipe, without training, in a workspace: what was computed, why, and what came of it.

python rerun_data.py RECIPE WORKSPACE      prints it as JSON
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

from pipeline.recipe import load_recipe
from pipeline.run import curate
from pipeline.signals.engine import Engine
from pipeline.source import open_data
from pipeline.store import Store

RECIPE = """title = "rerun"
seed = 0
[data]
path = "rows.csv"
text = "text"
label = "label"
id = "row_id"
split = "split"
[[stages]]
use = "clean"
[[stages]]
use = "quality"
[[stages]]
use = "duplicates"
threshold = 0.55
[[stages]]
use = "rebalance"
method = "over"
[[stages]]
use = "augment"
target = "rare"
"""


def write_folder(folder: Path, rows: list[dict]) -> Path:
    """Write data and recipe, return the recipe's path."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "recipe.toml").write_text(RECIPE)
    return folder / "recipe.toml"


def once(recipe: Path, workspace: Path) -> dict:
    told: list[str] = []
    plan, store = load_recipe(recipe), Store(workspace, tell=told.append)
    engine = Engine(plan.signals, store)
    opened = open_data(plan, store)
    steps = curate(opened.dataset, plan.stages, engine, store)
    return {
        "told": told, "stages": [s.stage.name for s in steps if not s.cached], "signals": engine.computed,
        "ingested": any(line.startswith("ingest ") or line.startswith("ingest:") for line in told),
        "inputs": [[s.stage.name, s.before.fingerprint] for s in steps], "after": steps[-1].after.fingerprint,
        "edits": sum(s.findings.edits.num_rows for s in steps),
    }  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(once(Path(sys.argv[1]), Path(sys.argv[2]))))
