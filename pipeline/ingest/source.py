"""Where rows come from: sources, their regular files, and a digest over all bytes."""

from __future__ import annotations

import difflib
import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

RAW_CHARS = 500  # how much of an unreadable row the quarantine keeps
ROW_CHARS = 2**24  # a longer row is no row: the file has another format, or a quote never closes
MOST_COLUMNS = 10_000  # every column costs about 2 ms, whatever the rows
_TEXT = pa.large_string()
QUARANTINE_SCHEMA = pa.schema([("file", _TEXT), ("line", pa.int64()), ("reason", _TEXT), ("raw", _TEXT)])


class InputError(Exception):
    """The input cannot be used: one line, `file[:line]: what (what to do)`."""


@dataclass(frozen=True)
class Source:
    """One file or folder to read.

    name : the `source` column, and the prefix of ids when there are several; "" takes the path's stem.
    columns : what to rename, from the file's column name to ours, before roles are looked for.
    encoding : that of its text files; None finds out.
    labels : its words for classes, to ours. split : the split that all its rows are in, if they are.
    image : a column, by its final name, that holds pictures or names their files relative to the data.
    """

    name: str
    path: str
    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    split: str | None = None
    image: str | None = None

    @property
    def title(self) -> str:
        """The name, or the stem of the file or folder."""
        return self.name or in_utf8(Path(os.path.abspath(self.path)).stem)


class File(NamedTuple):
    """A regular file and its name: that of the file, or its path inside the source's folder."""

    path: Path
    name: str
    encoding: str | None = None


class Rejected(NamedTuple):
    """A row that could not be read."""

    file: str
    line: int
    reason: str
    raw: str


@dataclass
class Raw:
    """What a reader got out of one source: rows with their raw cells, and what is to be told.

    about : the JSON in which a Parquet file that we wrote says what it holds, else empty.
    """

    table: pa.Table
    rejected: list[Rejected] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    about: bytes = b""


def input_digest(sources: Sequence[Source]) -> str:
    """Return the SHA-256 over names and bytes of all files of all sources; no path outside a source enters.

    Raises `InputError` when a source is missing. Cost: one pass over the bytes, 1 MiB at a time.
    """
    h = hashlib.sha256()
    for source in sources:
        h.update(f"{len(source.title)}:{source.title}".encode("utf-8", "surrogateescape"))
        for file in (*files_of(source.path)[0], *_named(source)):
            name = file.name.encode("utf-8")
            try:
                with file.path.open("rb") as stream:
                    size = os.fstat(stream.fileno()).st_size
                    h.update(f"{len(name)}:".encode() + name + f":{size}:".encode())
                    while block := stream.read(1 << 20):
                        h.update(block)
            except OSError as error:
                raise _unreadable(file.name, error) from error
    return h.hexdigest()


def _named(source: Source) -> list[File]:
    """Return the picture files that a column of the source names; those of a folder are in it anyway."""
    if source.image is None or not Path(source.path).is_file():
        return []
    from pipeline.ingest.folder import read_source
    from pipeline.ingest.pictures import named_files

    column = next((old for old, new in source.columns.items() if new == source.image), source.image)
    return named_files(read_source(source), column, Path(source.path).parent)


def files_of(path: str, encoding: str | None = None) -> tuple[list[File], list[str]]:
    """Return the regular files of a file or folder in order of name, and what was passed over and why.

    Inside a folder, symbolic links are not followed and hidden files are not read.
    """
    root = Path(path)
    mode = _mode(root, path)
    if stat.S_ISREG(mode):
        return [File(root, in_utf8(root.name), encoding)], []
    if not stat.S_ISDIR(mode):
        raise InputError(f"{path}: neither a regular file nor a folder (copy the data to a file first)")
    files: list[File] = []
    passed: list[str] = []
    for folder, folders, names in os.walk(root):
        for name in [*folders, *names]:
            here = Path(folder, name)
            relative = in_utf8(here.relative_to(root).as_posix())
            mode = here.lstat().st_mode
            if stat.S_ISLNK(mode):
                passed.append(f"{relative} (a symbolic link)")
            elif name.startswith("."):
                passed.append(f"{relative} (hidden)")
            elif stat.S_ISREG(mode):
                files.append(File(here, relative, encoding))
            elif not stat.S_ISDIR(mode):
                passed.append(f"{relative} (not a regular file)")
        folders[:] = [f for f in folders if not f.startswith(".")]
    return sorted(files, key=lambda f: f.name), sorted(passed)


def read_bytes(file: File) -> bytes:
    """Return a file's bytes. Raises `InputError` where the system refuses."""
    try:
        return file.path.read_bytes()
    except OSError as error:
        raise _unreadable(file.name, error) from error


def in_utf8(name: str) -> str:
    r"""Return a file's name, bytes in it that are not UTF-8 as `\\xe9`.

    >>> in_utf8("caf" + chr(0xDCE9)).encode()
    b'caf\\xe9'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _mode(path: Path, name: str) -> int:
    """Return what kind of thing a path leads to. Raises `InputError` when that is nothing."""
    if not name or "\0" in name:
        raise InputError(f"{name!r} is no path (name a file or a folder)")
    try:
        return path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"{name[:80]}...: {error.strerror} (check the path)") from error
        if error.errno == errno.ENOENT and path.is_symlink():
            raise InputError(f"{name}: a symbolic link to nothing (name the file itself)") from error
        if error.errno == errno.ENOENT:
            raise InputError(f"{name}: no such file or folder{_meant(path)}") from error
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: OSError) -> InputError:
    advice = "check its permissions" if error.errno in (errno.EACCES, errno.EPERM) else "check the path"
    what = error.strerror or str(error)
    return InputError(f"{name}: {what[:1].lower()}{what[1:]} ({advice})")


def too_long(chars: int) -> str:
    """Return why a row of so many characters was not read."""
    return f"{chars:,} characters in one row; at most {ROW_CHARS:,} are read"


def check_width(columns: int, where: str) -> None:
    """Raise `InputError` where a table has more columns than any table of examples."""
    if columns > MOST_COLUMNS:
        what = f"{columns:,} columns; at most {MOST_COLUMNS:,} are read"
        raise InputError(f"{where}: {what} (leave some out; put many values of one row in a list)")


def quarantine(rejected: Iterable[Rejected]) -> pa.Table:
    """Return rejected rows as a table of QUARANTINE_SCHEMA, `raw` cut to 500 characters."""
    cells = [{**r._asdict(), "raw": in_utf8(r.raw[:RAW_CHARS])} for r in rejected]
    return pa.Table.from_pylist(cells, schema=QUARANTINE_SCHEMA)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return what to do about an unknown name.

    >>> did_you_mean("lable", ["text", "label"])
    "did you mean 'label'?"
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, names[:20]))}"


def _meant(path: Path) -> str:
    here = path.parent
    try:
        names = [in_utf8(p.name) for p in here.iterdir()] if here.is_dir() else []
    except OSError:
        names = []  # a folder that cannot be listed has no better name to offer
    close = difflib.get_close_matches(path.name, names, n=1)
    return f" (did you mean {(here / close[0]).as_posix()}?)" if close else " (check the path)"
