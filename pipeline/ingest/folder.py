"""Folders: `<label>/*.txt`, `<split>/<label>/*.txt`, data files of one kind, or pictures.

Unused files are listed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

import pyarrow as pa

from pipeline.ingest.decode import BROKEN, not_utf8, read_text
from pipeline.ingest.delimited import read_delimited
from pipeline.ingest.idx import idx_files, read_idx
from pipeline.ingest.json_array import read_json
from pipeline.ingest.jsonl import read_jsonl
from pipeline.ingest.parquet import read_parquet
from pipeline.ingest.pictures import METADATA, is_picture, read_pictures
from pipeline.ingest.source import File, InputError, Raw, Rejected, Source, files_of
from pipeline.ingest.unify import concat

READERS: dict[str, Callable[[File], Raw]] = {
    ".csv": read_delimited, ".tsv": read_delimited, ".tab": read_delimited,
    ".jsonl": read_jsonl, ".ndjson": read_jsonl, ".parquet": read_parquet, ".pq": read_parquet,
    ".json": read_json,
}
SPLIT_WORDS = {word: split for split, words in (
    ("train", "train training"), ("validation", "validation valid dev val"),
    ("test", "test testing eval evaluation"),
) for word in words.split()}
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
EXPORTED = "dataset.parquet"  # what every command of ours writes


def read_source(source: Source) -> Raw:
    """Read one source, whatever it is.

    Raises
    ------
    InputError : missing, of an unknown kind, empty, or a folder whose layout could mean two things.
    """
    files, passed = files_of(source.path, source.encoding)
    one = files[0] if len(files) == 1 and files[0].path.samefile(source.path) else None
    raw = _read_file(one) if one else _read_folder(source.path, files)
    if passed:
        raw.notes.append(f"{source.path}: not used: {', '.join(passed)}")
    if not raw.table.num_rows:
        bad = raw.rejected[:1]
        why = "".join(f": {r.file}:{r.line}: {r.reason}" for r in bad)
        raise InputError(f"{source.path}: no rows{why} (the data must hold at least one readable row)")
    return raw


def split_of(name: str) -> str | None:
    """Return the split that a file name or a cell names, or None.

    >>> split_of("Dev"), split_of("data/train-00000-of-00003"), split_of("contest")
    ('validation', 'train', None)
    """
    words = [w for w in re.split(r"[-._ /\d]+", name.strip().lower()) if w in SPLIT_WORDS]
    return SPLIT_WORDS[words[-1]] if len({SPLIT_WORDS[w] for w in words}) == 1 else None


def _read_file(file: File) -> Raw:
    reader = READERS.get(file.path.suffix.lower())
    if reader is None:
        known = ", ".join(sorted(READERS))
        ending = file.path.suffix.lower()
        hint = f"use one of {known}"
        if is_picture(file):
            hint = "give the folder of pictures, or a table that names them and --image-column"
        elif ending in ARCHIVES:
            hint = f"unpack it first, then {hint}"
        raise InputError(f"{file.name}: files ending in {file.path.suffix!r} are not read ({hint})")
    return reader(file)


def _read_folder(path: str, files: list[File]) -> Raw:
    texts = [f for f in files if f.path.suffix.lower() == ".txt" and "/" in f.name]
    exported = [f for f in files if f.name == EXPORTED]
    data = exported or [f for f in files if f.path.suffix.lower() in READERS]
    data = [f for f in data if f.path.suffix.lower() != ".json"] or data  # beside data, .json says what it is
    described = all(f.path.name in METADATA for f in data)
    pictures = [f for f in files if is_picture(f)] if described and not exported else []
    if described and not exported and (packed := idx_files(files)):
        used, raw = list(packed.values()), read_idx(path, packed, SPLIT_WORDS)
    elif len(pictures) > len(texts):
        used, raw = read_pictures(path, files, pictures, READERS, SPLIT_WORDS)
    elif texts and not exported:
        used, raw = _read_texts(path, texts)
    else:
        used, raw = _read_data(path, data)
    if unused := sorted({f.name for f in files} - {f.name for f in used}):
        raw.notes.append(f"{path}: not used: {', '.join(unused)}")
    return raw


def _read_texts(path: str, files: list[File]) -> tuple[list[File], Raw]:
    parts = [PurePosixPath(f.name).parts for f in files]
    by_split = all(len(p) == 3 and p[0].lower() in SPLIT_WORDS for p in parts)
    used = [(f, p) for f, p in zip(files, parts, strict=True) if by_split or len(p) == 2]
    if not used:
        tops = ", ".join(sorted({p[0] for p in parts})[:8])
        raise InputError(f"{path}: text files lie two or more folders deep under {tops}, not all of them "
                         "split names (use <label>/*.txt, or train, validation and test for every file)")
    raw = Raw(pa.table({}))
    columns: dict[str, list[str]] = {"file": [], "label": [], "text": []}
    for file, part in used:
        text, notes = read_text(file)
        if bad := None if text.isascii() else BROKEN.search(text):
            line = text[: bad.start()].count("\n") + 1
            raw.rejected.append(Rejected(file.name, line, not_utf8(bad[0]), text))
            continue
        for name, cell in (("file", file.name), ("label", part[-2]), ("text", text)):
            columns[name].append(cell)
        raw.notes += notes
    raw.guesses.append(f"label: the {len(set(columns['label'])):,} folders' names")
    if by_split:
        columns["split"] = [SPLIT_WORDS[name.split("/")[0].lower()] for name in columns["file"]]
        raw.guesses.append("split: the outer folders' names, which cover all files")
    raw.table = pa.table({name: pa.array(cells, pa.large_string()) for name, cells in columns.items()})
    return [f for f, _ in used], raw


def _read_data(path: str, files: list[File]) -> tuple[list[File], Raw]:
    kinds = sorted({READERS[f.path.suffix.lower()].__name__.removeprefix("read_") for f in files})
    if not files:
        known = ", ".join(sorted(READERS))
        raise InputError(f"{path}: nothing to read here (it needs pictures, <label>/*.txt, or {known})")
    if len(kinds) > 1:
        names = ", ".join(f.name for f in files[:6])
        raise InputError(f"{path}: holds {' and '.join(kinds)} files: {names} (name one of them)")
    raws = [_read_file(f) for f in files]
    for file, raw in zip(files, raws, strict=True):
        if differ := set(raw.table.column_names) ^ set(raws[0].table.column_names):
            what = f"{file.name} and {files[0].name} differ in column {min(differ)!r}"
            raise InputError(f"{path}: {what} (name one of them)")
    splits = [split_of(f.name.removesuffix(f.path.suffix)) for f in files]
    table, notes = concat([r.table for r in raws])
    guesses = [g for r in raws for g in r.guesses]
    if len(files) > 1 and any(splits) and "split" not in table.column_names:
        if all(splits):
            cells = [s for s, r in zip(splits, raws, strict=True) for _ in range(r.table.num_rows)]
            table = table.append_column("split", pa.array(cells, pa.large_string()))
            guesses.append(f"split: the names of the {len(files)} files")
        else:
            bare = [f.name for f, s in zip(files, splits, strict=True) if not s]
            guesses.append(f"split: not taken from file names, because {bare[0]} names none")
    rejected = [row for r in raws for row in r.rejected]
    about = raws[0].about if len({raw.about for raw in raws}) == 1 else b""
    return files, Raw(table, rejected, guesses, [*notes, *(n for r in raws for n in r.notes)], about)
