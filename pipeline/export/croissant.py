"""Croissant 1.1: a JSON-LD description of Parquet files, from which any reader gets the rows back.

Written by hand, not through the `mlcroissant` package: the format is a page of JSON, and an export should not
need a graph library. The tests validate it with `mlcroissant` and read every row back through it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.export.about import About
from pipeline.export.pictures import HF_IMAGE
from pipeline.files import size_and_digest
from pipeline.hashing import IMAGE
from pipeline.ingest import InputError
from pipeline.recipe import RecipeError

SPECIFICATION = "http://mlcommons.org/croissant/1.1"
RECORDS = "rows"
NAME = "croissant.json"
PARQUET = "application/x-parquet"
MEANINGS = {
    "row_id": "Identifier of the row, unique in the dataset.",
    "split": "train, validation or test.",
    "source": "Where the row was read from.",
    "parents": "Identifiers of the rows that this row was made from; empty for rows that were read.",
    "weight": "How much the row counts in training; missing means 1.",
}
CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "arrayShape": "cr:arrayShape", "citeAs": "cr:citeAs",
    "column": "cr:column", "conformsTo": "dct:conformsTo", "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"}, "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet",
    "format": "cr:format", "includes": "cr:includes", "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5",
    "name": {"@container": "@language"}, "parentField": "cr:parentField", "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "samplingRate": "cr:samplingRate", "sc": "https://schema.org/", "separator": "cr:separator",
    "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip


def describe_files(place: Path, about: About) -> Path:
    """Write `croissant.json` beside a Parquet file, or into a folder of them, and return its path.

    Raises `RecipeError` when it is there already, there are no Parquet files, or their columns differ.
    """
    if not place.exists():
        raise RecipeError(f"{place}: no such file or folder")
    target = (place if place.is_dir() else place.parent) / NAME
    if target.exists():
        raise RecipeError(f"{target}: already there (delete it to have it written again)")
    if not about.pretty_name:
        about = about.model_copy(update={"pretty_name": place.resolve().stem})
    scratch = target.with_name(f".{NAME}.tmp")
    scratch.write_text(json_text(description(place, about)), "utf-8")
    scratch.replace(target)
    return target


def description(place: Path, about: About) -> dict[str, Any]:
    """Return the JSON-LD of a Parquet file, or of all Parquet files of a folder as one set of records."""
    folder = place if place.is_dir() else place.parent
    files = sorted(folder.rglob("*.parquet")) if place.is_dir() else [place]
    if not files or files[0].suffix != ".parquet":
        raise RecipeError(f"{place}: holds no Parquet file (write one with: assay export hf DIR {place})")
    schema, n_rows = _one_schema(files), sum(pq.read_metadata(f).num_rows for f in files)
    distribution = [_file_object(f, folder) for f in files]
    source = {"fileObject": {"@id": distribution[0]["@id"]}}
    if len(files) > 1:
        distribution.append(_file_set(files, folder))
        source = {"fileSet": {"@id": distribution[-1]["@id"]}}
    records = {"@type": "cr:RecordSet", "@id": RECORDS, "name": RECORDS,
               "key": {"@id": f"{RECORDS}/row_id"} if "row_id" in schema.names else None,
               "field": [_field(f, source) for f in schema]}  # fmt: skip
    stated = {"license": about.license if about.licensed else None, "url": about.url,
              "version": about.version, "datePublished": about.published, "citeAs": about.citation,
              "inLanguage": list(about.language) or None, "keywords": list(about.tags) or None}  # fmt: skip
    return _without_none({
        "@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": SPECIFICATION, "name": about.pretty_name,
        "description": f"{about.pretty_name}: {n_rows:,} rows.", **stated, "distribution": distribution,
        "recordSet": [_without_none(records)],
    })  # fmt: skip


def json_text(value: dict[str, Any]) -> str:
    """Return the text of the file."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _one_schema(files: Sequence[Path]) -> pa.Schema:
    try:
        schemas = [pq.read_schema(f).remove_metadata() for f in files]
    except (pa.ArrowException, OSError) as error:
        first = str(error).split("\n")[0]
        raise InputError(f"{files[0].parent}: not readable as Parquet: {first} (write it again)") from None
    for file, schema in zip(files, schemas, strict=True):
        if not schema.equals(schemas[0]):
            raise InputError(f"{file}: other columns than {files[0]}; describe one of them alone")
    return schemas[0]


def _file_object(file: Path, folder: Path) -> dict[str, Any]:
    name = file.relative_to(folder).as_posix()
    known = size_and_digest(file)
    return {"@type": "cr:FileObject", "@id": quote(name), "name": name, "contentUrl": name,
            "contentSize": f"{known['bytes']} B", "encodingFormat": PARQUET,
            "sha256": known["sha256"]}  # fmt: skip


def _file_set(files: Sequence[Path], folder: Path) -> dict[str, Any]:
    folders = sorted({f.relative_to(folder).parent.as_posix() for f in files})
    patterns = ["*.parquet" if f == "." else f"{f}/*.parquet" for f in folders]
    return {"@type": "cr:FileSet", "@id": "files", "name": "files", "description": "All files.",
            "encodingFormat": PARQUET, "includes": patterns}  # fmt: skip


def _field(field: pa.Field, source: dict[str, Any]) -> dict[str, Any]:
    name, kind = field.name, field.type
    read = {**source, "extract": {"column": name}}
    made: dict[str, Any] = {"@type": "cr:Field", "@id": f"{RECORDS}/{quote(name, safe='')}", "name": name}
    if name in MEANINGS:
        made["description"] = MEANINGS[name]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        made |= {"isArray": True, "arrayShape": "-1"}
        kind = kind.value_type
    if _is_picture(kind):
        body = {**read, "transform": {"jsonPath": "bytes"}}
        return {**made, "dataType": "sc:ImageObject", "source": body}
    if pa.types.is_struct(kind):
        inner = [_inner(f, read, made["@id"]) for f in kind]
        return {**made, "subField": inner}
    return {**made, "dataType": _data_type(kind, name), "source": read}


def _is_picture(kind: pa.DataType) -> bool:
    """Return whether a column holds pictures: Hugging Face's {bytes, path}, or ours."""
    return kind in (HF_IMAGE, IMAGE)


def _inner(field: pa.Field, read: dict[str, Any], above: str) -> dict[str, Any]:
    made = {"@type": "cr:Field", "@id": f"{above}/{quote(field.name, safe='')}", "name": field.name}
    return {**made, "dataType": _data_type(field.type, field.name),
            "source": {**read, "transform": {"jsonPath": field.name}}}  # fmt: skip


def _data_type(kind: pa.DataType, name: str) -> str:
    checks = ((pa.types.is_boolean, "sc:Boolean"), (pa.types.is_integer, "sc:Integer"),
              (pa.types.is_floating, "sc:Float"), (pa.types.is_date, "sc:Date"),
              (pa.types.is_timestamp, "sc:DateTime"), (pa.types.is_time, "sc:Time"),
              (pa.types.is_string, "sc:Text"), (pa.types.is_large_string, "sc:Text"),
              (pa.types.is_binary, "sc:Text"), (pa.types.is_large_binary, "sc:Text"))  # fmt: skip
    found = next((data_type for check, data_type in checks if check(kind)), None)
    if found is None:
        raise RecipeError(f"column {name!r} is {kind}, for which Croissant has no type")
    return found


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
