"""The command `report`: where a run's report is, or the report written again, redacted if wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.complete import run_numbers
from flows.manners import DEFAULT_WORKSPACE, result
from flows.options import Json, Redact, Workspace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    run_number: Annotated[
        int | None,
        typer.Argument(metavar="[RUN]", help="the newest run by default", autocompletion=run_numbers),
    ] = None,
    workspace: Workspace = DEFAULT_WORKSPACE,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="write the report again, to this HTML file")
    ] = None,
    redact: Redact = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Print where a run's report is, or write it again, with --redact fit to be sent on."""
    from pipeline.recipe import RecipeError
    from pipeline.store import NotFound, Store

    store = Store(workspace)
    runs = store.runs()
    number = run_number if run_number is not None else (runs[-1] if runs else None)
    if number is None or number not in runs:
        raise NotFound(
            f"no run {'yet' if number is None else number} in {workspace} (start one with: assay run RECIPE)"
        )
    path = store.root / "runs" / str(number) / "report.html"
    if not path.exists():
        facts = store.run_facts(number)["facts"]
        of = f" (see the run it came of: assay report {facts['of']})" if facts["of"] else ""
        raise NotFound(f"run {number} came of {facts['made_by']}, was not evaluated and has no report{of}")
    if redact and out is None:
        raise RecipeError(
            "--redact: a run's report is never changed; say where to write it with -o FILE.html"
        )
    if out is not None:
        path = _written_again(path.with_suffix(".json"), out, redact)
    result({"run": number, "report": str(path), "redacted": redact}, as_json, str(path))


def _written_again(stored: Path, out: Path, redact: bool) -> Path:
    from pipeline.recipe import RecipeError
    from pipeline.report import write_as

    if out.suffix != ".html" or out.is_dir():
        raise RecipeError(f"-o {out}: give an HTML file, for example {out.with_suffix('.html')}")
    return write_as(json.loads(stored.read_text("utf-8")), out, redact)
