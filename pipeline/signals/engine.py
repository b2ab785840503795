"""Runs signals: keys, cache, shared memo, worker processes.

A key is known before the signal is computed, so a stage's own key can name the signals it needs without
paying for them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from pipeline.code import code_parts
from pipeline.dataset import ROW_ID, SPLIT, WEIGHT, Dataset
from pipeline.given import Given
from pipeline.hashing import content_keys
from pipeline.modalities import Modality, code_of, modality
from pipeline.progress import counted
from pipeline.signals import Signal, signals
from pipeline.workers import in_processes

BATCH_ROWS = 512  # rows handed to a worker at once; fixed, so that workers never change a result


class Cache(Protocol):
    """Where signal tables live; `pipeline.store.Store` is one."""

    def load_signal(self, name: str, key: str) -> pa.Table | None:
        """Return a global signal's table, or None."""
        ...

    def save_signal(self, name: str, key: str, table: pa.Table) -> None:
        """Keep a global signal's table."""
        ...

    def load_rows(self, name: str, key: str) -> pa.Table | None:
        """Return all cached lines of a row signal, with their `content` keys, or None."""
        ...

    def save_rows(self, name: str, key: str, table: pa.Table) -> None:
        """Add lines to a row signal's cache."""
        ...


class Engine:
    """How to compute: settings by signal name, where to keep results, how many processes.

    given : tables brought by the user or by training, by signal name; see `Signals`.
    """

    def __init__(
        self,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        cache: Cache | None = None,
        workers: int = 1,
        given: Sequence[Given] = (),
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.settings = {name: dict(values) for name, values in (settings or {}).items()}
        self.cache, self.workers, self.given, self.log = cache, workers, list(given), log
        self._last: tuple[str, Signals] | None = None
        self.computed: list[str] = []  # names of the signals that were really computed, and for how many rows

    def signal(self, name: str) -> Signal:
        """Return the signal with this engine's settings."""
        return signals()[name](**self.settings.get(name, {}))

    def signals(self, data: Dataset) -> Signals:
        """Return the signals of a dataset; the last one asked for is kept, so that stages share it."""
        if self._last is None or self._last[0] != data.roots.fingerprint:
            self._last = (data.roots.fingerprint, Signals(data, self))
        return self._last[1]

    def bring(self, given: Given) -> None:
        """Let a table stand in for a computed signal from now on."""
        self.given.append(given)
        self._last = None

    def map(self, function: Callable[[Any], Any], items: Sequence[Any], what: str = "rows") -> list[Any]:
        """Apply an importable function to each item, in order, in worker processes if there are several.

        what : names the work where its progress is shown.
        """
        if self.workers <= 1 or len(items) < 2:
            return [function(item) for item in counted(what, items, len(items))]
        return in_processes(function, items, self.workers, what)


class Signals:
    """The signals of a dataset, as a stage sees them: `signals["embeddings"]` is computed once, then shared.

    Only ingested rows take part; neighbours and pairs run train to train and held-out to train.
    """

    def __init__(self, data: Dataset, engine: Engine | None = None) -> None:
        self.data, self.engine = data.roots, engine or Engine()
        self._tables: dict[str, pa.Table] = {}
        self._read: dict[str, Any] = {}
        self.origins: dict[str, str] = {}

    @property
    def modality(self) -> Modality:
        """The dataset's modality."""
        return modality(self.data.modality)

    @cached_property
    def state(self) -> dict[str, Any]:
        """What the modality learnt from the train rows."""
        return self.modality.fit(self.data.content.filter(pa.array(self.data.is_train)))

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            self._read[name] = self.engine.signal(name).read(self.table(name))
        return self._read[name]

    def table(self, name: str) -> pa.Table:
        """Return the signal as a table, aligned with the rows of `data` where it has one line a row."""
        if name not in self._tables:
            given = self._given(name)
            self.origins[name] = given.origin if given else "computed"
            table = given.rows_for(self.data) if given else None
            self._tables[name] = self._compute(self.engine.signal(name)) if table is None else table
        return self._tables[name]

    def key(self, name: str) -> str:
        """Return the digest that names this signal's content, known without computing it."""
        return _hash(self.parts(name))

    def parts(self, name: str) -> dict[str, Any]:
        """Return what this signal's content depends on, by name; digests of `parts` are its keys."""
        if given := self._given(name):
            return {"brought": given.digest}
        signal = self.engine.signal(name)
        columns = self._columns(signal) if signal.kind == "global" else [ROW_ID, *self.data.roles.content]
        needs = {need: self.parts(need) for need in signal.needs}
        return {**self._row_parts(signal), "data": self.data.digest(columns), "needs": needs}

    def _given(self, name: str) -> Given | None:
        return next((g for g in reversed(self.engine.given) if g.name == name and g.fits(self.data)), None)

    def row_key(self, signal: Signal) -> str:
        """Return what the lines of a row signal are cached under, whatever the rows."""
        return _hash(self._row_parts(signal))

    def _row_parts(self, signal: Signal) -> dict[str, Any]:
        """Everything but the rows."""
        code = (type(signal).__module__, *code_of(self.modality), *signal.code)
        return {
            "name": signal.name, "settings": signal.model_dump(mode="json"), "code": code_parts(*code),
            "modality": self.data.modality, "content": list(self.data.roles.content),
            "state": _hash(self.state) if signal.fits else None,
        }  # fmt: skip

    def _columns(self, signal: Signal) -> list[str]:
        roles = self.data.roles
        role_columns = {"label": roles.label, "group": roles.group, "time": roles.time}
        role_columns |= {"split": SPLIT, "weight": WEIGHT}
        read = [role_columns[r] for r in signal.reads]
        return [ROW_ID, *roles.content, *(c for c in read if c and c in self.data.table.column_names)]

    def _compute(self, signal: Signal) -> pa.Table:
        cache, engine = self.engine.cache, self.engine
        given = {name: self[name] for name in signal.needs}
        if signal.kind == "row":
            return self._compute_rows(signal, given)
        key = self.key(signal.name)
        table = cache.load_signal(signal.name, key) if cache else None
        if table is None:
            engine.log(f"{signal.name}: computing for {self.data.n_rows:,} rows")
            engine.computed.append(f"{signal.name}:{self.data.n_rows}")
            table = signal.compute(self.data, {**given, "state": self.state if signal.fits else {}}, engine)
            if cache:
                cache.save_signal(signal.name, key, table)
        return table

    def _compute_rows(self, signal: Signal, given: dict[str, Any]) -> pa.Table:
        """Compute only the contents that the cache does not hold; equal contents are computed once."""
        cache, engine, data = self.engine.cache, self.engine, self.data
        keys, row_key = content_keys(data.content), self.row_key(signal)
        known = cache.load_rows(signal.name, row_key) if cache else None
        have = set() if known is None else set(known["content"].to_pylist())
        first: dict[str, int] = {}
        for i, key in enumerate(keys):
            if key not in have:
                first.setdefault(key, i)
        if first or known is None:
            mask = np.zeros(data.n_rows, dtype=bool)
            mask[list(first.values())] = True
            engine.log(f"{signal.name}: computing for {len(first):,} of {data.n_rows:,} rows")
            engine.computed.append(f"{signal.name}:{len(first)}")
            table = signal.compute(
                data.where(mask), {**given, "state": self.state if signal.fits else {}}, engine
            )
            table = table.append_column(
                "content", pa.array([k for k, m in zip(keys, mask, strict=True) if m], pa.large_string())
            )
            if cache and len(first):
                cache.save_rows(signal.name, row_key, table)
            known = table if known is None else pa.concat_tables([known.select(table.column_names), table])
        where = {key: i for i, key in enumerate(known["content"].to_pylist())}
        rows = pa.array([where[k] for k in keys], pa.int64())
        return known.drop_columns(["content"]).take(rows).combine_chunks()


def batches(n: int, rows: int = BATCH_ROWS) -> Iterable[slice]:
    """Return fixed slices over n rows.

    >>> list(batches(3, 2))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    return [slice(i, min(i + rows, n)) for i in range(0, n, rows)]


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]
