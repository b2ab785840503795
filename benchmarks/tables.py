"""Measure what Assay finds in tables against known truth, and write tables.json.

    ASSAY_TRUTH=FOLDER python benchmarks/tables.py           about 4 minutes on one core
    ASSAY_TRUTH=FOLDER python benchmarks/tables.py records   one part of it

Parts: cells, planted, counts, missing, records, outliers. What settings were chosen on: the beers table was
in view when the rules for units and for two values in one cell were written, and its figures are no test of
them; thresholds were set on the first 8,000 rows of adult (seed 1) and on scikit-learn's breast cancer and
wine tables (seed 3) with planted errors; `planted` has other rows of adult and another seed. The threshold of
`records` is chosen on the set's valid pairs. "format rules alone" are the rules for units, missing strings,
rare shapes and numbers far out of their column: no dependencies, spellings or models.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.dataset import Dataset, Roles
from pipeline.modalities import modality
from pipeline.recipe import build_stage
from pipeline.run import run_stage
from pipeline.signals.engine import Engine

JSON = Path(__file__).with_suffix(".json")
TABULAR = modality("tabular")
FORMAT_RULES = {
    "clean": {"fill": "none", "spelling": False},
    "cells": {"dependencies": False, "models": False},
}
OURS: dict[str, dict[str, Any]] = {"clean": {"fill": "none"}, "cells": {}}


def truth() -> Path:
    if "ASSAY_TRUTH" not in os.environ:
        raise SystemExit("set ASSAY_TRUTH to the folder of sets with known truth")
    return Path(os.environ["ASSAY_TRUTH"])


def dataset(frame: pd.DataFrame) -> Dataset:
    cells = {}
    for name in frame.columns:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        plain = numbers.notna().all()
        cells[name] = pa.array(numbers.tolist() if plain else frame[name].tolist())
    ids = [f"{i:06d}" for i in range(len(frame))]
    return Dataset.of(pa.table({"row_id": ids, **cells}), Roles(content=tuple(frame.columns)), "tabular")


Cell = tuple[int, str]


def edited(frame: pd.DataFrame, settings: dict[str, dict[str, Any]]) -> dict[Cell, dict[str, Any]]:
    """Return the last edit of each cell that `clean` and then `cells` name."""
    data, found = dataset(frame), {}
    for name, own in settings.items():
        step = run_stage(data, build_stage(name, {"tabular": own}, "tabular"), Engine())
        for edit in step.findings.rows():
            if edit["row_id"] and edit["column"]:
                found[int(edit["row_id"]), edit["column"]] = edit
        data = step.after
    return found


def scores(found: set[Cell], wrong: set[Cell]) -> dict[str, Any]:
    right = len(found & wrong)
    return {"wrong": len(wrong), "found": len(found), "right": right,
            "precision": round(right / len(found), 4) if found else None,
            "recall": round(right / len(wrong), 4) if wrong else None,
            "f1": round(2 * right / (len(found) + len(wrong)), 4) if found or wrong else None}


def cells() -> dict[str, Any]:
    """Beers: real wrong cells against the clean twin; both as text."""
    folder = truth() / "dirty_tables"
    dirty, clean = (
        pd.read_csv(folder / f"beers_{k}.csv", dtype=str, keep_default_na=False).drop(columns="index")
        for k in ("dirty", "clean")
    )
    wrong = {(int(i), c) for c in dirty for i in np.flatnonzero(dirty[c] != clean[c])}
    out: dict[str, Any] = {}
    for name, settings in (("format rules alone", FORMAT_RULES), ("assay", OURS)):
        started = time.monotonic()
        found = edited(dirty, settings)
        sets = {cell: e for cell, e in found.items() if e["action"] == "set"}
        same = sum(("" if e["value"] is None else e["value"]) == clean[c][i] for (i, c), e in sets.items())
        out[name] = {**scores(set(found), wrong), "seconds": round(time.monotonic() - started, 1),
                     "repairs": len(sets), "repairs_right": same,
                     "by_column": {c: scores(_of(found, c), _of(wrong, c)) for c in dirty}}
    return out


def _of(cells: Iterable[Cell], column: str) -> set[Cell]:
    return {cell for cell in cells if cell[1] == column}


def plant(frame: pd.DataFrame, seed: int, rate: float = 0.01) -> tuple[pd.DataFrame, dict[Cell, str]]:
    """Return the table with three kinds of errors in every column, each in `rate` of its cells, and where."""
    rng, frame, where = np.random.default_rng(seed), frame.astype(str).copy(), {}
    for column in frame.columns:
        is_number = pd.to_numeric(frame[column], errors="coerce").notna().mean() > 0.9
        slips = ("times 1000", "times 10") if is_number else ("typing error", "typing error")
        kinds, cells = (*slips, "swapped"), frame[column].to_numpy(dtype=object, copy=True)
        given = cells.copy()
        rows = rng.permutation(len(frame))[: 3 * int(rate * len(frame))]
        for k, i in enumerate(rows):
            kind, old = kinds[k % 3], cells[i]
            new = given[rng.integers(len(given))] if kind == "swapped" else _spoilt(old, kind, rng)
            if new != old:
                cells[i], where[int(i), column] = new, kind
        frame[column] = cells
    return frame, where


def _spoilt(cell: str, kind: str, rng: np.random.Generator) -> str:
    if kind.startswith("times"):
        return f"{float(cell) * int(kind.split()[1]):.15g}"
    p = int(rng.integers(1, max(2, len(cell) - 1)))
    letter = "abcdefghijklmnopqrstuvwxyz"[rng.integers(26)]
    ways = (cell[:p] + letter + cell[p:], cell[:p] + cell[p + 1 :], cell[:p] + letter + cell[p + 1 :],
            cell[: p - 1] + cell[p : p + 1] + cell[p - 1 : p] + cell[p + 1 :])
    return ways[rng.integers(4)]


def planted() -> dict[str, Any]:
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

    part = adult().drop(columns="income").iloc[8000:16000].reset_index(drop=True)
    tables = {"adult rows 8,000 to 15,999": part}
    for name, load in (("cancer", load_breast_cancer), ("wine", load_wine), ("diabetes", load_diabetes)):
        tables[name] = load(as_frame=True).data
    out = {}
    for name, table in tables.items():
        dirty, where = plant(table, seed=11)
        out[name] = {}
        for how, settings in (("format rules alone", FORMAT_RULES), ("assay", OURS)):
            found = edited(dirty, settings)
            kinds = {kind: [cell in found for cell, k in where.items() if k == kind]
                     for kind in sorted(set(where.values()))}
            out[name][how] = {**scores(set(found), set(where)),
                              "recall_by_kind": {k: round(float(np.mean(v)), 3) for k, v in kinds.items()}}
    return out


def adult() -> pd.DataFrame:
    frame = pd.read_parquet(truth() / "adult" / "adult.parquet")
    return frame.apply(lambda column: column.str.strip())


def counts() -> dict[str, Any]:
    """Adult: cells that are "?", rows that repeat another, near copies, share of the smaller class."""
    raw = pd.read_parquet(truth() / "adult" / "adult.parquet")
    data = dataset(raw)
    step = run_stage(data, build_stage("clean", {"tabular": {"missing_in_text": True}}, "tabular"), Engine())
    null = sum(e["value"] is None for e in step.findings.rows())
    data = dataset(adult())
    pairs = TABULAR.pairs(data.content, 0.9, data.is_train)
    copies = len(data.ids) - len(set(TABULAR.identity(data.content)))
    near = (pairs.similarity >= TABULAR.near_copy) & (pairs.similarity < 1)
    true = adult()
    return {"missing_cells_found": null, "missing_cells_true": int((true == "?").sum().sum()),
            "exact_duplicates_found": copies, "exact_duplicates_true": int(true.duplicated().sum()),
            "near_pairs": int(near.sum()),
            "positive_fraction": round(float((true["income"] == ">50K").mean()), 4)}


def missing() -> dict[str, Any]:
    """Root mean square error of filled numbers in standard deviations, 10 % of held-out cells masked."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
    from sklearn.impute import SimpleImputer

    out = {}
    names = ["age", "education_num", "hours_per_week", "capital_gain", "workclass", "education",
             "marital_status", "occupation", "relationship", "sex"]
    tables = {name: load(as_frame=True).data for name, load in (
        ("cancer", load_breast_cancer), ("wine", load_wine), ("diabetes", load_diabetes))}
    tables["adult"] = adult()[names].iloc[:6000]
    for name, table in tables.items():
        frame = table.apply(lambda c: pd.to_numeric(c, errors="coerce") if c.name in names[:4] else c)
        numbers = frame.select_dtypes("number").astype(float)
        rng, train = np.random.default_rng(5), np.arange(len(frame)) % 3 != 0
        hidden = (rng.random(numbers.shape) < 0.1) & ~train[:, None]
        masked = numbers.mask(hidden)
        spread = numbers[train].std().to_numpy() + 1e-12
        simple = SimpleImputer().fit(masked[train]).transform(masked)
        lines = {"scikit-learn SimpleImputer(mean)": simple}
        content = pa.Table.from_pandas(frame.assign(**masked), preserve_index=False)
        for fill in ("median", "knn", "iterative"):
            options = {"fill": fill}
            state = TABULAR.fit_rows(content.filter(pa.array(train)), options)
            filled = masked.to_numpy(copy=True)
            for change in TABULAR.repair_rows(content, options, state):
                if change.column in numbers:
                    filled[change.row, numbers.columns.get_loc(change.column)] = change.value
            lines[fill] = filled
        errors = {how: ((x - numbers.to_numpy()) / spread)[hidden] for how, x in lines.items()}
        out[name] = {how: round(float(np.sqrt(np.mean(e**2))), 4) for how, e in errors.items()}
    return out


def records() -> dict[str, Any]:
    """Fodors-Zagats: F1 of pairs, the threshold from the valid ones; without `class`, which is the answer."""
    pairs = pd.read_parquet(truth() / "entity_pairs" / "fodors-zagats.parquet")
    rows: list[dict[str, str]] = []
    place: dict[tuple[str, str], int] = {}
    ends = []
    for side in ("left", "right"):
        for text in pairs[side]:
            if (side, text) not in place:
                place[side, text] = len(rows)
                parts = re.split(r"COL (\w+) VAL ?", text)[1:]
                cells = dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
                rows.append({name: cell for name, cell in cells.items() if name != "class"})
        ends.append([place[side, text] for text in pairs[side]])
    started = time.monotonic()
    found = TABULAR.pairs(pa.Table.from_pylist(rows), 0.4, None)
    seconds = time.monotonic() - started
    keys = zip(found.left.tolist(), found.right.tolist(), strict=True)
    similar = dict(zip(keys, found.similarity.tolist(), strict=True))
    score = np.array([similar.get((min(e), max(e)), 0.0) for e in zip(*ends, strict=True)])
    match, split = pairs["match"].to_numpy() == 1, pairs["split"].to_numpy()

    def f1(part: np.ndarray, threshold: float) -> float:
        said = score[part] >= threshold
        return float(2 * (said & match[part]).sum() / (said.sum() + match[part].sum()))

    valid, test = split == "valid", split == "test"
    best = max(np.unique(score[valid & (score > 0)]), key=lambda t: f1(valid, t))
    return {"threshold": round(float(best), 3), "f1_valid": round(f1(valid, best), 4),
            "f1_test": round(f1(test, best), 4), "test_matches": int(match[test].sum()),
            "candidates_of_matches": round(float((score[match] > 0).mean()), 4), "seconds": round(seconds, 2)}


def outliers() -> dict[str, Any]:
    """AUROC and average precision of `anomalies` on each scaling, and of IsolationForest in the same run."""
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import average_precision_score, roc_auc_score

    out: dict[str, Any] = {}
    for path in sorted((truth() / "adbench_outliers").glob("*.parquet")):
        frame = pd.read_parquet(path)
        rare, frame = frame["is_outlier"].to_numpy(), frame.drop(columns="is_outlier").astype(float)
        lines = {"IsolationForest": -IsolationForest(random_state=0).fit(frame).score_samples(frame)}
        data = dataset(frame)
        for scaling in ("robust", "standard", "quantile", "minmax"):
            engine = Engine({"embeddings": {"encoder": scaling}})
            found = run_stage(data, build_stage("anomalies", {}, "tabular"), engine).findings.scores
            lines[f"anomalies, {scaling}"] = 1 - found["score"].to_numpy()
        out[path.stem] = {name: {"auroc": round(float(roc_auc_score(rare, s)), 3),
                                 "average_precision": round(float(average_precision_score(rare, s)), 3)}
                          for name, s in lines.items()}
    return out


PARTS = {f.__name__: f for f in (cells, planted, counts, missing, records, outliers)}


def main() -> None:
    from pipeline import __version__
    from pipeline.report.environment import versions

    wanted = sys.argv[1:] or list(PARTS)
    figures = json.loads(JSON.read_text("utf-8")) if JSON.is_file() else {}
    for name in wanted:
        started = time.monotonic()
        figures[name] = PARTS[name]()
        figures.setdefault("wall_seconds", {})[name] = round(time.monotonic() - started, 1)
        print(name, json.dumps(figures[name], indent=1), file=sys.stderr)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=JSON.parent, capture_output=True,
                            text=True, check=True)
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if "model name" in line]
    figures |= {"command": "ASSAY_TRUTH=FOLDER python benchmarks/tables.py", "commit": commit.stdout.strip(),
                "machine": f"{os.cpu_count()} cores of {names[0] if names else 'unknown'}",
                "versions": versions(__version__), "seeds": {"planted": 11, "missing": 5, "outliers": 0}}
    JSON.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
