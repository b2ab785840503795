"""Units: sets of rows that belong in one split, because they are copies of each other or of one group."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.dataset import Dataset, objects
from pipeline.hashing import cell_json
from pipeline.modalities import modality
from pipeline.signals.pairs import clusters
from pipeline.stage import NotApplicable

BELOW = 0.05  # how much less alike than near copies rows may be to be kept together
FLOORS = (0.7, 0.9)  # similarity; the next one is tried when one cluster swallows too much
SWALLOWED_FRACTION = 0.2


def units(data: Dataset, near: bool = True) -> tuple[np.ndarray, list[str]]:
    """(n,) int64: the smallest position in each row's unit, and notes. Rows of a unit belong in one split.

    Units are the connected components over equal content (`Modality.identity`), near-duplicate pairs of
    similarity a little below the modality's `near_copy` (text: 0.5), and equal groups. When one such
    component holds more than a fifth of the rows (rows made from one template), the similarity asked for
    rises to 0.7, then 0.9.
    """
    kind = modality(data.modality)
    firm = [_chain(kind.identity(data.content))]
    if data.roles.group is not None:
        groups = ["" if v is None else cell_json(v) for v in data.table[data.roles.group].to_pylist()]
        firm.append(_chain(objects(groups)))
    left, right = (np.concatenate([pair[k] for pair in firm]) for k in (0, 1))
    whole = clusters(data.n_rows, left, right)
    if not near:
        return whole, []
    first = round(kind.near_copy - BELOW, 6)
    floors = (first, *(floor for floor in FLOORS if floor > first))
    try:
        pairs = kind.pairs(data.content, floors[0], None)
    except NotApplicable as why:
        return whole, [f"split: near copies may straddle splits: {why}"]
    for floor in floors:
        keep = pairs.similarity >= floor
        cluster = clusters(data.n_rows, pairs.left[keep], pairs.right[keep])
        if np.bincount(cluster, minlength=1).max(initial=0) <= max(SWALLOWED_FRACTION * data.n_rows, 10):
            break
    note = [] if floor == floors[0] else [
        f"split: many rows look alike, so only rows of similarity {floor} and more are kept together"]
    left, right = np.concatenate([left, pairs.left[keep]]), np.concatenate([right, pairs.right[keep]])
    return clusters(data.n_rows, left, right), note


def _chain(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of positions that connect all rows of equal key; the empty key connects nothing."""
    codes = pd.factorize(keys)[0]
    codes = np.where(keys == "", -1, codes)
    order = np.argsort(codes, kind="stable")
    same = (codes[order][1:] == codes[order][:-1]) & (codes[order][1:] >= 0)
    return order[:-1][same].astype(np.int64), order[1:][same].astype(np.int64)
