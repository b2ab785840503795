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

        parts = batches(data.n_rows) or [slice(0, 0)]
        work = [_Batch(data.modality, _rows(data.content, part, engine.workers > 1)) for part in parts]
        return pa.concat_tables(engine.map(_measure, work, "measures")).combine_chunks()

    def read(self, table: pa.Table) -> pd.DataFrame:
        """Return a frame (n, m) of plain numbers in the order of the rows."""
        return table.to_pandas()


class _Batch(NamedTuple):
    modality: str
    content: pa.Table


def _rows(content: pa.Table, part: slice, sent: bool) -> pa.Table:
    """Return some rows; copied where they are sent to a worker, which would get a slice's whole column."""
    if sent:
        return content.take(list(range(part.start, part.stop)))
    return content.slice(part.start, part.stop - part.start)


def _measure(work: _Batch) -> pa.Table:
    frame = modality(work.modality).measure(work.content)
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
