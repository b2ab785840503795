"""Handwritten digits (1,797 pictures, 10 classes, in scikit-learn) as a raw dataset, with or without faults.

Each 8 x 8 digit is drawn as dark ink on light paper: enlarged to 64 x 64 px by cubic interpolation, with a
grain of 4 grey levels (standard deviation) of its own, stored as PNG.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.files import write_parquet
from pipeline.stage import Missing

FRACTIONS = (("train", 0.6), ("validation", 0.1), ("test", 0.3))
SIDE_PX = 64
PAPER, INK, GRAIN = 235.0, 0.8, 4.0  # grey of the paper, how much of it full ink takes away, noise
SKEW = 4  # train rows of the largest class for each of the smallest, geometric between
WRONG_LABEL_FRACTION = 0.1  # of the train rows that nothing else was done to
COPIES, NEAR_COPIES, OFF_TOPIC = 40, 80, 25
SPOILT = {"blurred": 25, "dark": 25, "odd size": 15, "odd aspect ratio": 15}
ISSUES = {
    "exact copies": (["exact_duplicate"], None), "near copies": (["near_duplicate"], None),
    "wrong labels": (["label"], "label"), "off-topic pictures": (["outlier", "label"], "outlier"),
    "blurred": (["blurry"], "blurry"), "dark": (["dark"], "dark"), "odd size": (["odd_size"], "odd_size"),
    "odd aspect ratio": (["odd_aspect_ratio"], "odd_aspect_ratio"),
}  # fmt: skip


@dataclass
class Row:
    """A row in the making: `true` is what the digit is, `label` what is written."""

    key: str
    pixels: np.ndarray  # (h, w) or (h, w, 3) uint8
    true: str
    label: str
    split: str
    body: bytes = b""


def make(folder: Path, truth_folder: Path, *, faults: bool, seed: int = 0) -> Path:
    """Write `digits.parquet` (id, image, label, split) into one folder and `truth.json` into another.

    60 % train, 10 % validation, 30 % test, stratified. Ids are numbers in random order and rows stand in the
    order of ids, so neither says what was done to a row. With `faults` train classes are skewed, and train
    rows copied, copied with a change (resized, re-encoded, brightened, cropped by 5 %), labelled wrongly,
    blurred, darkened, shrunk, cut into strips, or taken from photographs of something else; one file is cut
    short. The same seed gives the same bytes. Returns the path of `digits.parquet`. Cost: about 1 s.

    Raises
    ------
    Missing : opencv is not installed.
    """
    rng = random.Random(f"{seed}:digits")
    rows = _rows(seed)
    planted: dict[str, list[str]] = {}
    skew = {"before": _train_counts(rows)}
    if faults:
        rows = _skewed(rows, rng)
        skew["after"] = _train_counts(rows)
        rows = _planted(rows, planted, rng)
    for row in rows:
        row.body = row.body or _png(row.pixels)
    ids = _opaque_ids(rows, seed)
    truncated = [_cut_short(rows, planted, rng)] if faults else []
    rows.sort(key=lambda row: ids[row.key])
    for place in (folder, truth_folder):
        place.mkdir(parents=True, exist_ok=True)
    table = pa.table({
        "id": [ids[r.key] for r in rows], "image": pa.array([r.body for r in rows], pa.large_binary()),
        "label": [r.label for r in rows], "split": [r.split for r in rows],
    })  # fmt: skip
    out = folder / "digits.parquet"
    write_parquet(out, table)
    told: dict[str, Any] = {"seed": seed, "faults": faults, "class_counts": skew,
                            "true_labels": {ids[r.key]: r.true for r in rows},
                            "truncated": [ids[key] for key in truncated], "planted": []}  # fmt: skip
    for fault, keys in planted.items():
        issues, scored = ISSUES[fault]
        told["planted"].append(
            {"fault": fault, "issues": issues, "rows": sorted(ids[k] for k in keys), "scored": scored})
    text = json.dumps(told, indent=1, sort_keys=True)
    (truth_folder / "truth.json").write_text(text + "\n", "utf-8")
    return out


def _rows(seed: int) -> list[Row]:
    """Return all digits, split by class."""
    from sklearn.datasets import load_digits

    digits, rng = load_digits(), random.Random(f"{seed}:splits")
    rows = [Row(f"digit/{k:04d}", _drawn(image, seed, k), str(label), str(label), "")
            for k, (image, label) in enumerate(zip(digits.images, digits.target, strict=True))]  # fmt: skip
    for label in sorted({row.true for row in rows}):
        of_class = [row for row in rows if row.true == label]
        rng.shuffle(of_class)
        start, reached = 0, 0.0
        for split, fraction in FRACTIONS:
            reached += fraction
            end = round(reached * len(of_class))
            for row in of_class[start:end]:
                row.split = split
            start = end
    return rows


def _drawn(image: np.ndarray, seed: int, k: int) -> np.ndarray:
    """Return a digit (8, 8) of 0 to 16 as ink on paper, (64, 64) uint8."""
    cv2 = _opencv()
    ink = cv2.resize(image / 16 * 255, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng((seed, k)).normal(0, GRAIN, ink.shape)
    return _grey(PAPER - INK * np.clip(ink, 0, 255) + grain)


def _skewed(rows: Sequence[Row], rng: random.Random) -> list[Row]:
    counts = _train_counts(rows)
    ranked = sorted(counts, key=lambda c: (-counts[c], c))
    kept = {row.key for row in rows if row.split != "train"}
    for rank, label in enumerate(ranked):
        keys = [row.key for row in rows if row.split == "train" and row.true == label]
        n = min(round(counts[ranked[0]] * SKEW ** (-rank / (len(ranked) - 1))), len(keys))
        kept.update(rng.sample(keys, n))
    return [row for row in rows if row.key in kept]


def _planted(rows: list[Row], planted: dict[str, list[str]], rng: random.Random) -> list[Row]:
    """Plant every fault on train rows of its own; returns old and new rows."""
    free = [row for row in rows if row.split == "train"]
    rng.shuffle(free)
    for fault, n in SPOILT.items():
        spoilt, free = free[:n], free[n:]
        for row in spoilt:
            row.pixels = _spoilt(row.pixels, fault)
        planted[fault] = [row.key for row in spoilt]
    new = []
    for fault, n in (("exact copies", COPIES), ("near copies", NEAR_COPIES)):
        sources, free = free[:n], free[n:]
        copies = [Row(f"{fault}/{k}", s.pixels, s.true, s.true, "train") for k, s in enumerate(sources)]
        for k, copy in enumerate(copies if fault == "near copies" else ()):
            copy.pixels, copy.body = _nearly(copy.pixels, k % 4)
        new += copies
        planted[fault] = [copy.key for copy in copies]
    wrong = free[: round(WRONG_LABEL_FRACTION * sum(row.split == "train" for row in rows))]
    labels = sorted({row.true for row in rows})
    for row in wrong:
        row.label = rng.choice([label for label in labels if label != row.true])
    planted["wrong labels"] = [row.key for row in wrong]
    off = [Row(f"off-topic/{k}", crop, "", rng.choice(labels), "train")
           for k, crop in enumerate(_off_topic(rng))]  # fmt: skip
    planted["off-topic pictures"] = [row.key for row in off]
    return [*rows, *new, *off]


def _spoilt(pixels: np.ndarray, fault: str) -> np.ndarray:
    cv2 = _opencv()
    if fault == "blurred":
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 4.0))
    if fault == "dark":
        return _grey(pixels * 0.2)
    if fault == "odd size":
        return np.asarray(cv2.resize(pixels, (14, 14), interpolation=cv2.INTER_AREA))
    return pixels[:, SIDE_PX // 2 - 8 : SIDE_PX // 2 + 8]


def _nearly(pixels: np.ndarray, how: int) -> tuple[np.ndarray, bytes]:
    """Return a near copy, and its file where it is no PNG: resized, a JPEG, brighter, or cropped by 5 %."""
    cv2 = _opencv()
    if how == 0:
        return np.asarray(cv2.resize(pixels, (48, 48), interpolation=cv2.INTER_AREA)), b""
    if how == 1:
        return pixels, cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
    if how == 2:
        return _grey(pixels * 1.08), b""
    edge = round(SIDE_PX * 0.05 / 2)
    return np.ascontiguousarray(pixels[edge:-edge, edge:-edge]), b""


def _off_topic(rng: random.Random) -> list[np.ndarray]:
    """Return crops of scikit-learn's two photographs, a temple in China and a flower, (64, 64, 3)."""
    from sklearn.datasets import load_sample_images

    photos = load_sample_images().images
    crops = []
    for k in range(OFF_TOPIC):
        photo = photos[k % len(photos)]
        top, left = (rng.randrange(photo.shape[axis] - 2 * SIDE_PX) for axis in (0, 1))
        crops.append(np.ascontiguousarray(photo[top : top + 2 * SIDE_PX : 2, left : left + 2 * SIDE_PX : 2]))
    return crops


def _cut_short(rows: Sequence[Row], planted: dict[str, list[str]], rng: random.Random) -> str:
    taken = {key for keys in planted.values() for key in keys}
    row = rng.choice([r for r in rows if r.split == "train" and r.key not in taken])
    row.body = row.body[: len(row.body) // 2]
    return row.key


def _png(pixels: np.ndarray) -> bytes:
    cv2 = _opencv()
    return bytes(cv2.imencode(".png", pixels[:, :, ::-1] if pixels.ndim == 3 else pixels)[1].tobytes())


def _grey(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _train_counts(rows: Sequence[Row]) -> dict[str, int]:
    return dict(sorted(Counter(row.true for row in rows if row.split == "train").items()))


def _opaque_ids(rows: Sequence[Row], seed: int) -> dict[str, str]:
    numbers = list(range(len(rows)))
    random.Random(f"{seed}:ids").shuffle(numbers)
    return {row.key: f"{n:05d}" for row, n in zip(sorted(rows, key=lambda r: r.key), numbers, strict=True)}


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        raise Missing('the demo\'s pictures need opencv: pip install "assay[image]"') from None
    return cv2
