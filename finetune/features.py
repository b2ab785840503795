"""Features: one embedding for every row, those made by a stage included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.dataset import Dataset
from pipeline.hashing import content_keys
from pipeline.made import signals_of_made
from pipeline.signals.engine import Engine, Signals
from pipeline.stage import NotApplicable


def features(data: Dataset, engine: Engine, state: Mapping[str, Any] | None = None) -> np.ndarray:
    """Return embeddings (n, d) float32 in the order of the rows.

    Signals know ingested rows only. A child with the content of an ingested row has its vector; the others
    are computed like any row, and cached by content. `state` is what the modality learnt from the rows a
    model was trained on; by default that of `data`'s own train rows.
    Raises `NotApplicable` when embeddings were given for the ingested rows only and a child has other
    content.
    """
    roots = data.roots
    if not data.n_rows:
        return np.zeros((0, 0), dtype=np.float32)
    signals = engine.signals(data) if state is None else _with_state(Signals(data, engine), state)
    parts = [np.asarray(signals["embeddings"], dtype=np.float32)] if roots.n_rows else []
    if roots.n_rows == data.n_rows:
        return parts[0]
    keys, place = content_keys(data.content), {k: i for i, k in enumerate(content_keys(roots.content))}
    new = {key: i for i, key in reversed(list(enumerate(keys))) if key not in place}
    if new and signals.origins.get("embeddings", "computed") != "computed":
        raise NotApplicable(
            f"{len(new)} rows made by a stage have no vector in the embeddings that were given; "
            "give theirs too, or leave out the stages that make rows"
        )
    if new:
        mask = np.zeros(data.n_rows, dtype=bool)
        mask[list(new.values())] = True
        made = signals_of_made(data.where(mask), engine, signals.state)
        parts.append(np.asarray(made["embeddings"], dtype=np.float32))
        place.update({key: roots.n_rows + i for i, key in enumerate(content_keys(made.data.content))})
    return np.concatenate(parts)[[place[key] for key in keys]]


def _with_state(signals: Signals, state: Mapping[str, Any]) -> Signals:
    signals.state = dict(state)
    return signals
