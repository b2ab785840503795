"""Transfer: photos of ants and bees by the methods for images; writes transfer.json.

    ASSAY_TRUTH=... python benchmarks/transfer.py      about 5 minutes on two cores

243 train photos, 153 of the published validation split as the test; the one placeholder GIF is left out here
(finding it is another benchmark's matter). The probe's penalty is chosen by
cross-validation on the train photos, and so were the rates.
Counts are small, so each accuracy has its exact 95 % interval. Both networks have seen ImageNet, and these
photos are a part of it: what is measured is that transfer works, not how well it would elsewhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from finetune.choose import with_strength
from finetune.settings import Training
from finetune.train import fit
from finetune.weak import exact_interval
from pipeline.dataset import Dataset, Roles
from pipeline.hashing import IMAGE, image_cell
from pipeline.signals.engine import Engine

HERE = Path(__file__).parent
JSON = HERE / "transfer.json"
ROLES = Roles(content=("image",), label="label")


def photos() -> Dataset:
    rows = pq.read_table(_truth("hymenoptera_photos/hymenoptera_320.parquet")).to_pylist()
    rows = [row for row in rows if row["format"] != "GIF"]
    table = pa.table({
        "row_id": [row["id"] for row in rows], "label": [row["label"] for row in rows],
        "image": pa.array([image_cell(row["image"]) for row in rows], IMAGE),
        "split": [{"train": "train", "val": "test"}[row["split"]] for row in rows],
    })  # fmt: skip
    return Dataset.of(table, ROLES, "image")


def trainings() -> dict[str, tuple[Training, int]]:
    """Return what is measured, and on how many seeds."""
    mobilenet = str(_truth("mobilenet_v2_weights"))
    return {
        "efficientnet-lite0, probe": (Training(method="probe"), 1),
        "efficientnet-lite0, partial": (Training(method="partial"), 3),
        "mobilenet_v2, partial": (Training(method="partial", model=mobilenet), 3),
        "efficientnet-lite0, full": (Training(method="full"), 1),
        "mobilenet_v2, full": (Training(method="full", model=mobilenet), 1),
    }


def measured(data: Dataset, training: Training, seed: int) -> dict[str, object]:
    held = data.where(data.splits == "test")
    with tempfile.TemporaryDirectory() as folder:
        started, used = time.monotonic(), time.process_time()
        training = with_strength(data, training, Engine()) if training.method == "probe" else training
        model = fit(data, training, Engine(), seed, Path(folder) / "m")
        seconds, cpu = time.monotonic() - started, time.process_time() - used
        said = np.array(model.classes)[model.predict(held, Engine()).argmax(axis=1)]
    right = int((said == held.labels).sum())
    low, high = exact_interval(right, held.n_rows)
    return {"seed": seed, "right": right, "of": held.n_rows, "accuracy": round(right / held.n_rows, 4),
            "low": round(low, 4), "high": round(high, 4), "fit_seconds": round(seconds, 1),
            "fit_cpu_seconds": round(cpu, 1)}  # fmt: skip


def about_this_run(command: str) -> dict[str, object]:
    """Return what a figure needs to be believed: command, commit, machine, versions."""
    from pipeline import __version__
    from pipeline.report.environment import machine, versions

    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True
    )
    return {"command": command, "commit": commit.stdout.strip(), "machine": machine(),
            "versions": versions(__version__)}  # fmt: skip


def _truth(path: str) -> Path:
    return Path(os.environ["ASSAY_TRUTH"]) / path


def main() -> None:
    data = photos()
    counts = {name: int((data.splits == name).sum()) for name in ("train", "test")}
    found: dict[str, list[dict[str, object]]] = {}
    facts = about_this_run("python benchmarks/transfer.py") | {"rows": counts, "methods": found}
    for name, (training, n_seeds) in trainings().items():
        for seed in range(n_seeds):
            found.setdefault(name, []).append(measured(data, training, seed))
            print(name, found[name][-1], file=sys.stderr, flush=True)
        JSON.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
