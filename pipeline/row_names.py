"""What people call a row: by its id, or by the file that it came from."""

from __future__ import annotations

from pipeline.dataset import Dataset
from pipeline.store import NotFound

FILE_COLUMNS = ("file_name", "file")  # hold the names of the files that pictures and texts were read from


def file_column(data: Dataset) -> str | None:
    """Return the column that says which file a row came from, None where none does."""
    return next((name for name in FILE_COLUMNS if name in data.table.column_names), None)


def row_called(data: Dataset, name: str) -> str:
    """Return the id of the row that is called so, by its id or else by its file; the name itself if none is.

    Raises `NotFound` where several rows came from that file.

    >>> from pipeline.dataset import Roles
    >>> rows = {"row_id": ["a1", "b2"], "file_name": ["x/1.png", "x/2.png"], "image": [b"", b""]}
    >>> row_called(Dataset.of(rows, Roles(content=("image",)), "image"), "x/2.png")
    'b2'
    """
    column = file_column(data)
    if name in data.position or column is None:
        return name
    files = data.table[column].to_pylist()
    found = [str(row_id) for row_id, file in zip(data.ids, files, strict=True) if file == name]
    if len(found) > 1:
        raise NotFound(f"{len(found)} rows are of file {name!r}: {', '.join(found[:5])} (name one by its id)")
    return found[0] if found else name
