"""Column types as `datasets` writes them in a dataset card (`dataset_info.features`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline.dataset import Dataset
from pipeline.export.pictures import HF_IMAGE, as_hf, hf_metadata, image_columns

MOST_CLASSES = 1_000  # more distinct labels are texts, not classes
_BY_NAME = {"halffloat": "float16", "float": "float32", "double": "float64", "date32[day]": "date32",
            "date64[ms]": "date64", "large_string": "string", "large_binary": "binary"}  # fmt: skip


def published(table: pa.Table) -> pa.Table:
    """Return the table with the types that every reader knows: `string` for `large_string`, and so on.

    Pictures become what `datasets` calls an Image.
    """
    pictures = image_columns(table.schema)
    table = as_hf(table) if pictures else table
    kinds = [pa.field(f.name, _small(f.type)) for f in table.schema]
    return table.cast(pa.schema(kinds)).replace_schema_metadata(hf_metadata(pictures))


def classes(data: Dataset) -> tuple[str, ...] | None:
    """Return the label's classes in ascending order, None where labels are no names of classes.

    Files keep the names; `datasets` reads them as codes, which is what ClassLabel says.
    """
    label = data.roles.label
    if label is None or not pa.types.is_large_string(data.table.schema.field(label).type):
        return None
    names = sorted(set(data.table[label].unique().to_pylist()) - {None})
    return tuple(names) if 0 < len(names) <= MOST_CLASSES else None


def features(schema: pa.Schema, label: str | None = None, names: Sequence[str] | None = None) -> list[dict]:
    """Return the columns as a card lists them; `label` is a ClassLabel where it has `names`.

    >>> features(pa.schema([("y", pa.string()), ("n", pa.list_(pa.int64()))]), "y", ["a", "b"])
    [{'name': 'y', 'dtype': {'class_label': {'names': {'0': 'a', '1': 'b'}}}}, {'name': 'n', 'list': 'int64'}]
    """
    out = []
    for field in schema:
        if names is not None and field.name == label:
            coded = {str(i): name for i, name in enumerate(names)}
            out.append({"name": field.name, "dtype": {"class_label": {"names": coded}}})
        else:
            out.append({"name": field.name, **_feature(field.type)})
    return out


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if kind == HF_IMAGE:
        return {"dtype": "image"}
    if pa.types.is_struct(kind):
        return {"struct": [{"name": f.name, **_feature(f.type)} for f in kind]}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = _feature(kind.value_type)
        value: Any = inner["dtype"] if set(inner) == {"dtype"} else inner.get("struct", inner)
        return {"list": value}
    text = str(kind)
    return {"dtype": _BY_NAME.get(text, text)}


def _small(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _small(f.type)) for f in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(_small(kind.value_type))
    return kind
