"""Out-of-sample class probabilities of every row, from the modality's views and the embeddings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, PositiveFloat

from pipeline.dataset import Dataset
from pipeline.hashing import cell_json
from pipeline.labels import Labels, labels_of, measured
from pipeline.modalities import modality
from pipeline.signals import Signal
from pipeline.stage import NotApplicable

if TYPE_CHECKING:
    from pipeline.signals.engine import Engine

VIEW = "view_"  # prefix of the columns with one view's probabilities


@dataclass(frozen=True, eq=False)
class PredProbs:
    """Probabilities in the order of the rows; column j is `classes[j]`.

    fold is -1 and `views`, `weights` are empty for tables brought by the user or by training.
    """

    probs: np.ndarray  # (n, k) float64, rows sum to 1; of sets each class for itself
    classes: list[Any]
    fold: np.ndarray  # (n,) int64
    views: dict[str, np.ndarray] = field(default_factory=dict)  # (n, k) each
    weights: dict[str, float] = field(default_factory=dict)  # of the views in the mixture

    def codes(self, labels: Iterable[Any]) -> np.ndarray:
        """Return the column of each label, (n,) int64, -1 for a missing or unknown one."""
        return codes_of(labels, self.classes)


class OutOfFoldProbabilities(Signal, frozen=True):
    """Probabilities of train rows by K-fold cross-fitting and of held-out rows by a model of all train rows.

    See `pipeline.crossfit` for the method. A row's fold hashes its group, or its id, so it is the same
    whatever other rows there are. Near-duplicates may fall in different folds and vouch for each other's
    labels: drop them first. Rows without a label, or with one that no other row has, teach nothing and get
    probabilities of the other classes. For sets and votes see `pipeline.crossfit_labels`.
    """

    name: ClassVar[str] = "pred_probs"
    kind: ClassVar[Literal["row", "global"]] = "global"
    needs: ClassVar[tuple[str, ...]] = ("embeddings",)
    reads: ClassVar[tuple[str, ...]] = ("label", "split", "group", "weight")
    code: ClassVar[tuple[str, ...]] = ("pipeline.crossfit", "pipeline.crossfit_labels", "pipeline.labels",
                                        "pipeline.linear")

    folds: int = Field(5, ge=2, description="parts that the train rows are cut in")
    passes: int = Field(2, ge=1, le=5, description="1, or more to fit again without the doubtful labels")
    balance: float = Field(1.0, ge=0, le=1, description="0: classes weigh as they come; 1: all alike")
    dense_c: tuple[PositiveFloat, ...] = Field(
        (0.3, 1.0, 3.0, 10.0), min_length=1, description="inverse L2 penalties to choose from, dense views")
    sparse_c: tuple[PositiveFloat, ...] = Field(
        (1.0, 3.0, 10.0, 30.0), min_length=1, description="the same for sparse views such as TF-IDF")

    def compute(self, data: Dataset, given: Mapping[str, Any], engine: Engine) -> pa.Table:
        """Return columns probs, fold, view_<name> (lists of k float64), classes and weights (JSON, constant).

        Raises `NotApplicable` where there is no label column, no label in it, or a class is too small.
        """
        from scipy.sparse import issparse

        from pipeline.crossfit import fold_of, in_threads
        from pipeline.crossfit_labels import cross_fit_labels

        labels = _learnable(data)
        views = {"embeddings": np.asarray(given["embeddings"], np.float64),
                 **modality(data.modality).views(data.content, data.is_train)}
        folds = fold_of(_fold_keys(data), self.folds)
        if len(np.unique(folds[data.is_train & labels.known])) < 2:
            raise NotApplicable(f"all labelled train rows fall in one of {self.folds} folds; too few groups")
        c = {name: self.sparse_c if issparse(matrix) else self.dense_c for name, matrix in views.items()}
        fit = cross_fit_labels(views, labels, data.is_train, folds, data.weights, c, passes=self.passes,
                               balance=self.balance, run=in_threads(engine.workers))
        columns = {"probs": _lists(fit.probs), "fold": pa.array(folds)}
        columns |= {VIEW + name: _lists(probs) for name, probs in sorted(fit.views.items())}
        classes, mix = (_constant(value, data.n_rows) for value in (list(labels.classes), fit.mix))
        columns |= {"classes": classes, "weights": mix}
        return pa.table(columns)

    def read(self, table: pa.Table) -> PredProbs:
        """Return the probabilities; only the columns probs and classes are required."""
        names = table.column_names
        fold = table["fold"].to_numpy() if "fold" in names else np.full(len(table), -1, np.int64)
        views = {name.removeprefix(VIEW): _matrix(table[name]) for name in names if name.startswith(VIEW)}
        weights = json.loads(table["weights"][0].as_py()) if "weights" in names and len(table) else {}
        classes = json.loads(table["classes"][0].as_py()) if len(table) else []
        return PredProbs(_matrix(table["probs"]), classes, fold, views, weights)


def codes_of(labels: Iterable[Any], classes: Sequence[Any]) -> np.ndarray:
    """Return the position of each label among the classes, (n,) int64, -1 where there is none.

    >>> codes_of(["b", None, "a", 1], ["a", "b"]).tolist()
    [1, -1, 0, -1]
    """
    where = {cell_json(value): j for j, value in enumerate(classes)}
    return np.array([where.get(cell_json(value), -1) for value in labels], np.int64)


def _learnable(data: Dataset) -> Labels:
    """Return the labels over the classes that at least 2 train rows name (and 2 do not, in sets), sorted."""
    everything = labels_of(data)
    if (why := measured(data)) is not None:
        raise NotApplicable(why)
    usable = data.is_train & (data.weights > 0) & everything.known
    named = (everything.targets[usable] > 0).sum(axis=0)
    n_rows, sets = int(usable.sum()), everything.shape == "set"
    least = 1 if sets else 2
    if (there := int((named > 0).sum())) < least:
        what = f"the train rows have {there} distinct labels"
        raise NotApplicable(f"{what}; at least {least} {'is' if least == 1 else 'are'} needed")
    enough = (named >= 2) & ((n_rows - named >= 2) | (not sets))
    if enough.sum() < least:
        rare = int(np.where(named > 0, named, n_rows + 1).argmin())
        need = "2 are needed" + (", and 2 without it" if sets else "")
        rows = f"{named[rare]} train row{'s' if named[rare] != 1 else ''} of {n_rows}"
        raise NotApplicable(f"class {everything.classes[rare]!r} has {rows}; {need}")
    return labels_of(data, [c for c, e in zip(everything.classes, enough, strict=True) if e])


def _fold_keys(data: Dataset) -> list[str]:
    """Return what keeps rows together: the group where there is one, else the row's own id."""
    ids = [f"row:{row_id}" for row_id in data.ids]
    if data.roles.group is None:
        return ids
    groups = data.table[data.roles.group].to_pylist()
    return [own if group is None else f"group:{cell_json(group)}"
            for own, group in zip(ids, groups, strict=True)]


def _constant(value: Any, n: int) -> pa.DictionaryArray:
    """Return a column that says the same in every row, stored once."""
    text = pa.array([json.dumps(value, ensure_ascii=False)], pa.large_string())
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), text)


def _lists(matrix: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel(), pa.float64()), matrix.shape[1])


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    array = column.combine_chunks()
    return array.flatten().to_numpy().astype(np.float64).reshape(len(array), -1)
