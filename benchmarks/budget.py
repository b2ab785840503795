"""Row budgets of 5 to 20 rows a class: does choosing rows beat stratified chance? Writes budget.json.

    ASSAY_TRUTH=... python benchmarks/budget.py        about 4 minutes on two cores

For each set, budget and method: the stage drops the other train rows, the probe learns from what is left and
is scored on the same test rows. Chance is drawn with SEEDS seeds; the other methods depend on a seed for ties
only. The difference to stratified chance is given with Student's 95 % interval over its draws. Embeddings are
MiniLM's at 64 tokens. clinc150: 40 of its 150 intents by a hash of their names, 60 train and 40 test rows
each. The stage's default, facility location, is the method that won here on both sets.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from demo import _machine
from scipy.stats import t as student

from finetune.choose import with_strength
from finetune.features import features
from finetune.linear import fit_linear, softmax
from finetune.settings import Training
from pipeline import __version__
from pipeline.apply import apply
from pipeline.dataset import Dataset, Roles
from pipeline.report.environment import versions
from pipeline.signals.engine import Engine, Signals
from pipeline.stages.select import Select

HERE = Path(__file__).parent
SEEDS = 10
BUDGETS = (5, 10, 20)  # rows a class
METHODS = {
    "stratified": {"method": "stratified"},
    "random": {"method": "random"},
    "facility location": {"method": "diverse"},
    "k-centre": {"method": "diverse", "cover": "k_centre"},
    "quality": {"method": "quality"},
    "difficulty, easy first": {"method": "difficulty", "prefer": "easy"},
    "difficulty, ambiguous first": {"method": "difficulty", "prefer": "ambiguous"},
    "difficulty, hard first": {"method": "difficulty", "prefer": "hard"},
}
SEEDED = ("stratified", "random")  # the others are the same for every seed, but for ties


def rank(row_id: str) -> bytes:
    return hashlib.blake2b(row_id.encode(), digest_size=8).digest()


def bbc(folder: Path) -> Dataset:
    table = pq.read_table(folder / "bbc_news" / "bbc_news.parquet")
    rows = table.select(["id", "text", "label"]).to_pylist()
    return dataset(rows, 10**9, 60)


def clinc(folder: Path) -> Dataset:
    table = pq.read_table(folder / "clinc150" / "clinc150_full.parquet")
    rows = [r for r in table.to_pylist() if not r["is_oos"] and r["split"] == "train"]
    chosen = set(sorted({r["label"] for r in rows}, key=rank)[:40])
    return dataset([r for r in rows if r["label"] in chosen], 60, 40)


def dataset(rows: list[dict], most_train: int, n_test: int) -> Dataset:
    """Copies out; by a hash of the id `n_test` rows a class for test, at most `most_train` for train."""
    seen: dict[str, dict] = {}
    for row in sorted(rows, key=lambda r: rank(str(r["id"]))):
        seen.setdefault(row["text"].strip(), row)
    of_class: dict[str, int] = {}
    out = []
    for row in seen.values():
        n = of_class[row["label"]] = of_class.get(row["label"], 0) + 1
        if n <= n_test + most_train:
            split = "test" if n <= n_test else "train"
            out.append({"row_id": str(row["id"]), "text": row["text"], "label": row["label"], "split": split})
    return Dataset.of(pa.Table.from_pylist(out), Roles(content=("text",), label="label"), "text")


def accuracy(x: np.ndarray, data: Dataset, kept: np.ndarray, c: float) -> float:
    classes, codes = np.unique(data.labels.astype(str), return_inverse=True)
    t = np.eye(len(classes))[codes]
    probs = softmax(x[~data.is_train], fit_linear(x[kept], t[kept], c, tolerance=1e-4))
    return float((probs.argmax(axis=1) == codes[~data.is_train]).mean())


def measure(data: Dataset, engine: Engine) -> dict:
    signals, x = Signals(data, engine), features(data, engine)
    n_classes = len(set(data.labels))
    c = with_strength(data, Training(), engine).c or 1.0
    everything = accuracy(x, data, data.is_train, c)
    out: dict = {"train_rows": int(data.is_train.sum()), "test_rows": int((~data.is_train).sum()),
                 "classes": n_classes, "all_rows": round(everything, 4), "c": c, "budgets": {}}
    for rows_a_class in BUDGETS:
        found: dict[str, list[float]] = {}
        for name, settings in METHODS.items():
            found[name] = []
            for seed in range(SEEDS if name in SEEDED else 1):
                stage = Select(budget=rows_a_class * n_classes, equal=name != "random", seed=seed, **settings)
                after = apply(data, stage.find(data, signals))
                kept = np.isin(data.ids, after.ids) & data.is_train
                found[name].append(accuracy(x, data, kept, c))
        judged = {name: against(v, found["stratified"]) for name, v in found.items()}
        out["budgets"][str(rows_a_class)] = judged
    return out


def against(values: list[float], chance: list[float]) -> dict:
    """Mean accuracy, and its difference to the mean of chance with Student's interval over chance's draws."""
    base, mean = np.array(chance), float(np.mean(values))
    spread = float(base.std(ddof=1))
    own = float(np.std(values, ddof=1)) ** 2 / len(values) if len(values) > 1 else 0.0
    half = float(student.ppf(0.975, len(base) - 1)) * (spread**2 / len(base) + own) ** 0.5
    gap = mean - float(base.mean())
    better = float((mean > base).mean())
    return {"accuracy": round(mean, 4), "difference": round(gap, 4), "low": round(gap - half, 4),
            "high": round(gap + half, 4), "beats_draws_of_chance": round(better, 2)}


def main() -> None:
    folder = Path(os.environ["ASSAY_TRUTH"])
    started = time.monotonic()
    engine = Engine({"embeddings": {"max_tokens": 64}}, workers=1)
    figures = {}
    for name, make in (("bbc_news", bbc), ("clinc150", clinc)):
        figures[name] = measure(make(folder), engine)
        print(f"{name}: {json.dumps(figures[name])}", file=sys.stderr, flush=True)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True,
                            check=True)
    record = {"command": "python benchmarks/budget.py", "commit": commit.stdout.strip(), "seeds": SEEDS,
              "machine": _machine(), "versions": versions(__version__),
              "wall_seconds": round(time.monotonic() - started), "sets": figures}
    (HERE / "budget.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
