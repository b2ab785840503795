"""Folders of pictures, and columns that name picture files.

Layouts as in Hugging Face's `imagefolder`: `<label>/x.jpg`, `<split>/<label>/x.jpg`, `<split>/x.jpg`, or
pictures beside a `metadata.csv`, `.jsonl` or `.parquet` whose column `file_name` names them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import pyarrow as pa

from pipeline.hashing import IMAGE, image_array
from pipeline.ingest.source import File, InputError, Raw, Rejected, in_utf8
from pipeline.ingest.unify import concat
from pipeline.modalities.image.columns import kind_of

NAMES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")
OTHERS = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".md", ".toml", ".py")  # not looked into
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
FILE_NAME = "file_name"
FILE_BYTES = 200_000_000  # a larger file is no picture of at most 50 million pixels
_PART = 500  # files that become one chunk of the column

Reader = Callable[[File], Raw]


def is_picture(file: File) -> bool:
    """Return whether a file is called or begins as a picture does: what is only called so gets a reason."""
    ending = file.path.suffix.lower()
    if ending in NAMES or ending in OTHERS:
        return ending in NAMES
    try:
        with file.path.open("rb") as stream:
            return kind_of(stream.read(16)) is not None
    except OSError:
        return False


def read_pictures(
    path: str, files: Sequence[File], pictures: Sequence[File], readers: Mapping[str, Reader],
    split_words: Mapping[str, str],
) -> tuple[list[File], Raw]:  # fmt: skip
    """Read a folder's `pictures`, described by its metadata files if it has any; returns the files used too.

    Folders are splits only where every picture lies in one that is called so.
    Raises `InputError` for a layout that could mean two things.
    """
    described = [f for f in files if PurePosixPath(f.name).name in METADATA]
    parts = [PurePosixPath(f.name).parts for f in pictures]
    splits = [split_words.get(p[0].lower()) if len(p) > 1 else None for p in parts]
    if described:
        return _described(path, described, readers, split_words)
    by_split = all(splits)
    depth = {len(p) - by_split for p in parts}
    used = [k for k, p in enumerate(parts) if len(p) - by_split == (2 if 2 in depth else 1)]
    if not used:
        tops = ", ".join(sorted({p[0] for p in parts})[:8])
        raise InputError(f"{path}: pictures lie two or more folders deep under {tops}, not all of them split "
                         "names (use <label>/x.jpg, or train, validation and test for every file)")
    raw = Raw(pa.table({}))
    columns = {FILE_NAME: [pictures[k].name for k in used]}
    if 2 in depth:
        columns["label"] = [parts[k][-2] for k in used]
        raw.guesses.append(f"label: the {len(set(columns['label'])):,} folders' names")
    if by_split:
        columns["split"] = [str(splits[k]) for k in used]
        raw.guesses.append("split: the outer folders' names, which cover all files")
    elif any(splits):
        bare = next(f.name for f, s in zip(pictures, splits, strict=True) if not s)
        raw.guesses.append(f"split: not taken from the folders' names, because {bare} lies in none")
    return [pictures[k] for k in used], _with_cells(raw, columns, [pictures[k] for k in used])


def with_named(raw: Raw, column: str, at: str, base: Path, data: str) -> Raw:
    """Return the rows with the pictures that the text column `column` names, as the column `at`.

    Where both are one the names are kept as `file_name`. A row whose file is not there, or may not be read,
    is rejected.

    base : the folder that names are relative to; none may lead out of it or over a symbolic link.
    data : what the rows were read from, for what is rejected.
    """
    table = raw.table
    if not _is_text(table, column):
        return raw
    names = table[column].to_pylist()
    found = [None if name is None else located(base, name) for name in names]
    cells, broken = _cells([f if isinstance(f, File) else None for f in found])
    rejected = [Rejected(data, k + 1, f"column {column!r}: {why}", str(names[k])[:500])
                for k, why in enumerate(found) if isinstance(why, str)]  # fmt: skip
    rejected += [Rejected(str(names[k]), 1, why, "") for k, why in broken.items()]
    if column == at and FILE_NAME not in table.column_names:
        table = table.append_column(FILE_NAME, table[column])
    if at in table.column_names:
        table = table.set_column(table.column_names.index(at), at, cells)
    else:
        table = table.append_column(at, cells)
    bad = broken.keys() | {k for k, f in enumerate(found) if isinstance(f, str)}
    if bad:
        table = table.take(pa.array([k for k in range(len(names)) if k not in bad], pa.int64()))
    return Raw(table, [*raw.rejected, *rejected], raw.guesses, raw.notes, raw.about)


def located(base: Path, name: str) -> File | str | None:
    """Return the regular file that a name leads to inside `base`, or why there is none.

    >>> located(Path("/tmp"), "../etc/passwd")
    "'../etc/passwd' leads out of the data's folder (name files relative to it)"
    """
    shown = repr(in_utf8(name[:200]))
    if "://" in name[:12]:
        return f"{shown} is an address, not a file (download it first)"
    parts = PurePosixPath(name).parts
    if not parts or "\0" in name:
        return f"{shown} names no file"
    if name.startswith(("/", "\\")) or ".." in parts or name[1:2] == ":":
        return f"{shown} leads out of the data's folder (name files relative to it)"
    here = base
    for k, part in enumerate(parts):
        here = here / part
        try:
            mode = here.lstat().st_mode
        except (OSError, ValueError) as error:
            return f"{shown}: {getattr(error, 'strerror', None) or error}".replace("No such", "no such")
        if stat.S_ISLNK(mode):
            return f"{shown} leads over a symbolic link, which is not followed"
        if not (stat.S_ISREG(mode) if k == len(parts) - 1 else stat.S_ISDIR(mode)):
            return f"{shown} is not a regular file"
    return File(here, in_utf8(PurePosixPath(*parts).as_posix()))


def named_files(raw: Raw, column: str, base: Path) -> list[File]:
    """Return the files that a text column names and that may be read, by name."""
    if not _is_text(raw.table, column):
        return []
    found = {located(base, name) for name in raw.table[column].unique().to_pylist() if name is not None}
    return sorted((f for f in found if isinstance(f, File)), key=lambda f: f.name)


def _described(
    path: str, described: Sequence[File], readers: Mapping[str, Reader], split_words: Mapping[str, str]
) -> tuple[list[File], Raw]:
    """Read the rows of metadata files and the pictures that they name."""
    tops = [split_words.get(PurePosixPath(f.name).parts[0].lower()) for f in described]
    raws, used = [], list(described)
    for file, split in zip(described, tops, strict=True):
        raw = readers[file.path.suffix.lower()](file)
        columns = [c for c in raw.table.column_names if c == FILE_NAME or c.endswith(f"_{FILE_NAME}")]
        if not columns:
            raise InputError(f"{file.name}: has no column {FILE_NAME!r} (it names the picture of each row)")
        inside = PurePosixPath(file.name).parent
        for column in columns:
            here = named_files(raw, column, file.path.parent)
            used += [f._replace(name=(inside / f.name).as_posix()) for f in here]
            at = "image" if column == FILE_NAME else column.removesuffix(f"_{FILE_NAME}")
            raw = with_named(raw, column, at, file.path.parent, file.name)
        if all(tops) and "split" not in raw.table.column_names:
            cells = pa.array([split] * raw.table.num_rows, pa.large_string())
            raw.table = raw.table.append_column("split", cells)
        raws.append(raw)
    table, notes = concat([r.table for r in raws])
    guesses = ["split: the outer folders' names, which cover all files"] if all(tops) else []
    rejected, told = [x for r in raws for x in r.rejected], [n for r in raws for n in r.notes]
    return used, Raw(table, rejected, guesses, [*notes, *told])


def _with_cells(raw: Raw, columns: dict[str, list[str]], files: Sequence[File]) -> Raw:
    """Return the files' rows: what their places say, and the pictures."""
    cells, broken = _cells(files)
    raw.rejected += [Rejected(files[k].name, 1, why, "") for k, why in broken.items()]
    table = pa.table({name: pa.array(values, pa.large_string()) for name, values in columns.items()})
    table = table.append_column("image", cells)
    raw.table = table.take(pa.array([k for k in range(len(files)) if k not in broken], pa.int64()))
    return raw


def _cells(files: Sequence[File | None]) -> tuple[pa.ChunkedArray, dict[int, str]]:
    """Return the files as image cells, missing where there is no file, and what could not be read."""
    chunks, broken = [], {}
    for start in range(0, len(files), _PART):
        bodies: list[bytes | None] = []
        for k, file in enumerate(files[start : start + _PART], start):
            body = None if file is None else _body(file)
            if isinstance(body, str):
                broken[k], body = body, None
            bodies.append(body)
        chunks.append(image_array(bodies))
    return pa.chunked_array(chunks, IMAGE), broken


def _body(file: File) -> bytes | str:
    """Return a regular file's bytes, or why not."""
    try:
        with os.fdopen(os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            known = os.fstat(stream.fileno())
            if not stat.S_ISREG(known.st_mode):
                return "not a regular file"
            if known.st_size > FILE_BYTES:
                return f"{known.st_size:,} bytes in one file; at most {FILE_BYTES:,} are read"
            return stream.read()
    except OSError as error:
        return (error.strerror or str(error)).lower()


def _is_text(table: pa.Table, column: str) -> bool:
    kind = table.schema.field(column).type if column in table.column_names else pa.null()
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
