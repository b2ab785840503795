"""audit: find everything, change nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.dataset import ROW_ID, Dataset
from pipeline.files import write_parquet
from pipeline.given import Given
from pipeline.hashing import cell_json
from pipeline.labels import labels_of, shape_of
from pipeline.outputs import issues_table, summary, write_tables
from pipeline.recipe import Data, build_stage
from pipeline.run import Call, Step, curate, directly
from pipeline.signals.engine import Engine
from pipeline.source import Opened, open_plan
from pipeline.stage import Stage
from pipeline.store import Store
from pipeline.words import how_many

DETECTORS = ("clean", "cells", "quality", "duplicates", "label_noise", "anomalies", "fitness")
SHOWN = 8  # issues that a printed audit names


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found. The data is as it was; `steps` hold what each stage would do."""

    opened: Opened
    steps: list[Step]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def dataset(self) -> Dataset:
        """The data that was audited."""
        return self.opened.dataset

    @property
    def issues(self) -> pd.DataFrame:
        """Every row, cleanlab's columns: `row_id`, `is_<issue>_issue`, `<issue>_score`."""
        return issues_table(self.dataset, [s.findings for s in self.steps]).to_pandas(
            types_mapper=pd.ArrowDtype
        )

    @property
    def summary(self) -> dict[str, Any]:
        """Rows by issue and action, and what was skipped and why."""
        return summary(self.dataset, self.steps)

    def __repr__(self) -> str:
        """Say what was found in a few lines, as a notebook shows it."""
        n, facts = self.dataset.n_rows, self.summary["issues"]
        found = {issue: sum(counts.values()) for issue, counts in facts.items()}
        top = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        lines = [f"Audit of {how_many(n, 'row')} ({self.dataset.modality}): "
                 f"{how_many(sum(found.values()), 'finding')}, nothing changed"]  # fmt: skip
        lines += [f"  {issue:20} {k:>6,}" for issue, k in top[:SHOWN]]
        if len(top) > SHOWN:
            lines.append(f"  and {how_many(len(top) - SHOWN, 'issue')} more")
        lines.append(".issues is a table of every row, .summary the counts, .report() a page")
        return "\n".join(lines)

    def report(self, path: Path | str = "report.html", redact: bool = False) -> Path:
        """Write the report (one HTML file that works offline, and its JSON twin) and return its path.

        redact : leave out every cell's text and value; counts stay.
        """
        from pipeline.report import write_as
        from pipeline.report.record import audit_record

        return write_as(audit_record(self), Path(path), redact)

    def save(self, folder: Path, redact: bool = False) -> Path:
        """Write tables, summary and report into `folder`; returns the report's path."""
        write_tables(folder, self.dataset, self.dataset, self.steps)
        return self.report(folder / "report.html", redact)


def audit(
    data: pd.DataFrame | Dataset | str | Path,
    *,
    label: str | None = None,
    text: str | None = None,
    modality: str | None = None,
    pred_probs: np.ndarray | None = None,
    embeddings: np.ndarray | None = None,
    stages: Sequence[Stage] | None = None,
    workers: int = 1,
) -> Audit:
    """Audit a frame, a file or a folder in memory.

    pred_probs : (n, K) out-of-sample probabilities, columns in the sorted order of the labels, replace the
        computed ones.
    embeddings : (n, d) vectors replace the computed ones. Both in the order of the frame's rows.
    Raises `pipeline.ingest.InputError` for data that cannot be read, `ValueError` for arrays of the wrong
    shape.
    """
    with tempfile.TemporaryDirectory(prefix="assay-") as scratch:
        store = Store(scratch)
        if isinstance(data, Dataset):
            opened, order = Opened(data), data.ids
        else:
            plan, order = _plan(data, label, text, modality, Path(scratch))
            opened = open_plan(plan, 0, store)
        engine = Engine(workers=workers, cache=store)
        given = {"pred_probs": pred_probs, "embeddings": embeddings}
        for name, array in given.items():
            if array is not None:
                engine.bring(_given(name, np.asarray(array), opened.dataset, order))
        return audit_dataset(opened, engine, stages=stages)


def audit_dataset(
    opened: Opened,
    engine: Engine,
    store: Store | None = None,
    stages: Sequence[Stage] | None = None,
    call: Call = directly,
) -> Audit:
    """Audit a dataset that is open already."""
    from pipeline.report.points import embedding_map

    chosen = stages or [build_stage(name, {}, opened.dataset.modality) for name in DETECTORS]
    steps = curate(opened.dataset, chosen, engine, store, call)
    return Audit(opened, steps, {"points": embedding_map(steps, engine)})


def _plan(
    data: pd.DataFrame | str | Path, label: str | None, text: str | None, modality: str | None, scratch: Path
) -> tuple[Data, np.ndarray]:
    base: dict[str, Any] = {"label": label, "text": text, "modality": modality}
    base |= {"test_fraction": 0.0, "validation_fraction": 0.0}
    if not isinstance(data, pd.DataFrame):
        return Data(path=str(data), **base), np.array([], dtype=object)
    frame = data.copy(deep=False)
    name = next((c for c in (ROW_ID, "id") if c in frame.columns), ROW_ID)
    if name == ROW_ID and ROW_ID not in frame.columns:
        frame[ROW_ID] = [str(i) for i in frame.index]
    write_parquet(scratch / "frame.parquet", pa.Table.from_pandas(frame, preserve_index=False))
    return Data(path=str(scratch / "frame.parquet"), id=name, **base), np.array(
        [str(i) for i in frame[name]], dtype=object
    )


def _given(name: str, array: np.ndarray, data: Dataset, order: np.ndarray) -> Given:
    if array.ndim != 2 or len(array) != data.n_rows or len(order) != data.n_rows:
        raise ValueError(
            f"{name} has shape {array.shape}; it needs one line for each of the {data.n_rows} rows of a frame"
        )
    columns: Mapping[str, pa.Array] = {ROW_ID: pa.array(order, pa.large_string())}
    if name == "embeddings":
        flat = pa.array(array.astype(np.float32).ravel())
        table = pa.table({**columns, "vector": pa.FixedSizeListArray.from_arrays(flat, array.shape[1])})
    else:
        classes = _classes(data)
        if array.shape[1] != len(classes):
            raise ValueError(
                f"pred_probs has {array.shape[1]} columns, the labels have {len(classes)} classes: {classes}"
            )
        flat = pa.array(array.astype(np.float64).ravel())
        table = pa.table(
            {
                **columns,
                "probs": pa.FixedSizeListArray.from_arrays(flat, len(classes)),
                "classes": pa.array([cell_json(classes)] * len(array), pa.large_string()),
            }
        )
    return Given(name, table, "brought by the user")


def _classes(data: Dataset) -> list[Any]:
    """Return the classes that columns of probabilities stand for, in the order that users are told."""
    if shape_of(data) in ("set", "votes"):
        return list(labels_of(data).classes)
    return sorted({cell_json(v): v for v in data.labels if v is not None}.values(), key=cell_json)
