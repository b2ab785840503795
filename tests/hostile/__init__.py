"""Hostile inputs, generated: each case writes its file and states what the command must do with it.

A case is *refused* (exit code, one error line that names the file and holds the given words) or *read* (the
text cells that must come out, the lines that must be in quarantine). `either`: the damage may be harmless.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

AS_IT_IS = tuple(
    word for what in ("unicode", "markup", "whitespace") for word in ("--set", f"text.{what}=false")
)
TEXT = (
    "--text-column",
    "text",
    "--modality",
    "text",
    *AS_IT_IS,
)  # clean repairs nothing: cells as they were read
Make = Callable[[Path], str]


@dataclass(frozen=True)
class Case:
    """One hostile input and what must happen.

    make : writes the input into an empty folder and returns DATA (or RECIPE) as the command line gives it.
    says : refused: what the error line must hold, beside the file's name.
    texts : read: the text cells of out/dataset.parquet, sorted; None when only the number of rows is stated.
    lines : read: the lines in quarantine, in order.
    either : refused or read as stated, both are right.
    errors : error lines of a refusal; recipes tell all their mistakes at once.
    """

    name: str
    make: Make
    says: tuple[str, ...] = ()
    code: int = 0
    texts: tuple[str, ...] | None = None
    rows: int | None = None
    lines: tuple[int, ...] = ()
    either: bool = False
    options: tuple[str, ...] = TEXT
    command: str = "clean"
    errors: int = 1


def refused(name: str, make: Make, *says: str, code: int = 65, options: tuple[str, ...] = TEXT) -> Case:
    return Case(name, make, says, code, options=options)


def read(
    name: str, make: Make, texts: list[str], lines: tuple[int, ...] = (), options: tuple[str, ...] = TEXT
) -> Case:
    return Case(name, make, texts=tuple(sorted(texts)), lines=lines, options=options)


def counted(name: str, make: Make, rows: int, options: tuple[str, ...] = TEXT) -> Case:
    return Case(name, make, rows=rows, options=options)


def file(name: str, content: bytes | str) -> Make:
    """Return what writes one file."""

    def make(folder: Path) -> str:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return make


def every_case() -> list[Case]:
    """Return all cases but those of recipes."""
    from hostile import brought, delimited, encodings, images, json_lines, odd_files, parquet

    modules = (delimited, encodings, json_lines, parquet, odd_files, images, brought)
    cases = [case for module in modules for case in module.cases()]
    names = [c.name for c in cases]
    assert len(set(names)) == len(names), sorted(n for n in names if names.count(n) > 1)
    return cases
