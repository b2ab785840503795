"""Several annotators: the consensus that their votes and out-of-fold probabilities make together.

    q(i) = (w_m p(i) + sum_a w_a v_a(i)) / (w_m + sum_a w_a),   over the annotators a of row i

with v_a(i) the class that a chose, smoothed by how often votes agree with the consensus; w_a measures how
often annotator a agrees with the others, w_m how often the model does: CROWDLAB (Goh, Tkachenko & Mueller,
arXiv:2210.06812), by cleanlab. Where only counts are known, a row's votes are dealt to columns by a hash of
its id, so that all weigh alike. Where only shares are known, q(i) is the mean of p(i) and the shares.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from pipeline.dataset import Dataset
from pipeline.doubts import Doubts, margins
from pipeline.labels import Labels


def doubts_of_votes(data: Dataset, rows: np.ndarray, labels: Labels, probs: np.ndarray) -> Doubts:
    """Return the doubts about each row's majority against the consensus; of a tie, its likelier class.

    Scores beside: `ambiguous` = sum_k p_k^2, how likely two annotators of such a row agree; it is out of
    fold, so the row's own votes are not in it.
    """
    q, metrics = posterior(data, rows, labels, probs)
    tied = labels.targets >= labels.agreement[:, None] - 1e-9
    given = np.where(tied, q, -1.0).argmax(axis=1)
    gap, best = margins(q, given)

    def why(k: int) -> str:
        votes = labels.targets[k] * labels.n_votes[k]
        said = ", ".join(f"{c} {v:g}" for c, v in zip(labels.classes, votes, strict=True) if v)
        own, other = labels.classes[given[k]], labels.classes[best[k]]
        numbers = f"{other} {q[k, best[k]]:.2f}, {own} {q[k, given[k]]:.2f}"
        return f"voted {said}, but with what rows like it say the consensus is {numbers}"

    def right(k: int) -> Any:
        return labels.cell(np.where(np.arange(len(labels.classes)) == best[k], labels.n_votes[k], 0.0))

    line = np.arange(len(rows))
    return Doubts(rows, gap, q[line, given], q[line, best], gap > 0, right, why,
                  {"ambiguous": (probs**2).sum(axis=1)}, metrics)  # fmt: skip


def posterior(
    data: Dataset, rows: np.ndarray, labels: Labels, probs: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the consensus probabilities (m, K), and what is known of the annotators."""
    names = data.roles.annotators
    counted = bool(np.all(labels.n_votes == np.round(labels.n_votes)))
    if not counted:
        return (probs + labels.targets) / 2, {"votes": "shares"}
    votes = _by_annotator(data, rows, labels) if names else _dealt(data.ids[rows], labels)  # (m, a)
    there = votes >= 0
    if votes.shape[1] < 2 or there.sum(axis=1).max() < 2:
        return probs, {"votes": "one a row"}
    return _crowdlab(votes, probs, list(names) or None)


def _crowdlab(
    votes: np.ndarray, probs: np.ndarray, names: list[str] | None
) -> tuple[np.ndarray, dict[str, Any]]:
    from cleanlab.multiannotator import get_label_quality_multiannotator

    there = votes >= 0
    spoke = there.any(axis=0)
    given = np.where(there, votes, np.nan)[:, spoke]
    found = get_label_quality_multiannotator(
        given, probs, verbose=False, return_weights=True, return_detailed_quality=False
    )
    quality, n = found["label_quality"], there.sum(axis=1)
    agree = float(quality["annotator_agreement"].to_numpy()[n > 1].mean())
    other = (1.0 - agree) / max(probs.shape[1] - 1, 1)
    weights = np.asarray(found["annotator_weight"], dtype=np.float64)
    q = probs * found["model_weight"]
    for a, weight in enumerate(weights):
        said = np.flatnonzero(~np.isnan(given[:, a]))
        q[said] += weight * other
        q[said, given[said, a].astype(int)] += weight * (agree - other)
    q /= q.sum(axis=1, keepdims=True)
    metrics: dict[str, Any] = {"votes": "counts", "mean_agreement": round(agree, 4)}
    if names:
        stats = found["annotator_stats"]
        metrics["annotators"] = {
            name: {"quality": round(float(stats.loc[a, "annotator_quality"]), 4),
                   "agreement_with_consensus": round(float(stats.loc[a, "agreement_with_consensus"]), 4),
                   "rows": int(there[:, spoke][:, a].sum())}
            for a, name in enumerate(np.array(names, dtype=object)[spoke].tolist())
        }  # fmt: skip
    return q, metrics


def _by_annotator(data: Dataset, rows: np.ndarray, labels: Labels) -> np.ndarray:
    """(m, a) class code that each annotator gave, -1 for none."""
    from pipeline.ingest.unify import as_text

    place = {c: k for k, c in enumerate(labels.classes)}
    columns = [as_text(data.table[name]).to_pylist() for name in data.roles.annotators]
    return np.array([[place.get(column[i], -1) for column in columns] for i in rows], dtype=np.int64)


def _dealt(ids: np.ndarray, labels: Labels) -> np.ndarray:
    """(m, most votes) class codes: each row's votes in columns that a hash of its id chooses."""
    counts = np.round(labels.targets * labels.n_votes[:, None]).astype(np.int64)
    most = int(counts.sum(axis=1).max())
    out = np.full((len(ids), most), -1, dtype=np.int64)
    for i, row_id in enumerate(ids):
        said = np.repeat(np.arange(counts.shape[1]), counts[i])
        digest = hashlib.blake2b(str(row_id).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        out[i, np.random.default_rng(int.from_bytes(digest, "big")).permutation(most)[: len(said)]] = said
    return out
