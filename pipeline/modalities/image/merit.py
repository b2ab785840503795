"""Which of some copies of a picture shows most."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.modalities.image.cells import encoded, in_threads
from pipeline.modalities.image.decode import Unreadable, size_px


def merit(content: pa.Table, rows: np.ndarray) -> np.ndarray:
    """(m, 2) int64: pixels, then bytes of the file, of the pictures in `rows`; 0 where none can be read.

    So the full picture is kept rather than its thumbnail, and of equal sizes the one compressed less.
    A copy that was blown up counts as larger. Cost: the header of each file.
    """
    files = encoded(content)
    return np.array(in_threads(lambda i: _size(files[i].as_py()), rows.tolist()), np.int64).reshape(-1, 2)


def _size(body: bytes | None) -> tuple[int, int]:
    try:
        width, height = size_px(body or b"")
    except Unreadable:
        return 0, 0
    return width * height, len(body or b"")
