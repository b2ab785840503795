"""`assay export sft`: instruction and preference pairs in the formats that trainers read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.export_commands import export, origin_of
from flows.manners import DEFAULT_WORKSPACE, result, say
from flows.options import IdColumn, Json, ModalityName, Quiet, SplitColumn, TextColumn, Workspace
from pipeline.words import how_many

Format = Annotated[
    str | None,
    typer.Option(
        "--format", help="messages, prompt-completion, alpaca, sharegpt or preference; else the data's own"
    ),
]


def register() -> None:
    """Add `assay export sft`."""
    export.command()(sft)


def sft(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="a new .jsonl, .json or .parquet file")],
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="a file or folder; else a run's curated data")
    ] = None,
    form: Format = None,
    skip: Annotated[bool, typer.Option("--skip", help="leave out rows that do not fit the format")] = False,
    run: Annotated[int | None, typer.Option(help="the newest run by default")] = None,
    snapshot: Annotated[str | None, typer.Option(metavar="FP", help="fingerprint, or its beginning")] = None,
    workspace: Workspace = DEFAULT_WORKSPACE, text_column: TextColumn = None, id_column: IdColumn = None,
    split_column: SplitColumn = None, modality: ModalityName = None, as_json: Json = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Write instruction or preference pairs as trainers read them, one row a line."""
    from pipeline.export.pairs import export_pairs

    columns = (text_column, None, id_column, split_column, None, None, modality)
    origin = origin_of(data, run, snapshot, workspace, columns, quiet)
    made = export_pairs(origin.dataset, out, form, skip)
    for row_id, why in sorted(made.left_out.items())[:20]:
        say(f"not exported: {row_id}: {why}")
    if len(made.left_out) > 20:
        say(f"and {len(made.left_out) - 20} more rows are not exported")
    facts = {"file": str(made.path), "rows": made.n_rows, "left_out": made.left_out}
    result(facts, as_json, f"{made.path}\n{how_many(made.n_rows, 'row')}")
