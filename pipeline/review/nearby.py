"""Nearby: a row's nearest train rows, where a stage has computed them; nothing is computed for a look."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from pipeline.dataset import Dataset
from pipeline.review.decisions import label_text
from pipeline.review.items import Origin
from pipeline.signals.engine import Engine
from pipeline.stage import stages
from pipeline.store import Store

SHOWN = 3


def nearby(found: Origin, store: Store) -> Callable[[str], list[tuple[str, str]]]:
    """Return a function from a row id to (row id, label) of its nearest train rows, if at hand."""
    readers = [name for name, stage in stages().items() if "neighbors" in stage.needs]
    for fingerprint in {found.seen_by[name] for name in readers if name in found.seen_by}:
        if not (store.root / "datasets" / fingerprint).is_dir():
            continue
        data = store.load(fingerprint).roots
        engine = Engine(cache=store)
        table = store.load_signal("neighbors", engine.signals(data).key("neighbors"))
        if table is not None:
            index = np.asarray(engine.signal("neighbors").read(table).index)
            return partial(_near, data, index)
    return lambda row_id: []


def _near(data: Dataset, index: np.ndarray, row_id: str) -> list[tuple[str, str]]:
    if row_id not in data.position:
        return []
    places = [int(j) for j in index[data.position[row_id]][:SHOWN] if j >= 0]
    return [(data.ids[j], label_text(data.labels[j])) for j in places]
