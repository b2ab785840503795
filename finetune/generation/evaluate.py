"""evaluate_generator: how well a model answers held-out rows, every headline with an interval.

All labelled rows of the split are judged, faulty ones included: nobody has said which are faulty. A model is
so measured against answers of which some may be wrong; raw and curated meet the very same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from finetune import metrics
from finetune.evaluate import Evaluation
from finetune.generation.generator import Generator
from finetune.generation.score import exact_match, rouge_l
from finetune.generation.turns import conversations, last_answer
from finetune.generation.weak import hard_slices
from finetune.weak import exact_interval
from pipeline import slices as slicing
from pipeline.dataset import ROW_ID, Dataset
from pipeline.modalities import modality
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable

NO_ANSWERS = "no row was answered (generate_rows is 0)"


def evaluate_generator(
    model: Generator, data: Dataset, split: str, engine: Engine, slices: Sequence[str] | None = None,
    n_boot: int = 1000, seed: int = 0, generate: bool = True,
) -> Evaluation:  # fmt: skip
    """Judge `model` on the ingested rows of a split that have an answer.

    loss_per_token : nats, sum over all answer tokens / their number; perplexity = exp of it.
    loss_per_byte : nats, the same sum / bytes of the answers: comparable between tokenizers.
    exact_match, rouge_l : means over at most `generate_rows` rows, answered greedily.
    Intervals are percentiles of a bootstrap over rows, clustered by exact identity.
    `generate=False` leaves the answering out. Raises `NotApplicable` when no row has an answer.
    """
    roots = data.roots
    rows = roots.where(roots.splits == split)
    if not rows.n_rows:
        raise NotApplicable(f"split {split!r} has no row to judge on")
    found = model.losses(rows)
    kept = found.n_tokens > 0
    if not kept.any():
        raise NotApplicable(f"split {split!r} has no row whose answer gives a loss")
    rows = rows.where(kept)
    nats, tokens, n_bytes = (part[kept] for part in found)
    clusters = np.unique(modality(rows.modality).identity(rows.content).astype(str), return_inverse=True)[1]
    limit = model.training.generate_rows if generate else 0
    answered = _answers(model, rows, limit)
    scores = {name: np.array(answered[name], dtype=np.float64) for name in ("exact_match", "rouge_l")}
    looked_at, aligned = _slices(data, rows, engine, slices)
    return Evaluation(
        split=split, n=rows.n_rows, method=model.method, model=model.describe(), fingerprint=data.fingerprint,
        metrics=_metrics(nats, tokens, n_bytes, scores, clusters, n_boot, seed),
        per_class=[], confusion={}, calibration=[],
        slices=hard_slices({name: slicing.mask(name, rows, aligned) for name in looked_at}, nats / tokens),
        predictions=pa.table({
            ROW_ID: pa.array(list(rows.ids), pa.large_string()), "cluster": pa.array(clusters, pa.int64()),
            "nats": pa.array(nats, pa.float64()), "tokens": pa.array(tokens, pa.int64()),
            "bytes": pa.array(n_bytes, pa.int64()),
            "wanted": pa.array(answered["wanted"], pa.large_string()),
            "said": pa.array(answered["said"], pa.large_string()),
            "ended": pa.array(answered["ended"], pa.bool_()),
            "exact_match": pa.array(scores["exact_match"], from_pandas=True),
            "rouge_l": pa.array(scores["rouge_l"], from_pandas=True),
        }),
    )  # fmt: skip


def _answers(model: Generator, rows: Dataset, limit: int) -> dict[str, list[Any]]:
    """Answer at most `limit` rows, chosen by a hash of their ids, and score them; the others hold None."""
    turns = conversations(rows)
    order = sorted(range(rows.n_rows), key=lambda i: hashlib.sha256(str(rows.ids[i]).encode()).digest())
    chosen = sorted(order[:limit])
    said = dict(zip(chosen, model.answers([turns[i] for i in chosen]), strict=True)) if chosen else {}
    wanted = [turn[last_answer(turn) or 0]["content"] for turn in turns]
    out: dict[str, list[Any]] = {"wanted": wanted, "said": [], "ended": [], "exact_match": [], "rouge_l": []}
    for i in range(rows.n_rows):
        text, ended = said.get(i, (None, None))
        out["said"].append(text)
        out["ended"].append(ended if text is not None else None)
        out["exact_match"].append(None if text is None else float(exact_match(text, wanted[i])))
        out["rouge_l"].append(None if text is None else rouge_l(text, wanted[i]))
    return out


def _slices(
    data: Dataset, rows: Dataset, engine: Engine, slices: Sequence[str] | None
) -> tuple[list[str], pd.DataFrame | None]:
    """Return the groups to look at, and the measures of the rows where a group is bounded by one."""
    roots = data.roots
    if slices is not None and not any("<=" in s or ">=" in s for s in slices):
        return list(slices), None
    measures = engine.signals(data)["measures"].reset_index(drop=True)
    aligned = measures[np.isin(roots.ids, rows.ids)].reset_index(drop=True)
    return (slicing.candidates(roots, measures) if slices is None else list(slices)), aligned


def _metrics(
    nats: np.ndarray, tokens: np.ndarray, n_bytes: np.ndarray, scores: dict[str, np.ndarray],
    clusters: np.ndarray, n_boot: int, seed: int,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    drawn = metrics.bootstrap_weights(clusters, n_boot, np.random.default_rng(seed)).astype(np.float64)
    weights = np.vstack([np.ones(len(nats)), drawn])  # (1 + B, n)
    per_token, per_byte = ((weights @ nats) / (weights @ whole) for whole in (tokens, n_bytes))
    out = {"loss_per_token": _interval(per_token), "perplexity": _interval(np.exp(per_token)),
           "loss_per_byte": _interval(per_byte)}  # fmt: skip
    for name, values in scores.items():
        known = np.isfinite(values)
        if not known.any():
            out[name] = {"value": None, "low": None, "high": None, "why": NO_ANSWERS}
            continue
        hits, whole = weights[:, known] @ values[known], weights[:, known].sum(axis=1)
        out[name] = {**_interval(hits[whole > 0] / whole[whole > 0]), "n": int(known.sum())}
    exact = out["exact_match"]
    if exact["value"] in (0.0, 1.0):  # which resampling cannot move
        n = len(set(clusters[np.isfinite(scores["exact_match"])].tolist()))
        exact["low"], exact["high"] = exact_interval(round(exact["value"] * n), n)
    return out


def _interval(values: np.ndarray) -> dict[str, Any]:
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return {"value": float(values[0]), "low": float(low), "high": float(high)}
