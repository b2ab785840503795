"""A command for every stage: it runs alone on one dataset."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from flows.columns import Reading, spread
from flows.groups import STAGES
from flows.manners import DEFAULT_WORKSPACE, progress, result
from flows.options import Json, Out, Quiet, Set, WhyRerun, Workers, Workspace, engine_of

DryRun = Annotated[bool, typer.Option("--dry-run", help="say what it would do, write no result")]


def register_stages(app: typer.Typer) -> None:
    """Give every stage file a command; its help is the file's first line, read without importing it."""
    folder = Path(__file__).parent.parent / "pipeline" / "stages"
    for info in pkgutil.iter_modules([str(folder)]):
        if info.name == "review":  # has commands of its own, see `flows.review_commands`
            continue
        line = first_line((folder / f"{info.name}.py").read_text("utf-8"))
        app.command(info.name.replace("_", "-"), help=line, rich_help_panel=STAGES)(_stage_command(info.name))


def first_line(text: str) -> str:
    """Return the first line of a module's docstring. To parse the ten files would take a tenth of the start.

    >>> first_line("'Rows written in capitals.'")
    'Rows written in capitals.'
    """
    if text.startswith('"""'):
        return text[3:].split('"""', 1)[0].splitlines()[0].strip()
    return (ast.get_docstring(ast.parse(text)) or "").split("\n", 1)[0]


def _stage_command(name: str) -> Callable[..., None]:
    @spread
    def command(
        reading: Reading, out: Out = None, workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2,
        overrides: Set = None, dry_run: DryRun = False, why_rerun: WhyRerun = False, as_json: Json = False,
        quiet: Quiet = False,
    ) -> None:  # fmt: skip
        from flows.single import one_stage
        from pipeline.recipe import RecipeError
        from pipeline.store import Store

        if dry_run and out is not None:
            raise RecipeError("--dry-run writes no result: leave out -o")
        log = progress(quiet)
        recipe = reading.recipe()
        engine = engine_of(workspace, workers, log, recipe)
        target = None if dry_run else reading.out(out, name)
        store = Store(workspace, log if why_rerun else None)
        facts, plain = one_stage(
            name, reading.plan(), target, store, engine, overrides or [], log, recipe
        )
        result(facts, as_json, plain)

    return command
