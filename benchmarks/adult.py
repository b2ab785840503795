"""Tables: Assay's methods against scikit-learn's gradient boosting, on adult; writes adult.json.

    ASSAY_TRUTH=... python benchmarks/adult.py        about 5 minutes on two cores

One split a seed: 70 % train, 10 % validation, 20 % test, drawn anew. The yardstick is
`HistGradientBoostingClassifier` with its defaults on pandas categories, on train and validation rows.
Settings of ours were chosen on a split (seed 100) that is not among those reported.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transfer import about_this_run

from finetune.settings import Training
from finetune.train import fit
from pipeline.dataset import Dataset, Roles
from pipeline.signals.engine import Engine

JSON = Path(__file__).parent / "adult.json"
SEEDS = (0, 1, 2, 3, 4)
NUMBERS = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
OURS = {"probe": Training(method="probe"), "tabm": Training(method="full"),
        "boosting": Training(method="boosting")}  # fmt: skip


def adult(seed: int) -> Dataset:
    """Return the table as it lies there, text with leading spaces, with one random split."""
    table = pq.read_table(Path(os.environ["ASSAY_TRUTH"]) / "adult" / "adult.parquet")
    n = table.num_rows
    drawn = np.random.default_rng(seed).permutation(n)
    splits = np.full(n, "train", dtype=object)
    splits[drawn[: n // 5]], splits[drawn[n // 5 : n // 5 + n // 10]] = "test", "validation"
    ids = pa.array([f"{i:06d}" for i in range(n)])
    table = table.append_column("row_id", ids).append_column("split", pa.array(splits.tolist()))
    content = tuple(c for c in table.column_names if c not in ("income", "row_id", "split"))
    return Dataset.of(table, Roles(content=content, label="income"), "tabular")


def yardstick(data: Dataset, seed: int) -> tuple[np.ndarray, float]:
    """Return scikit-learn's probabilities of the test rows, and its seconds of processor time."""
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame = data.content.to_pandas()
    for name in frame:
        frame[name] = pd.to_numeric(frame[name]) if name in NUMBERS else frame[name].astype("category")
    train = data.splits != "test"  # it takes a tenth for validation by itself, as we are given one
    started = time.process_time()
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed)
    model.fit(frame[train], data.labels[train].astype(str))
    return model.predict_proba(frame[data.splits == "test"]), time.process_time() - started


def ours(data: Dataset, training: Training, seed: int) -> tuple[np.ndarray, float]:
    """Return our probabilities of the test rows, and the seconds of processor time of the fit."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        model = fit(data, training, Engine(), seed, Path(folder) / "m")
        seconds = time.process_time() - started
        return model.predict(data.where(data.splits == "test"), Engine()), seconds


def scores(probs: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import f1_score, log_loss, roc_auc_score

    return {"accuracy": float((probs.argmax(axis=1) == truth).mean()),
            "roc_auc": float(roc_auc_score(truth, probs[:, 1])), "log_loss": float(log_loss(truth, probs)),
            "macro_f1": float(f1_score(truth, probs.argmax(axis=1), average="macro"))}  # fmt: skip


def interval(values: list[float]) -> dict[str, float]:
    """Return the mean over seeds with its 95 % t interval."""
    from scipy.stats import t

    mean, n = float(np.mean(values)), len(values)
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5) if n > 1 else float("nan")
    return {"mean": round(mean, 5), "low": round(mean - half, 5), "high": round(mean + half, 5)}


def main() -> None:
    found: dict[str, list[dict[str, float]]] = {}
    for seed in SEEDS:
        data = adult(seed)
        truth = np.unique(data.labels[data.splits == "test"].astype(str), return_inverse=True)[1]
        runs = {"scikit-learn, defaults": yardstick(data, seed)}
        runs |= {f"assay {name}": ours(data, training, seed) for name, training in OURS.items()}
        for name, (probs, seconds) in runs.items():
            run = {**scores(probs, truth), "cpu_seconds": round(seconds, 1)}
            found.setdefault(name, []).append(run)
            print(seed, name, run, file=sys.stderr, flush=True)
    first = "scikit-learn, defaults"
    figures = {
        name: {metric: interval([run[metric] for run in runs]) for metric in runs[0]}
        for name, runs in found.items()
    }
    minus = {
        name: {metric: interval([a[metric] - b[metric] for a, b in zip(runs, found[first], strict=True)])
               for metric in runs[0]}
        for name, runs in found.items() if name != first
    }  # fmt: skip
    facts = about_this_run("python benchmarks/adult.py")
    facts |= {"seeds": list(SEEDS), "rows": {"train": 22_793, "validation": 3_256, "test": 6_512},
              "methods": figures, f"minus {first}, paired": minus}  # fmt: skip
    JSON.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
