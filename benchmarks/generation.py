"""Does curation make a model answer better? Raw against curated instruction pairs, on held-out loss.

From the repository's root:

    python benchmarks/generation.py            about 3 minutes on two cores
    python benchmarks/generation.py --keep     leave the workspace, to look at its report

The demo's instruction pairs with stated faults in the train rows are audited, whoever reviews them accepts
every flag of the issues below and drops those rows, and a recipe applies that and what needs no review. The
model "tiny" is trained from scratch on raw and on curated rows, with the same seeds, settings and number of
steps, and judged on the same test answers, which nobody spoilt; the raw rows hold copies of some, which helps
raw. Settings of stages and training were chosen on seed 11 of the maker.
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

import pyarrow.parquet as pq

from pipeline.demo.pairs import make

HERE = Path(__file__).parent
SEED = 0
ACCEPTED = ("truncated_answer", "refused_answer", "prompt_repeated", "template_token", "wrong_language",
            "format_violation", "low_information", "contradiction")  # fmt: skip
RECIPE = """title = "instruction pairs"
seed = 0

[data]
path = "pairs.jsonl"
id = "id"
split = "split"

[[stages]]
use = "review"
decisions = "decisions.csv"

[[stages]]
use = "clean"

[[stages]]
use = "quality"

[[stages]]
use = "duplicates"

[loop]
rounds = 1

[train]
model = "tiny"
epochs = 10
max_tokens = 128
seeds = 3
generate_rows = 100
"""


def measure(folder: Path) -> dict:
    make(folder, folder / "truth", faults=True, seed=SEED)
    (folder / "recipe.toml").write_text(RECIPE)
    started = time.monotonic()
    dropped = review(folder)
    done = assay(folder, "run", str(folder / "recipe.toml"))
    seconds = time.monotonic() - started
    out = json.loads(done)
    truth = json.loads((folder / "truth" / "truth.json").read_text())
    keys = ("loss_per_token", "perplexity", "rouge_l", "exact_match")
    return {
        "wall_seconds": round(seconds),
        "planted": {p["fault"]: len(p["rows"]) for p in truth["planted"]},
        "dropped_by_review": dropped,
        "stages": out["stages"],
        "comparison": out["evaluation"]["comparisons"][0],
        **{side: {k: out["evaluation"][side]["metrics"][k] for k in keys} for side in ("raw", "curated")},
    }


def review(folder: Path) -> int:
    """Write the decisions of someone who accepts the flags, and return how many rows they drop."""
    out = folder / "audit"
    columns = ("--id-column", "id", "--split-column", "split")
    assay(folder, "audit", str(folder / "pairs.jsonl"), *columns, "-o", str(out))
    lines = (folder / "pairs.jsonl").read_text().splitlines()
    train = {row["id"] for row in map(json.loads, lines) if row["split"] == "train"}
    edits = pq.read_table(out / "findings.parquet").to_pylist()
    rows = sorted({e["row_id"] for e in edits if e["issue"] in ACCEPTED and e["row_id"] in train})
    decided = "".join(f"{row_id},drop,\n" for row_id in rows)
    (folder / "decisions.csv").write_text(f"row_id,decision,new_label\n{decided}")
    return len(rows)


def assay(folder: Path, *words: str) -> str:
    command = [str(Path(sys.executable).parent / "assay"), *words, "--json", "-w", str(folder / "workspace")]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


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
