"""Replicates: the same training many times over, so that a comparison knows what is chance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import pyarrow as pa

from finetune.labels import cells_of, codes, decided, independent, label_key, to_judge, truths
from finetune.linear import fit_linear, probabilities
from finetune.probe import row_features, strength
from finetune.settings import Training
from finetune.train import Saved, fit, train_rows, train_targets
from pipeline.dataset import ROW_ID, Dataset
from pipeline.modalities import modality
from pipeline.progress import counted
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable


@dataclass(frozen=True, eq=False)
class Replicates:
    """What R training runs predict for n held-out rows. Labels and classes are JSON texts.

    clusters : rows with the same text there are copies, one piece of evidence.
    predicted : (R, n) int64, places in `classes`, which are lists of classes where labels are sets.
    """

    row_ids: tuple[str, ...]
    labels: tuple[str, ...]
    clusters: tuple[str, ...]
    classes: tuple[str, ...]
    predicted: np.ndarray
    method: str

    @classmethod
    def of(cls, predictions: pa.Table, method: str) -> Replicates:
        """Return an evaluation's predictions as a single run."""
        columns = {c: predictions[c].to_pylist() for c in predictions.column_names if c != "probs"}
        every = {label_key(c) for c in json.loads(columns["classes"][0])} if columns["classes"] else set()
        if any(text.startswith("[") for text in columns["predicted"]):
            every = set(columns["predicted"])
        classes = [json.loads(text) for text in sorted(every)]
        predicted = codes([json.loads(v) for v in columns["predicted"]], classes)
        clusters = tuple(str(c) for c in columns["cluster"])
        ids, names = tuple(columns[ROW_ID]), tuple(label_key(c) for c in classes)
        return cls(ids, tuple(columns["label"]), clusters, names, predicted[None, :], method)


def replicate_predictions(
    data: Dataset, training: Training, engine: Engine, split: str, n_replicates: int = 20, seed: int = 0
) -> Replicates:
    """Train n times and predict the labelled, ingested rows of a split.

    The probe has no randomness of its own: run r weighs each train row by a Poisson(1) draw that is a
    function of (seed, r, root ancestor) only, so raw and curated data share the draws, and a row goes with
    the rows made from it. Methods partial and full: run r has seed `seed + r`, nothing is reweighted.
    Raises `NotApplicable`. Cost: n fits; 20 probes of 1,300 x 384 with 5 classes take about a second.
    """
    roots = data.roots
    rows = roots.where((roots.splits == split) & to_judge(roots))
    if not rows.n_rows:
        raise NotApplicable(f"split {split!r} has no labelled row to judge on")
    classes = train_rows(data)[1]
    runs = _probes if training.method == "probe" else _tuned
    each = runs(data, rows, training, engine, n_replicates, seed)
    sets = independent(data)
    said = [
        [label_key(cell) for cell in cells_of(decided(probs, sets), classes, sets)]
        for probs in counted("refits", each, n_replicates)
    ]
    names = [label_key(c) for c in classes] if not sets else sorted({text for run in said for text in run})
    place = {name: k for k, name in enumerate(names)}
    return Replicates(
        row_ids=tuple(rows.ids),
        labels=tuple(label_key(v) for v in truths(rows)),
        clusters=tuple(modality(rows.modality).identity(rows.content)),
        classes=tuple(names),
        predicted=np.array([[place[text] for text in run] for run in said], dtype=np.int64),
        method=training.method,
    )


def poisson_draws(data: Dataset, n_replicates: int, seed: int) -> np.ndarray:
    """Return Poisson(1) counts (n_replicates, n) int64, a function of seed, replicate and root ancestor.

    A row made from several has the smallest of their counts: it is there only where all of them are.
    """
    ancestors = [list(p) or [i] for i, p in zip(data.ids, data.parents, strict=True)]
    names = sorted({a for of_row in ancestors for a in of_row})
    place = {a: i for i, a in enumerate(names)}
    keys = np.array([_key(f"{seed}:{a}") for a in names], dtype=np.uint64)
    first = np.array([place[of_row[0]] for of_row in ancestors])
    several = [(i, [place[a] for a in of_row]) for i, of_row in enumerate(ancestors) if len(of_row) > 1]
    factorials = np.cumprod([1.0, *range(1, 18)])
    cdf = np.cumsum(np.exp(-1.0) / factorials)  # of Poisson(1); 18 or more has probability 6e-17
    out = np.zeros((n_replicates, data.n_rows), dtype=np.int64)
    for r in range(n_replicates):
        uniform = (_mixed(keys + np.uint64(r * 0x9E3779B97F4A7C15 % 2**64)) >> np.uint64(11)) / 2.0**53
        counts = np.searchsorted(cdf, uniform, side="right")
        out[r] = counts[first]
        for i, of_row in several:
            out[r, i] = counts[of_row].min()
    return out


def _probes(
    data: Dataset, rows: Dataset, training: Training, engine: Engine, n: int, seed: int
) -> Iterator[np.ndarray]:
    train, classes = train_rows(data)
    sets = independent(train)
    x, x_new = row_features(train, data, engine), row_features(rows, data, engine)
    for draw in poisson_draws(train, n, seed):
        kept = draw > 0
        t = train_targets(train.where(kept), classes, training, (train.weights * draw)[kept])
        fitted = fit_linear(x[kept], t, strength(training), tolerance=1e-4, sets=sets)
        yield probabilities(x_new, fitted, sets)


def _tuned(
    data: Dataset, rows: Dataset, training: Training, engine: Engine, n: int, seed: int
) -> Iterator[np.ndarray]:
    for r in range(n):
        with TemporaryDirectory(prefix="assay-") as folder:
            model = cast(Saved, fit(data, training, engine, seed + r, Path(folder)))
            yield model.predict(rows, engine)


def _key(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _mixed(x: np.ndarray) -> np.ndarray:
    """Splitmix64's finaliser: (n,) uint64 to well-mixed uint64. Steele, Lea & Flood, OOPSLA 2014."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
