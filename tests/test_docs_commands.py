"""What the documentation tells people to type works: every command and python block of it is run here.

A new command needs nothing but its files: give `docs_folder.prepare` those that are not there yet. One that
cannot run here goes into SKIPPED, with the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from docs_folder import PRELUDE, ROOT, prepare

DOCS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md"), key=lambda p: (p.name != "guide.md", p.name)),
]
PROGRAMS = ("assay", "make", "prefect", "export", "python", "pip", "uv", "uvx", "docker", "git")
SKIPPED = {
    "assay demo": "takes minutes; benchmarks/demo.py runs it and keeps its figures",
    "assay serve": "runs until it is stopped; test_flows.py serves a flow",
    "assay review serve": "runs until it is stopped; test_review_page.py works with it in a browser",
    "assay review import": "wants a person's decisions; test_review_cli.py makes some",
    "prefect server start": "runs until it is stopped",
    "prefect work-pool": "needs a server; test_prefect_worker.py has one",
    "prefect deploy": "needs a server; test_prefect_worker.py has one",
    "prefect worker": "runs until it is stopped; test_prefect_worker.py has one",
    "export PREFECT_API_URL": "names a server that is not there in the tests",
    "make": "sets up an environment; what CI runs",
    "python benchmarks/": "a benchmark, run by hand on an idle machine",
    "pip install": "changes the environment of the tests",
}


class Piece(NamedTuple):
    """Something to run: a command line, or a python block; `form` is a mention such as `assay why ROW`."""

    where: str
    kind: str
    text: str


def pieces(path: Path) -> Iterator[Piece]:
    """Yield the commands and blocks of a page in order."""
    fence: str | None = None
    block: list[str] = []
    before = ""
    for n, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        where = f"{path.name}:{n}"
        if mark := re.match(r"\s*```(\w*)", line):
            if fence == "python":
                yield Piece(where, "python", "\n".join(block))
            fence, block = (mark[1], []) if fence is None else (None, [])
        elif fence == "python":
            block.append(line)
        elif fence is not None or (line.startswith("    ") and (before in ("", "code"))):
            text = line.strip().removeprefix("$ ")
            if text.split(" ")[0] in PROGRAMS:
                yield Piece(where, "command", text)
            before = "code"
            continue
        else:
            for span in re.findall(r"`(assay [^`]+)`", line):
                yield Piece(where, "form" if is_form(span) else "command", span)
        before = line.strip()


def is_form(span: str) -> bool:
    """Whether a mention shows how a command looks, as `assay why ROW` or plain `assay audit` does."""
    placeholder = re.search(r"\b[A-Z][A-Z_]+\b(?!=)|[\[<|…]|\.\.\.", re.sub(r"--\S+ '[^']*'", "", span))
    return bool(placeholder) or len(span.split()) < 3


def once(found: Iterator[Piece]) -> list[Piece]:
    return list({(p.kind, p.text): p for p in reversed(list(found))}.values())[::-1]


PIECES = [piece for path in DOCS for piece in once(pieces(path))]


def reason(piece: Piece) -> str | None:
    return next((why for start, why in SKIPPED.items() if piece.text.startswith(start)), None)


def named(piece: Piece) -> str:
    return f"{piece.where} {piece.text.splitlines()[0][:60]}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return prepare(tmp_path_factory.mktemp("docs"))


RUN = [p for p in PIECES if p.kind != "form" and reason(p) is None]


@pytest.mark.parametrize("piece", RUN, ids=map(named, RUN))
def test_what_the_docs_say_to_run_runs(piece: Piece, folder: Path):
    here = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "ASSAY_WORKSPACE": ""}
    command = ["bash", "-c", piece.text]
    if piece.kind == "python":
        command = [sys.executable, "-c", PRELUDE + piece.text]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **here}, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=300)  # fmt: skip
    allowed = (0, 1) if "--fail-on" in piece.text else (0,)
    assert done.returncode in allowed, f"{piece.where}: {piece.text}\n{done.stdout}\n{done.stderr}"


FORMS = [p for p in PIECES if p.text.startswith("assay ")]


@pytest.mark.parametrize("piece", FORMS, ids=map(named, FORMS))
def test_every_command_and_option_that_the_docs_name_exists(piece: Piece):
    import typer

    from flows.cli import app

    command = typer.main.get_command(app)
    known = {name for p in command.params for name in p.opts} | {"--debug", "--no-color", "--help"}
    for word in shlex.split(piece.text.replace("[", " ").replace("]", " "), comments=True)[1:]:
        if word.startswith("-"):
            assert word.split("=")[0] in known, f"{piece.where}: {piece.text}: no option {word}"
        elif below := getattr(command, "commands", None):
            for name in word.split("|"):
                assert name in below, f"{piece.where}: {piece.text}: no command {name}"
            command = below[word.split("|")[0]]
            known |= {name for p in command.params for name in p.opts}


def test_the_docs_are_really_read():
    assert len(RUN) >= 7 and len(FORMS) >= 20 and any(p.kind == "python" for p in RUN)
    kept = {start for start in SKIPPED if not any(p.text.startswith(start) for p in PIECES)}
    assert kept <= {"pip install", "python benchmarks/"}, f"no longer in the docs: {kept}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("    assay audit x.csv   # why\n", [("command", "assay audit x.csv   # why")]),
        ("text `assay audit DATA [-o OUT]` and `assay audit`", [("form", "assay audit DATA [-o OUT]"),
                                                                ("form", "assay audit")]),
        ("`assay run a.toml --set loop.rounds=1`", [("command", "assay run a.toml --set loop.rounds=1")]),
        ("```bash\n$ assay stages\noutput\n```\n", [("command", "assay stages")]),
        ("```python\nx = 1\ny = 2\n```\n", [("python", "x = 1\ny = 2")]),
        ("- a list\n    assay in its prose\n", []),
    ],
)  # fmt: skip
def test_commands_are_found_where_people_would_see_them(text, found, tmp_path):
    (tmp_path / "page.md").write_text(text)
    assert [(p.kind, p.text) for p in pieces(tmp_path / "page.md")] == found
