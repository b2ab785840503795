"""Breast cancer (569 rows, 30 measures, from scikit-learn) as a raw table, with or without planted faults."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SPLITS = (("train", 0.6), ("validation", 0.1), ("test", 0.3))
SKEW = 4  # benign train rows for each malignant one
EXACT_COPIES, FUZZY_COPIES = 15, 20
WRONG_LABEL_FRACTION = 0.1  # of train rows
MISSING_FRACTION = 0.02  # of all cells, held-out rows too
UNIT_FRACTION = 0.1  # of the cells of one column
OUTLYING_CELLS = 20
UNIT_COLUMN, UNIT = "mean_radius", "mm"
_COPIES = ["exact_duplicate", "near_duplicate", "conflicting_labels", "leakage"]


@dataclass
class _Row:
    cells: dict[str, str]
    label: str
    split: str
    faults: set[str] = field(default_factory=set)


def make(folder: Path, truth_folder: Path, *, faults: bool, seed: int = 0) -> Path:
    """Write `cancer.csv` (id, 30 measures, diagnosis, split) into one folder and `truth.json` into another.

    30 % test, 10 % validation, stratified. Ids are numbers in random order and rows stand in their order, so
    neither says what was done to a row. With `faults`: train is skewed to 4 benign rows a malignant one; 15
    exact and 20 fuzzy copies of train rows (two cells of another row, the rest rounded to three digits); 10 %
    wrong train labels; in all splits 2 % missing cells, written as nothing or `?`, a tenth of one column with
    its unit, and 20 numbers a thousand times too large. The same seed gives the same bytes. Returns the path
    of `cancer.csv`.
    """
    rng = random.Random(f"{seed}:cancer")
    rows = _split(rng)
    before = _counts(rows)
    if faults:
        rows = _planted(rows, rng)
    rng.shuffle(rows)
    ids = [f"{k:04d}" for k in range(len(rows))]
    folder.mkdir(parents=True, exist_ok=True)
    truth_folder.mkdir(parents=True, exist_ok=True)
    out = folder / "cancer.csv"
    with out.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["id", *rows[0].cells, "diagnosis", "split"])
        for i, row in zip(ids, rows, strict=True):
            lines.writerow([i, *row.cells.values(), row.label, row.split])
    truth = {"seed": seed, "faults": faults, "planted": _told(rows, ids) if faults else [],
             "class_counts": {"before": before, "after": _counts(rows)}}
    (truth_folder / "truth.json").write_text(json.dumps(truth, indent=1, sort_keys=True) + "\n", "utf-8")
    return out


def _split(rng: random.Random) -> list[_Row]:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    names = [name.replace(" ", "_") for name in data.feature_names]
    rows = []
    for k, label in enumerate(data.target_names):
        members = [i for i, target in enumerate(data.target) if target == k]
        rng.shuffle(members)
        start = 0.0
        for split, share in SPLITS:
            part = members[round(start * len(members)) : round((start + share) * len(members))]
            start += share
            for i in part:
                cells = {name: f"{value:.12g}" for name, value in zip(names, data.data[i], strict=True)}
                rows.append(_Row(cells, str(label), split))
    return rows


def _planted(rows: list[_Row], rng: random.Random) -> list[_Row]:
    train = [row for row in rows if row.split == "train"]
    benign = sum(row.label == "benign" for row in train)
    malignant = [row for row in train if row.label == "malignant"]
    gone = {id(row) for row in rng.sample(malignant, len(malignant) - benign // SKEW)}
    rows = [row for row in rows if id(row) not in gone]
    train = [row for row in rows if row.split == "train"]
    for row in rng.sample(train, round(WRONG_LABEL_FRACTION * len(train))):
        row.label = "malignant" if row.label == "benign" else "benign"
        row.faults.add("wrong labels")
    sources = rng.sample(train, EXACT_COPIES + FUZZY_COPIES)
    rows += [_Row(dict(row.cells), row.label, "train", {"exact copies"}) for row in sources[:EXACT_COPIES]]
    for row in sources[EXACT_COPIES:]:
        other = rng.choice(train)
        cells = {name: f"{float(cell):.3g}" for name, cell in row.cells.items()}
        for name in rng.sample(sorted(cells), 2):
            cells[name] = other.cells[name]
        rows.append(_Row(cells, row.label, "train", {"fuzzy copies"}))
    copied = {id(row) for row in sources} | {id(row) for row in rows[-EXACT_COPIES - FUZZY_COPIES :]}
    _spoil_cells([row for row in rows if id(row) not in copied], rng)
    return rows


def _spoil_cells(rows: list[_Row], rng: random.Random) -> None:
    """Rows that are copies, or have some, are left alone, so that copies stay what they were made."""
    names = list(rows[0].cells)
    for row in rng.sample(rows, OUTLYING_CELLS):
        name = rng.choice([n for n in names if float(row.cells[n]) > 0])
        row.cells[name] = f"{1000 * float(row.cells[name]):.12g}"
        row.faults.add("numbers a thousand times too large")
    whole = [row for row in rows if not row.faults & {"numbers a thousand times too large"}]
    for row in rng.sample(whole, round(UNIT_FRACTION * len(rows))):
        row.cells[UNIT_COLUMN] += f" {UNIT}"
        row.faults.add("a unit behind the number")
    places = [(row, name) for row in whole for name in names if not row.cells[name].endswith(UNIT)]
    for row, name in rng.sample(places, round(MISSING_FRACTION * len(rows) * len(names))):
        row.cells[name] = rng.choice(("", "?"))
        row.faults.add("missing cells")


def _told(rows: list[_Row], ids: list[str]) -> list[dict[str, Any]]:
    """Each fault, the issues that mean it and the rows that have it."""
    issues = {
        "exact copies": (_COPIES, None), "fuzzy copies": (_COPIES, None),
        "wrong labels": (["label"], "label"),
        "missing cells": (["malformed"], None), "a unit behind the number": (["malformed"], None),
        "numbers a thousand times too large": (["wrong_cell"], "wrong_cell"),
    }  # fmt: skip
    out = []
    for fault, (named, scored) in issues.items():
        about = [i for i, row in zip(ids, rows, strict=True) if fault in row.faults]
        out.append({"fault": fault, "issues": named, "rows": about, "scored": scored})
    return out


def _counts(rows: list[_Row]) -> dict[str, int]:
    train = [row.label for row in rows if row.split == "train"]
    return {label: train.count(label) for label in sorted(set(train))}
