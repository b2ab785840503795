"""The content of text rows as one Arrow column, as its raw bytes, or as Python strings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Buffers(NamedTuple):
    """UTF-8 bytes of many texts: text i is data[edges[i]:edges[i + 1]]."""

    data: np.ndarray  # (bytes,) uint8
    edges: np.ndarray  # (n + 1,) int64


def joined(content: pa.Table) -> pa.LargeStringArray:
    r"""Return one text a row: the content columns joined with a line end, missing cells as empty text.

    >>> joined(pa.table({"title": ["a", None], "body": ["b", "c"]})).to_pylist()
    ['a\nb', '\nc']
    """
    columns = [pc.fill_null(content[name].cast(pa.large_string()), "") for name in content.column_names]
    if not columns:
        raise ValueError("text needs at least one content column")
    line_end = pa.scalar("\n", pa.large_string())
    whole = columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, line_end)
    return whole.combine_chunks()


def buffers(texts: pa.LargeStringArray) -> Buffers:
    """Return the bytes of an array without nulls, without copying; slices keep their offset.

    >>> data, edges = buffers(pa.array(["ab", "c", ""], pa.large_string()).slice(1))
    >>> [bytes(data[edges[i]:edges[i + 1]]) for i in range(2)]
    [b'c', b'']
    """
    _, edges, values = texts.buffers()
    if not len(texts):
        return Buffers(np.zeros(0, np.uint8), np.zeros(1, np.int64))
    offsets = np.frombuffer(edges, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return Buffers(np.zeros(0, np.uint8) if values is None else np.frombuffer(values, np.uint8), offsets)


def strings(content: pa.Table) -> list[str]:
    """Return one Python string a row."""
    return joined(content).to_pylist()
