"""Few rows that stand for many: greedy orders over unit vectors, the first m of which are the subset.

facility_location : the next row is the one that raises sum_i max_{j in S} (1 + cos(i, j)) / 2 most, so that
    every row has a chosen one near it. The greedy order is within 1 - 1/e of the best (Nemhauser, Wolsey &
    Fisher, Math. Programming 1978; used for training data by Wei, Iyer & Bilmes, ICML 2015).
k_centre : the next row is the one farthest from all chosen ones, within twice the best radius (Gonzalez,
    Theor. Comput. Sci. 1985; Sener & Savarese, ICLR 2018). It starts at the row nearest the mean.
"""

from __future__ import annotations

import numpy as np

MOST = 4000  # rows that are candidates and that are to be covered: 128 MB of similarities


def facility_location(vectors: np.ndarray, m: int) -> np.ndarray:
    """Return m positions in greedy order; ties go to the first row.

    vectors : (n, d) of unit length, n at most MOST. Cost: O(n^2 (d + m)).

    >>> facility_location(np.array([[1.0, 0.0], [0.9, 0.436], [0.0, 1.0]]), 2).tolist()
    [1, 2]
    """
    similarity = (1.0 + vectors @ vectors.T) / 2.0
    covered = np.zeros(len(vectors))
    left = np.ones(len(vectors), dtype=bool)
    out = []
    for _ in range(min(m, len(vectors))):
        gain = np.maximum(similarity, covered[:, None]).sum(axis=0)  # (n,) what each would cover in all
        best = int(np.where(left, np.round(gain, 9), -1.0).argmax())
        out.append(best)
        left[best] = False
        covered = np.maximum(covered, similarity[:, best])
    return np.array(out, dtype=np.int64)


def k_centre(vectors: np.ndarray, m: int) -> np.ndarray:
    """Return m positions in greedy order; ties go to the first row. Cost: O(n d m).

    >>> k_centre(np.array([[1.0, 0.0], [0.9, 0.436], [0.0, 1.0]]), 2).tolist()
    [1, 2]
    """
    near = vectors @ vectors.mean(axis=0)
    closest = np.full(len(vectors), -2.0)  # largest cosine to a chosen row
    left = np.ones(len(vectors), dtype=bool)
    out: list[int] = []
    for _ in range(min(m, len(vectors))):
        rank = np.round(near if not out else -closest, 9)
        best = int(np.where(left, rank, -3.0).argmax())
        out.append(best)
        left[best] = False
        closest = np.maximum(closest, vectors @ vectors[best])
    return np.array(out, dtype=np.int64)
