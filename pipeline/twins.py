"""Which rows copy which, equal rows as one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.modalities import Pairs


class Twins:
    """The copies of each row and how similar they are, 1 for exact copies.

    `Pairs` link only the first of some equal rows with rows of other content; here all have its links.

    near : row -> copy -> similarity, as they were found. head : (n,) the first train row that equals a train
    row, itself if none does; a held-out row is its own, so that it changes nothing for other rows.
    """

    def __init__(self, identity: np.ndarray, is_train: np.ndarray, pairs: Pairs, threshold: float) -> None:
        """Link rows of one identity ("" for none) and pairs that are at least `threshold` similar."""
        from pipeline.signals.pairs import clusters

        self.near = _links(identity, is_train, pairs, threshold)
        equal = [(i, j) for i, others in self.near.items() for j, s in others.items()
                 if s >= 1 and i < j and is_train[i] and is_train[j]]  # fmt: skip
        links = np.array(equal, np.int64).reshape(-1, 2)
        self.head = clusters(len(identity), links[:, 0], links[:, 1])
        self._beyond: dict[int, dict[int, float]] = {}

    def of(self, row: int) -> dict[int, float]:
        """Return the copies of a row: those found, and those of its head that do not equal it."""
        head = int(self.head[row])
        own = self.near.get(row, {})
        if head == row:
            return own
        if head not in self._beyond:
            others: Mapping[int, float] = self.near.get(head, {})
            self._beyond[head] = {j: s for j, s in others.items() if self.head[j] != head}
        return {**self._beyond[head], **own}


def _links(
    identity: np.ndarray, is_train: np.ndarray, pairs: Pairs, threshold: float
) -> dict[int, dict[int, float]]:
    twins: dict[int, dict[int, float]] = {}
    enough = pairs.similarity >= threshold
    for i, j, s in zip(
        pairs.left[enough].tolist(),
        pairs.right[enough].tolist(),
        pairs.similarity[enough].tolist(),
        strict=True,
    ):
        twins.setdefault(i, {})[j] = s
        twins.setdefault(j, {})[i] = s
    groups: dict[str, list[int]] = {}
    for i, key in enumerate(identity):
        if key:
            groups.setdefault(key, []).append(i)
    for members in groups.values():
        # enough to name a twin in every split, and the row that is kept, without n^2 links
        hubs = [i for i in members if not is_train[i]][:5] + [i for i in members if is_train[i]][:5]
        for i in members:
            for j in hubs:
                if i != j:
                    twins.setdefault(i, {})[j] = 1.0
                    twins.setdefault(j, {})[i] = 1.0
    return twins
