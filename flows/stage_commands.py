"""A command for every stage: it runs alone on one dataset."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Callable
from pathlib import Path

import typer

from flows.manners import DEFAULT_WORKSPACE, progress, result
from flows.options import (
    DataPath,
    Encoding,
    GroupColumn,
    IdColumn,
    Json,
    LabelColumn,
    ModalityName,
    Out,
    Quiet,
    Set,
    SplitColumn,
    TextColumn,
    TimeColumn,
    Workers,
    Workspace,
    default_out,
    engine_of,
    plan_of,
)


def register_stages(app: typer.Typer) -> None:
    """Give every stage file a command; its help is the file's first line, read without importing it."""
    folder = Path(__file__).parent.parent / "pipeline" / "stages"
    for info in pkgutil.iter_modules([str(folder)]):
        if info.name == "review":  # has commands of its own, see `flows.review_commands`
            continue
        text = ast.get_docstring(ast.parse((folder / f"{info.name}.py").read_text("utf-8"))) or ""
        app.command(info.name.replace("_", "-"), help=text.splitlines()[0])(_stage_command(info.name))


def _stage_command(name: str) -> Callable[..., None]:
    def command(
        data: DataPath, out: Out = None, workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2,
        overrides: Set = None, text_column: TextColumn = None, label_column: LabelColumn = None,
        id_column: IdColumn = None, split_column: SplitColumn = None, group_column: GroupColumn = None,
        time_column: TimeColumn = None, modality: ModalityName = None, as_json: Json = False,
        quiet: Quiet = False, encoding: Encoding = None,
    ) -> None:  # fmt: skip
        from flows.single import one_stage

        plan = plan_of(
            data, text_column, label_column, id_column, split_column, group_column, time_column, modality,
            encoding=encoding,
        )
        log = progress(quiet)
        target = out or default_out(name, data)
        facts, plain = one_stage(
            name, plan, target, workspace, engine_of(workspace, workers, log), overrides or [], log
        )
        result(facts, as_json, plain)

    return command
