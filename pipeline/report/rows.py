"""Any row a finding may name, as the report shows it: words, label, split, and a picture where it has one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from pipeline.dataset import ROW_ID, SOURCE, SPLIT, Dataset
from pipeline.findings import Findings
from pipeline.hashing import cell_json
from pipeline.modalities import modality
from pipeline.report.label_words import words_for
from pipeline.report.pictures import SIDE_PX, Pictures
from pipeline.report.privacy import mask
from pipeline.row_names import file_column

Steps = Sequence[tuple[str, Findings]]


class Rows:
    """Rows by id: ingested, added by a stage, or in the curated data."""

    def __init__(self, raw: Dataset, curated: Dataset, steps: Steps) -> None:
        self.raw = raw
        self.tables = [raw.table, curated.table, *(f.added for _, f in steps if f.added is not None)]
        of = modality(raw.modality)
        self.show, self.pictures = of.show, Pictures(of.picture)
        self.words = words_for(raw)
        self.file_column = file_column(raw) or ""
        self._keys: dict[str, str | None] = {}  # of the pictures of rows that were asked for

    @cached_property
    def where(self) -> dict[str, tuple[int, int]]:
        """Table and position of each row id; the raw data come first."""
        out: dict[str, tuple[int, int]] = {}
        for t in reversed(range(len(self.tables))):
            out.update((row_id, (t, i)) for i, row_id in enumerate(self.tables[t][ROW_ID].to_pylist()))
        return out

    @cached_property
    def drawn(self) -> bool:
        """Whether rows have pictures: whether one of the first few can be drawn."""
        return any(
            self.pictures.draw(self.content(str(i)) or {}, SIDE_PX) is not None for i in self.raw.ids[:8]
        )

    def row(self, row_id: str) -> dict[str, Any] | None:
        """Return the row, None where nobody knows it."""
        if row_id not in self.where:
            return None
        table, i = self.where[row_id]
        return self.tables[table].slice(i, 1).to_pylist()[0]

    def content(self, row_id: str) -> dict[str, Any] | None:
        """Return the row's content cells, None where nobody knows it."""
        row = self.row(row_id)
        return None if row is None else {c: row[c] for c in self.raw.roles.content}

    def text(self, row_id: str) -> str:
        """Return the row's content as plain text, whole, personal strings masked."""
        cells = self.content(row_id)
        return "" if cells is None else mask(self.show(cells))

    def picture(self, row_id: str) -> str | None:
        """Return the key of the row's picture, None where it has none."""
        if row_id not in self._keys:
            cells = self.content(row_id)
            self._keys[row_id] = None if cells is None else self.pictures.of(cells)
        return self._keys[row_id]

    def given(self, row_id: str) -> str | None:
        """Return the label the row had at first, as text that a review file takes."""
        row, column = self.row(row_id), self.raw.roles.label
        return None if row is None or column is None else cell_text(row[column])

    def label(self, row_id: str) -> str | None:
        """Return the label the row had at first, in words."""
        given = self.given(row_id)
        return None if given is None else self.words(given)

    def split(self, row_id: str) -> str | None:
        """Return the split of the row."""
        row = self.row(row_id)
        return None if row is None else row[SPLIT]

    def file(self, row_id: str) -> str | None:
        """Return the name of the file that the row came from, None where no column says it."""
        row = self.row(row_id) if self.file_column else None
        return None if row is None or not row.get(self.file_column) else str(row[self.file_column])

    def source(self, row_id: str) -> str:
        """Return the source of the row, "" where it has none."""
        row = self.row(row_id)
        return "" if row is None else row[SOURCE] or ""


def cell_text(cell: Any) -> str | None:
    """Return any cell as short text, None where it is missing."""
    return None if cell is None else cell if isinstance(cell, str) else cell_json(cell)
