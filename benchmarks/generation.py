"""Does curation make a model answer better? Raw against curated instruction pairs, on held-out loss.

From the repository's root:

    python benchmarks/generation.py            about 3 minutes on two cores
    python benchmarks/generation.py --keep     leave the workspace, to look at its report

The demo's instruction pairs with stated faults in the train rows are curated by a recipe, and the model
"tiny" is trained from scratch on raw and on curated rows, with the same seeds and settings, and judged on the
same test answers, which nobody spoilt. Settings of stages and training were chosen on seed 11 of the maker.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from pipeline.demo.pairs import make

HERE = Path(__file__).parent
SEED = 0
RECIPE = """title = "instruction pairs"
seed = 0

[data]
path = "pairs.jsonl"
id = "id"
split = "split"

[[stages]]
use = "clean"

[[stages]]
use = "quality"

[[stages]]
use = "duplicates"
conflicting = "drop"

[loop]
rounds = 1

[train]
model = "tiny"
epochs = 8
seeds = 3
generate_rows = 100
"""


def measure(folder: Path) -> dict:
    make(folder, folder / "truth", faults=True, seed=SEED)
    (folder / "recipe.toml").write_text(RECIPE)
    command = [str(Path(sys.executable).parent / "assay"), "run", str(folder / "recipe.toml"), "--json", "-w",
               str(folder / "workspace")]  # fmt: skip
    started = time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.monotonic() - started
    out = json.loads(done.stdout)
    truth = json.loads((folder / "truth" / "truth.json").read_text())
    keys = ("loss_per_token", "perplexity", "rouge_l", "exact_match")
    return {
        "wall_seconds": round(seconds),
        "planted": {p["fault"]: len(p["rows"]) for p in truth["planted"]},
        "stages": out["stages"],
        "comparison": out["evaluation"]["comparisons"][0],
        **{side: {k: out["evaluation"][side]["metrics"][k] for k in keys} for side in ("raw", "curated")},
    }


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="assay-generation-"))
    figures = measure(folder)
    if "--keep" in sys.argv:
        print(f"kept {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    figures |= {
        "command": "python benchmarks/generation.py",
        "commit": subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip(),
        "seed": SEED,
        "recipe": RECIPE,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy")},
    }
    (HERE / "generation.json").write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    print(figures["comparison"]["because"])


if __name__ == "__main__":
    main()
