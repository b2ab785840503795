"""Near-duplicate pairs: every two rows whose shingle sets overlap, by exact Jaccard similarity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.dataset import Dataset
from pipeline.modalities import Pairs, Shingles, modality
from pipeline.progress import counted
from pipeline.signals import Signal

if TYPE_CHECKING:
    from pipeline.signals.engine import Engine


class NearPairs(Signal, frozen=True):
    """Pairs of rows whose similarity is at least `floor`, as their modality compares them.

    Train-train and held-out-train pairs only. Rows without content pair with nothing. Of m equal rows only
    the first is paired with others, and the rest with it, so m copies cost m - 1 pairs. Text and tables use
    `near_pairs`: the Jaccard similarity of sets.
    """

    name: ClassVar[str] = "pairs"
    kind: ClassVar[Literal["row", "global"]] = "global"
    reads: ClassVar[tuple[str, ...]] = ("split",)
    code: ClassVar[tuple[str, ...]] = ("pipeline.minhash",)

    floor: float = Field(0.4, gt=0, le=1, description="similarity below which a pair is not kept")

    def compute(self, data: Dataset, given: Mapping[str, Any], engine: Engine) -> pa.Table:
        """Return columns left, right (positions in the order of the rows) and similarity."""
        found = modality(data.modality).pairs(data.content, self.floor, data.is_train)
        return pa.table({"left": pa.array(found.left, pa.int64()), "right": pa.array(found.right, pa.int64()),
                         "similarity": pa.array(found.similarity, pa.float64())})

    def read(self, table: pa.Table) -> Pairs:
        """Return the pairs as arrays."""
        return Pairs(*(table[name].to_numpy() for name in ("left", "right", "similarity")))


def near_pairs(shingles: Shingles, floor: float, is_train: np.ndarray | None = None) -> Pairs:
    """Return the pairs with J(A, B) = |A & B| / |A | B| >= floor; without `is_train` all pair with all.

    Found by MinHash and banding (see `pipeline.minhash` for the recall: 0.996 at J = 0.5), then verified
    exactly. Rows with an empty set pair with nothing. Of several
    train rows with equal sets only the first (the representative) is paired with others; the rest are paired
    with it, at similarity 1, so connected components are complete and m copies cost m - 1 pairs.

    Cost: O(hashes x 126) time, about 1 kB of memory a row.

    >>> sets = Shingles(np.array([0, 3, 6, 7]), np.array([1, 2, 3, 1, 2, 3, 9], np.uint64))
    >>> near_pairs(sets, 0.5)
    Pairs(left=array([0]), right=array([1]), similarity=array([1.]))
    """
    from pipeline import minhash

    offsets = np.ascontiguousarray(shingles.offsets, np.int64)
    hashes = np.ascontiguousarray(shingles.hashes, np.uint64)
    n = len(offsets) - 1
    train = np.ones(n, bool) if is_train is None else np.asarray(is_train, bool)
    keys = minhash.digests(offsets, hashes)
    order = np.lexsort((np.arange(n), ~train, keys))  # among equal sets, train rows first, then by position
    first = minhash.first_equal(order, keys, offsets, hashes)
    filled = np.diff(offsets) > 0
    heads = np.flatnonzero((first == np.arange(n)) & filled)  # one for each set, a train row if any

    sig = minhash.signatures(heads, offsets, hashes, minhash.A, minhash.B)
    head_train, dense = train[heads], np.zeros(len(heads), np.uint64)
    kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for band in counted("near-duplicate pairs", range(minhash.BANDS), minhash.BANDS):
        band_keys = minhash.band_keys(sig, band, minhash.ROWS)
        left, right = minhash.candidates(np.argsort(band_keys), band_keys, sig, head_train, dense, band,
                                         minhash.ROWS, minhash.ALL_PAIRS_MEMBERS, minhash.LINKS)
        similarity = minhash.jaccard(heads[left], heads[right], offsets, hashes)
        near = similarity >= floor
        kept.append((heads[left[near]], heads[right[near]], similarity[near]))

    one, two, similarity = (np.concatenate([part[k] for part in kept]) for k in range(3))
    return spread(one, two, similarity, first, train, filled)


def spread(
    one: np.ndarray, two: np.ndarray, similarity: np.ndarray,
    first: np.ndarray, train: np.ndarray, filled: np.ndarray,
) -> Pairs:
    """Add the pairs of rows that equal another row to those of the representatives, and sort.

    first : (n,) the representative of each row, a train row if any is equal. filled : (n,) rows with content.
    """
    n = len(first)
    copies = np.flatnonzero((first != np.arange(n)) & filled & train[first])
    one, two = np.concatenate([one, first[copies]]), np.concatenate([two, copies])
    similarity = np.concatenate([similarity, np.ones(len(copies))])
    one, two, similarity = _with_held_out_copies(one, two, similarity, first, train, filled)
    left, right = np.minimum(one, two), np.maximum(one, two)
    _, where = np.unique(left * n + right, return_index=True)
    return Pairs(left[where], right[where], similarity[where])


def clusters(n: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(n,) int64: the smallest position in each row's connected component.

    >>> clusters(5, np.array([1, 3]), np.array([3, 4])).tolist()
    [0, 1, 2, 1, 1]
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    smallest = np.full(n, n, np.int64)
    np.minimum.at(smallest, component, np.arange(n))
    return smallest[component]


def _with_held_out_copies(
    one: np.ndarray, two: np.ndarray, similarity: np.ndarray,
    first: np.ndarray, train: np.ndarray, filled: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Repeat each pair of a train representative for every held-out row that equals the other side.

    So what a held-out row pairs with is a function of that row and of the train rows.
    """
    copies = np.flatnonzero((first != np.arange(len(first))) & filled & ~train)
    copies = copies[np.argsort(first[copies], kind="stable")]
    heads = first[copies]
    parts = [(one, two, similarity)]
    for a, b in ((one, two), (two, one)):  # b is the side that has copies
        usable = train[a] & (first[a] != first[b])
        a, b, s = a[usable], b[usable], similarity[usable]
        low, high = np.searchsorted(heads, b, "left"), np.searchsorted(heads, b, "right")
        times = high - low
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        parts.append((np.repeat(a, times), copies[np.repeat(low, times) + within], np.repeat(s, times)))
    return tuple(np.concatenate([part[k] for part in parts]) for k in range(3))  # type: ignore[return-value]
