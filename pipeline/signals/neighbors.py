"""The neighbour graph: the k nearest train rows of every row, exact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.dataset import Dataset
from pipeline.signals import Signal

if TYPE_CHECKING:
    from pipeline.signals.engine import Engine


class Neighbors(NamedTuple):
    """Nearest train rows, nearest first; -1 and inf where there are fewer than k."""

    index: np.ndarray  # type: ignore[assignment]  # (n, k) int64 positions in the order of the rows
    distance: np.ndarray  # (n, k) float32 cosine distances in [0, 2]


class NeighborGraph(Signal, frozen=True):
    """Exact k nearest train rows by cosine distance, train -> train (without itself) and held-out -> train.

    A held-out row is nobody's neighbour, so changing one changes its own line only.
    Cost: see `pipeline.nearest`.
    """

    name: ClassVar[str] = "neighbors"
    kind: ClassVar[Literal["row", "global"]] = "global"
    needs: ClassVar[tuple[str, ...]] = ("embeddings",)
    reads: ClassVar[tuple[str, ...]] = ("split",)
    code: ClassVar[tuple[str, ...]] = ("pipeline.nearest",)

    k: int = Field(50, ge=1, description="neighbours of each row")

    def compute(self, data: Dataset, given: Mapping[str, Any], engine: Engine) -> pa.Table:
        """Return columns index (list of k int64) and distance (list of k float32), one line a row."""
        from pipeline.nearest import nearest

        index, distance = nearest(given["embeddings"], data.is_train, self.k, threads=engine.workers)
        return pa.table({"index": _lists(index), "distance": _lists(distance)})

    def read(self, table: pa.Table) -> Neighbors:
        """Return both columns as (n, k) arrays."""
        return Neighbors(*(_matrix(table[name]) for name in ("index", "distance")))


def _lists(matrix: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    array = column.combine_chunks()
    return array.flatten().to_numpy().reshape(len(array), array.type.list_size)
