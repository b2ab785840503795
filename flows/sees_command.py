"""The command `sees`: what a model is shown of each row, and what it learns to say."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.columns import Reading, spread
from flows.manners import DEFAULT_WORKSPACE, progress, result
from flows.options import Json, Out, Quiet, Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(spread(sees))


def sees(
    reading: Reading,
    model: Annotated[
        str, typer.Option(help="a folder or Hub name whose tokenizer is used, or tiny")
    ] = "tiny",
    max_tokens: Annotated[int, typer.Option(min=8, help="longer rows are cut here")] = 512,
    loss_turns: Annotated[str, typer.Option(help="which answers are learnt: all or last")] = "all",
    row: Annotated[
        list[str] | None, typer.Option(metavar="ROW", help="print this row with what is learnt; repeat it")
    ] = None,
    out: Out = None, workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Show what a model reads of conversations: template, tokens, loss mask, cuts, rows without loss."""
    from finetune.sees import sees as look
    from flows.single import open_said
    from pipeline.files import write_parquet
    from pipeline.recipe import RecipeError
    from pipeline.store import Store

    if loss_turns not in ("all", "last"):
        raise RecipeError(f"--loss-turns {loss_turns}: write all or last")
    data = open_said(reading.plan(), Store(workspace), progress(quiet)).dataset
    if unknown := [r for r in row or () if r not in data.position]:
        raise RecipeError(f"--row {unknown[0]}: no such row (ids look like {data.ids[0]})")
    seen = look(data, model, max_tokens, loss_turns)
    facts, lines = seen.to_json(), seen.lines()
    named = list(row or data.ids[:1])
    facts["shown"] = {row_id: seen.show(row_id) for row_id in named}
    lines += [f"\n{text}" for text in facts["shown"].values()]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_parquet(out / "sees.parquet", seen.table)
        facts["table"] = str(out / "sees.parquet")
        lines.append(f"\ntable: {facts['table']}")
    result(facts, as_json, "\n".join(lines))
