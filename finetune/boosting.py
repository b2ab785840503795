"""Method boosting: scikit-learn's histogram gradient boosting, kept as plain arrays and read by numpy.

Nothing is pickled: the trees are a few arrays in a safetensors file, and what predicts them is forty lines of
numpy. On saving, its answers are compared with scikit-learn's own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from finetune.settings import Training
from finetune.table_rows import arrays, fit_columns
from pipeline.dataset import Dataset
from pipeline.stage import NotApplicable

TREES, PREPROCESS = "trees.safetensors", "preprocess.json"
COLUMNS_A_SPLIT = 0.7  # share of the columns that a split may choose from, drawn anew by the seed
MOST_CATEGORIES = 250  # of a column, the most that scikit-learn's bins hold; the others are unknown
FIELDS = ("value", "feature_idx", "num_threshold", "missing_go_to_left", "left", "right", "is_leaf",
          "is_categorical", "bitset_idx")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Boosted:
    """Trees as arrays over all their nodes, `first` (trees,) the place of each root; see `from_scikit`.

    A tree adds its leaf's `value` to the logit of class `tree_class`; of two classes only the second has one.
    """

    state: dict[str, Any]
    trees: dict[str, np.ndarray]
    n_classes: int

    def predict(self, data: Dataset) -> np.ndarray:
        """Return probabilities (n, K) float64."""
        return self.probabilities(matrix(data.content, self.state)[0])

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Return probabilities (n, K) from the columns (n, d). Cost: O(n depth) a tree, in numpy."""
        t = self.trees
        raw = np.tile(t["baseline"].astype(np.float64), (len(x), 1))  # (n, K) or (n, 1)
        for first, of_class in zip(t["first"], t["tree_class"], strict=True):
            raw[:, of_class] += t["value"][self._leaves(x, int(first))]
        if self.n_classes == 2:
            raw = np.hstack([np.zeros_like(raw), raw])
        p = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def _leaves(self, x: np.ndarray, root: int) -> np.ndarray:
        """Return the leaf (n,) that each row falls into."""
        t = self.trees
        node, rows = np.full(len(x), root, np.int64), np.arange(len(x))
        rows = rows[t["is_leaf"][node] == 0]
        while len(rows):
            at = node[rows]
            cells = x[rows, t["feature_idx"][at]]
            below = cells <= t["num_threshold"][at]
            left = np.where(t["is_categorical"][at] == 1, self._in_set(cells, at), below)
            left = np.where(np.isnan(cells), t["missing_go_to_left"][at] == 1, left)
            node[rows] = root + np.where(left, t["left"][at], t["right"][at])
            rows = rows[t["is_leaf"][node[rows]] == 0]
        return node

    def _in_set(self, cells: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return whether each category is in its node's set of those that go left."""
        place = np.nan_to_num(cells).astype(np.int64)
        which = np.where(self.trees["is_categorical"][at] == 1, self.trees["bitset_idx"][at], 0)
        place = np.where(self.trees["is_categorical"][at] == 1, place, 0)
        return (self._bitsets[which, place // 32] >> (place % 32)) & 1 == 1

    @cached_property
    def _bitsets(self) -> np.ndarray:
        sets = self.trees["bitsets"].astype(np.int64)  # (sets, 8) of 32 bits
        return sets if len(sets) else np.zeros((1, 8), np.int64)

    def save(self, folder: Path) -> None:
        """Write the trees and what was learnt of the columns."""
        from safetensors.numpy import save_file

        save_file(self.trees, folder / TREES)
        facts = json.dumps(self.state, indent=1, sort_keys=True, ensure_ascii=False)
        (folder / PREPROCESS).write_text(facts + "\n", "utf-8")


def fit(
    train: Dataset, targets: np.ndarray, held: Dataset, held_targets: np.ndarray, training: Training,
    seed: int,
) -> Boosted:
    """Boost trees on `train` with targets (n, K); held rows, if there are any, say how many trees are kept.

    A row with several classes stands there once for each, with its share as weight.
    Raises `NotApplicable` for rows that are no table. Ke et al., NeurIPS 2017 (LightGBM), in scikit-learn.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    if train.modality != "tabular":
        raise NotApplicable(f"method boosting is for tables, this dataset is {train.modality}; use full")
    state = fit_columns(train.content)
    state["categories"] = {k: v[:MOST_CATEGORIES] for k, v in state["categories"].items()}
    x, is_category = matrix(train.content, state)
    given = _expanded(x, targets)
    validation: dict[str, Any] = {}
    if held.n_rows:
        one, two, three = _expanded(matrix(held.content, state)[0], held_targets)
        validation = {"X_val": one, "y_val": two, "sample_weight_val": three}
    trees = HistGradientBoostingClassifier(
        learning_rate=training.rate, max_iter=training.trees, max_features=COLUMNS_A_SPLIT,
        early_stopping=bool(validation), n_iter_no_change=training.early_stopping or 20, random_state=seed,
        categorical_features=is_category,
    )  # fmt: skip
    trees.fit(given[0], given[1], sample_weight=given[2], **validation)
    best = int(np.argmax(trees.validation_score_)) if validation else len(trees._predictors)
    out = Boosted(state, from_scikit(trees), targets.shape[1])
    if not np.allclose(out.probabilities(x[:1000]), trees.predict_proba(x[:1000]), atol=1e-6):
        raise RuntimeError("this scikit-learn keeps its trees in another form; use scikit-learn 1.7 to 1.9")
    return Boosted(state, from_scikit(trees, max(1, best)), targets.shape[1])


def load(folder: Path, n_classes: int) -> Boosted:
    """Return what `save` wrote."""
    from safetensors.numpy import load_file

    state = json.loads((folder / PREPROCESS).read_text("utf-8"))
    return Boosted(state, load_file(folder / TREES), n_classes)


def matrix(content: pa.Table, state: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, d) float64, categories first as places from 0, NaN where unknown; and which they are."""
    found = arrays(content, state)
    places = np.where(found.categories > 0, found.categories - 1, np.nan)
    is_category = np.r_[np.ones(places.shape[1], bool), np.zeros(found.numbers.shape[1], bool)]
    return np.hstack([places, found.numbers.astype(np.float64)]), is_category


def from_scikit(model: Any, n_rounds: int | None = None) -> dict[str, np.ndarray]:
    """Return the trees of the first rounds as arrays over all nodes; children are counted from their root."""
    trees = [(k, tree) for of_round in model._predictors[:n_rounds] for k, tree in enumerate(of_round)]
    sizes = np.array([len(tree.nodes) for _, tree in trees], np.int64)
    nodes = np.concatenate([tree.nodes for _, tree in trees])
    out: dict[str, np.ndarray] = {name: nodes[name].astype(_plain(nodes[name])) for name in FIELDS}
    sets = [np.asarray(tree.raw_left_cat_bitsets, np.uint32).reshape(-1, 8) for _, tree in trees]
    before = np.repeat(np.cumsum([0, *(len(s) for s in sets[:-1])]), sizes)
    out["bitset_idx"] = (out["bitset_idx"] + np.where(out["is_categorical"] == 1, before, 0)).astype(np.int64)
    out["bitsets"] = np.concatenate(sets).astype(np.int64)
    out["first"] = np.cumsum([0, *sizes[:-1]]).astype(np.int64)
    out["tree_class"] = np.array([k for k, _ in trees], np.int64)
    out["baseline"] = np.asarray(model._baseline_prediction, np.float64).reshape(-1)
    return out


def _plain(values: np.ndarray) -> type:
    return np.float64 if values.dtype.kind == "f" else np.int64


def _expanded(x: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, class codes and weights: one line for each class that a row has a share of."""
    rows, codes = np.nonzero(targets > 0)
    return x[rows], codes, targets[rows, codes]
