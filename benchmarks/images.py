"""Images: speed and quality beside cleanvision and imagehash, near copies, label noise; to images.json.

From the repository's root, about 10 minutes on two cores:

    ASSAY_TRUTH=FOLDER ASSAY_PEERS=VENV/bin/python python benchmarks/images.py [speed|faults|copies|labels]

ASSAY_TRUTH holds hymenoptera_photos, fashion_mnist and cifar10_real_noise as Parquet files; ASSAY_PEERS is an
interpreter with cleanvision and imagehash. Parts that are not named keep their figures. Bounds of the checks
were chosen on photos whose id hashes to an even number, on CIFAR-10 and on the first 400 pictures of
Fashion-MNIST; the figures are of the other photos and of the last 5,000 of Fashion-MNIST. The similarity of
near copies was chosen on other copies (seed 11) of the photos and of all of Fashion-MNIST.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from image_faults import COPIES, FAULTS, file_of, pixels_of
from PIL import Image
from sklearn.metrics import average_precision_score

from pipeline.dataset import Dataset, Roles
from pipeline.hashing import IMAGE, image_cell
from pipeline.modalities import modality
from pipeline.signals.engine import Engine, Signals
from pipeline.stages.label_noise import LabelNoise
from pipeline.stages.quality import Quality

HERE = Path(__file__).parent
JSON = HERE / "images.json"
RUNS, SEED, N_JPEGS = 3, 21, 1_000
JUNK = "train/ants/imageNotFound.gif"
NOISES = ("aggre_label", "random_label1", "random_label2", "random_label3", "worse_label")


def truth(name: str) -> list[dict]:
    return pq.read_table(Path(os.environ["ASSAY_TRUTH"]) / name).to_pylist()


def photos() -> list[dict]:
    """The photos that no bound was chosen on."""
    rows = truth("hymenoptera_photos/hymenoptera_320.parquet")
    return [r for r in rows if hashlib.sha256(r["id"].encode()).digest()[0] % 2]


def fashion(n: int) -> list[dict]:
    rows = truth("fashion_mnist/fashion_mnist_test.parquet")[5_000:]
    return [rows[k] for k in sorted(np.random.default_rng(SEED).choice(len(rows), n, replace=False))]


def child(what: str, folder: Path) -> dict:
    python = os.environ["ASSAY_PEERS"] if what in ("cleanvision", "imagehash") else sys.executable
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    command = [python, str(HERE / "image_runs.py"), what, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)  # peers draw bars
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def speed() -> dict:
    """1,000 synthetic JPEGs of 512 x 512 px, quality 88; medians of 3 runs."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, draw = Path(scratch), np.random.default_rng(SEED)
        for k in range(N_JPEGS):
            coarse = Image.fromarray(draw.integers(0, 255, (20, 20, 3)).astype(np.uint8))
            smooth = np.asarray(coarse.resize((512, 512), Image.Resampling.BICUBIC), np.float64)
            noisy = (smooth + draw.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8)
            (folder / f"{k:04d}.jpg").write_bytes(file_of(Image.fromarray(noisy), "JPEG", quality=88))
        mean_kb = sum(f.stat().st_size for f in folder.iterdir()) / N_JPEGS / 1000
        out: dict = {"pictures": N_JPEGS, "mean_kb": round(mean_kb, 1)}
        for what in ("audit", "cleanvision", "hashes", "imagehash"):
            runs = [child(what, folder) for _ in range(RUNS)]
            out[what] = {key: round(median(r[key] for r in runs), 2)
                         for key in ("wall_seconds", "cpu_seconds", "peak_mib")}
            out[what]["pictures_a_second"] = round(N_JPEGS / out[what]["wall_seconds"])
    for ours, theirs in (("audit", "cleanvision"), ("hashes", "imagehash")):
        out[f"{ours}_times_faster"] = {key: round(out[theirs][key] / out[ours][key], 1)
                                       for key in ("wall_seconds", "cpu_seconds")}
    return out


def dataset(files: list[bytes]) -> Dataset:
    cells = pa.array([image_cell(f) for f in files], IMAGE)
    ids = [f"{k:05d}.png" for k in range(len(files))]
    return Dataset.of(pa.table({"row_id": ids, "image": cells}), Roles(content=("image",)), "image")


def ours(files: list[bytes]) -> tuple[dict[str, np.ndarray], dict[str, set[int]]]:
    """Return how bad each file is by issue, and which files have it."""
    data = dataset(files)
    found = Quality().find(data, Signals(data, Engine()))
    scores = {i: np.zeros(len(files)) for i in set(found.scores["issue"].to_pylist())}
    for row in found.scores.to_pylist():
        scores[row["issue"]][int(row["row_id"][:5])] = 1 - row["score"]
    flagged: dict[str, set[int]] = {}
    for row in found.rows():
        flagged.setdefault(row["issue"], set()).add(int(row["row_id"][:5]))
    return scores, flagged


def theirs(files: list[bytes]) -> tuple[dict[str, np.ndarray], dict[str, set[int]]]:
    with tempfile.TemporaryDirectory() as scratch:
        for k, body in enumerate(files):
            (Path(scratch) / f"{k:05d}.png").write_bytes(body)
        rows = child("cleanvision", Path(scratch))["scores"]
    cells = [rows[f"{k:05d}.png"] for k in range(len(files))]
    issues = [key[3:-6] for key in cells[0] if key.startswith("is_") and key.endswith("_issue")]
    scores = {i: np.array([1 - c[f"{i}_score"] for c in cells]) for i in issues if f"{i}_score" in cells[0]}
    return scores, {i: {k for k, c in enumerate(cells) if c[f"is_{i}_issue"]} for i in issues}


def faults() -> dict:
    """A fifth of the pictures gets one fault; then the untouched pictures alone: what is flagged of them?"""
    out: dict = {}
    for name, rows in (("photos", photos()), ("fashion_mnist", fashion(600))):
        files = [r["image"] for r in rows]
        draw = np.random.default_rng(SEED)
        figures: dict = {"pictures": len(files), "faults": {}, "false_alarms": {}}
        for fault, make in FAULTS.items():
            if fault == "grayscale" and name == "fashion_mnist":
                continue  # all of it is grey
            bad = set(draw.choice(len(files), len(files) // 5, replace=False).tolist())
            mixed = [file_of(make(pixels_of(f), draw)) if k in bad else f for k, f in enumerate(files)]
            figures["faults"][fault] = {"planted": len(bad)}
            for who, look in (("assay", ours), ("cleanvision", theirs)):
                scores, flagged = look(mixed)
                hit = flagged.get(fault, set())
                truly = [k in bad for k in range(len(files))]
                badness = scores.get(fault, np.zeros(len(files)))
                figures["faults"][fault][who] = {
                    "average_precision": round(float(average_precision_score(truly, badness)), 3),
                    "recall": round(len(hit & bad) / len(bad), 3),
                    "precision": round(len(hit & bad) / max(len(hit), 1), 3)}
        for who, look in (("assay", ours), ("cleanvision", theirs)):
            _, flagged = look(files)
            good = {k for k, r in enumerate(rows) if r["id"] != JUNK}
            issues = (*FAULTS, "low_information")
            figures["false_alarms"][who] = {i: len(flagged.get(i, set()) & good) for i in issues}
            if len(good) < len(rows):
                figures["junk_found_as"] = {**figures.get("junk_found_as", {}), who: sorted(
                    i for i, where in flagged.items() if where - good)}
        out[name] = figures
    return out


def copies() -> dict:
    """Copies of one kind each among the pictures; a pair is right when both sides come from one picture."""
    out: dict = {}
    kind = modality("image")
    for name, rows, many in (("photos", photos(), 20), ("fashion_mnist", fashion(5_000), 100),
                             ("cifar10", truth("cifar10_real_noise/cifar10n_train12k.parquet")[:5_000], 100)):
        draw, files = np.random.default_rng(SEED + 1), [r["image"] for r in rows]
        n = len(files)
        source = draw.choice(n, many * len(COPIES), replace=False)
        how = [h for h in COPIES for _ in range(many)]
        files += [COPIES[h](pixels_of(files[s]), draw) for h, s in zip(how, source, strict=True)]
        origin = np.concatenate([np.arange(n), source])
        pairs = kind.pairs(dataset(files).content, 0.4, None)
        near = pairs.similarity >= kind.near_copy
        left, right = pairs.left[near], pairs.right[near]
        right_ones = origin[left] == origin[right]
        found = {j for i, j in zip(left, right, strict=True) if j >= n and i == origin[j]}
        touched = (right >= n)
        out[name] = {
            "pictures": n, "copies": len(source),
            "recall": {h: round(float(np.mean([n + k in found for k, x in enumerate(how) if x == h])), 3)
                       for h in COPIES},
            "recall_all": round(len(found) / len(source), 3),
            "precision": round(float(right_ones.mean()), 3),
            "precision_of_pairs_with_a_copy": round(float(right_ones[touched].mean()), 3),
            "other_pairs_of_originals": int((~right_ones & ~touched).sum())}
    return out


def labels() -> dict:
    """CIFAR-10N: the stage's default cut, cleanlab's and argmax, on the same out-of-fold probabilities."""
    from cleanlab.filter import find_label_issues

    from pipeline.store import Store

    rows = [r for r in truth("cifar10_real_noise/cifar10n_train12k.parquet") if not r["in_dup_list_only"]]
    out: dict = {"rows": len(rows), "noise": {}}
    with tempfile.TemporaryDirectory() as scratch:
        engine = Engine(cache=Store(Path(scratch)))
        for noise in NOISES:
            table = pa.table({"row_id": [r["id"] for r in rows], "label": [r[noise] for r in rows],
                              "image": pa.array([image_cell(r["image"]) for r in rows], IMAGE)})
            data = Dataset.of(table, Roles(content=("image",), label="label"), "image")
            clean = {r["id"]: r["clean_label"] for r in rows}
            wrong = np.array([clean[i] != y for i, y in zip(data.ids, data.labels, strict=True)])
            signals = Signals(data, engine)
            found = LabelNoise().find(data, signals)
            ids = {r["row_id"] for r in found.rows() if r["issue"] == "label"}
            scores = {r["row_id"]: 1 - r["score"] for r in found.scores.to_pylist() if r["issue"] == "label"}
            probs = signals["pred_probs"]
            codes = probs.codes(data.labels)
            figures = {"wrong_fraction": round(float(wrong.mean()), 4), "weights": probs.weights}
            for who, hit in (("assay", np.array([i in ids for i in data.ids])),
                             ("cleanlab", find_label_issues(codes, probs.probs, n_jobs=1)),
                             ("argmax", probs.probs.argmax(1) != codes)):
                precision, recall = (wrong & hit).sum() / max(hit.sum(), 1), (wrong & hit).sum() / wrong.sum()
                figures[who] = {"found": int(hit.sum()), "precision": round(float(precision), 3),
                                "recall": round(float(recall), 3),
                                "f1": round(float(2 * precision * recall / max(precision + recall, 1e-9)), 3)}
            ranked = average_precision_score(wrong, [scores[i] for i in data.ids])
            figures["average_precision"] = round(float(ranked), 3)
            out["noise"][noise] = figures
    return out


def main() -> None:
    parts = {"speed": speed, "faults": faults, "copies": copies, "labels": labels}
    figures = json.loads(JSON.read_text("utf-8")) if JSON.exists() else {}
    for name in sys.argv[1:] or parts:
        figures[name] = parts[name]()
        print(name, json.dumps(figures[name]), file=sys.stderr)
    from pipeline import __version__
    from pipeline.report.environment import versions

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True,
                            check=True)
    cpu = next(line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
               if line.startswith("model name"))
    figures |= {"command": "python benchmarks/images.py", "commit": commit.stdout.strip(), "seed": SEED,
                "machine": f"{os.cpu_count()} x {cpu}", "versions": versions(__version__)}
    JSON.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
