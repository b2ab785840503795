"""Rows made by a stage, as signals take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.dataset import PARENTS, Dataset

if TYPE_CHECKING:
    from pipeline.signals.engine import Engine, Signals


def signals_of_made(made: Dataset, engine: Engine, state: Mapping[str, Any]) -> Signals:
    """Return signals of rows made by a stage, which signals otherwise leave out; cached by content.

    state : what the modality learnt from the ingested train rows.
    """
    from pipeline.signals.engine import Signals

    blank = pa.array([[]] * made.n_rows, pa.large_list(pa.large_string()))
    table = made.table.set_column(made.table.column_names.index(PARENTS), PARENTS, blank)
    signals = Signals(Dataset.of(table, made.roles, made.modality), engine)
    signals.state = dict(state)
    return signals
