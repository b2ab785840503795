"""Measures: named numbers about each row's content, with their units in the name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import pandas as pd
import pyarrow as pa

from pipeline.dataset import Dataset
from pipeline.modalities import modality
from pipeline.signals import Signal

if TYPE_CHECKING:
    from pipeline.signals.engine import Engine


class Measures(Signal, frozen=True):
    """What the modality measures: lengths, fractions, counts. A function of the row's content alone."""

    name: ClassVar[str] = "measures"
    kind: ClassVar[Literal["row", "global"]] = "row"

    def compute(self, data: Dataset, given: Mapping[str, Any], engine: Engine) -> pa.Table:
        """Return one column a measure; batches of rows go to the engine's workers."""
        from pipeline.signals.engine import batches

        rows = [data.content.take(list(range(part.start, part.stop))) for part in batches(data.n_rows)]
        work = [_Batch(data.modality, content) for content in rows or [data.content]]
        parts = engine.map(_measure, work, "measures")
        return pa.concat_tables(parts).combine_chunks()

    def read(self, table: pa.Table) -> pd.DataFrame:
        """Return a frame (n, m) of plain numbers in the order of the rows."""
        return table.to_pandas()


class _Batch(NamedTuple):
    modality: str
    content: pa.Table  # rows of its own, not a slice: a slice would send the whole column to the worker


def _measure(work: _Batch) -> pa.Table:
    frame = modality(work.modality).measure(work.content)
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
