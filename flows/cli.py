"""The command `assay`. Heavy imports stay inside the commands: `assay --help` opens at once."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from flows import (
    data_commands,
    doctor,
    export_commands,
    export_pairs,
    ledger_commands,
    plan_command,
    report_commands,
    review_commands,
    sees_command,
    start_commands,
)
from flows.complete import modalities, run_numbers, variants
from flows.groups import Grouped
from flows.manners import DEFAULT_WORKSPACE, guarded, progress, result
from flows.options import Json, Quiet, RecipePath, Seed, Set, WhyRerun, Workers, Workspace
from flows.stage_commands import register_stages

app = typer.Typer(
    name="assay", cls=Grouped, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="\b\n"
    "assay demo                 the main job on bundled data, start to finish\n"
    "assay audit reviews.csv    find, change nothing; writes report.html\n\n"
    "Find what is wrong with a training set, fix it, fine-tune, and let the evaluation steer the next "
    "round.",
)  # fmt: skip


@app.command()
def demo(
    workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2, as_json: Json = False,
    quiet: Quiet = False, seed: Seed = 0,
    modality: Annotated[
        str, typer.Option(help="text, image, tabular or sft", autocompletion=modalities)
    ] = "text",
    variant: Annotated[
        str, typer.Option(help="faulty, as-is or both", autocompletion=variants)
    ] = "both",
) -> None:  # fmt: skip
    """The main job on a bundled dataset, start to finish, offline."""
    from flows.demo import run_demo

    outcome = run_demo(workspace, modality, variant, seed, workers, progress(quiet))
    result(outcome, as_json, outcome["text"])


@app.command()
def run(
    recipe: RecipePath, workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2,
    overrides: Set = None, why_rerun: WhyRerun = False, as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Curate, fine-tune, evaluate and feed back, for the recipe's rounds."""
    from flows.improve import run_recipe

    done = run_recipe(recipe, workspace, overrides or [], workers, progress(quiet), why_rerun=why_rerun)
    result(done.facts, as_json, done.text)


@app.command()
def improve(
    recipe: RecipePath, rounds: Annotated[int, typer.Option(min=1, help="further rounds")] = 1,
    workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2, overrides: Set = None,
    why_rerun: WhyRerun = False, as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Go on from a recipe's newest run for further rounds; earlier rounds are read back, not computed."""
    from flows.improve import further_rounds, run_recipe

    wanted = [*(overrides or []), further_rounds(recipe, workspace, overrides or [], rounds)]
    done = run_recipe(recipe, workspace, wanted, workers, progress(quiet), why_rerun=why_rerun)
    result(done.facts, as_json, done.text)


@app.command()
def why(
    row: Annotated[str, typer.Argument(metavar="ROW", help="a row id, or the file it came from")],
    workspace: Workspace = DEFAULT_WORKSPACE,
    run_number: Annotated[
        int | None, typer.Option("--run", help="the newest run by default", autocompletion=run_numbers)
    ] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Tell a row's whole life in a run."""
    from pipeline.ledger import why as life
    from pipeline.store import Store

    lines = life(Store(workspace), row, run_number)
    result({"row_id": row, "life": lines}, as_json, "\n".join(lines))


@app.command()
def stages(as_json: Json = False) -> None:
    """List the stages, what each does and its settings."""
    from pipeline.stage import stages as known

    table = {
        name: {
            "does": (s.__doc__ or "").splitlines()[0],
            "settings": sorted(set(s.model_fields) - {"options"}),
            "needs": list(s.needs),
            "touches": s.touches,
        }
        for name, s in known().items()
    }
    plain = "\n".join(
        f"{n:12} {t['does']}\n{'':12} settings: {', '.join(t['settings']) or 'none'}"
        for n, t in table.items()
    )
    result(table, as_json, plain)


@app.command()
def schema() -> None:
    """Print the recipe's JSON schema, for completion in an editor."""
    from flows.schema import recipe_schema

    result(recipe_schema(), True, "")


@app.command()
def serve(
    recipe: RecipePath, cron: Annotated[str, typer.Option(help="when to run, five fields")] = "0 3 * * *",
    workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2,
) -> None:  # fmt: skip
    """Serve the recipe as a scheduled Prefect flow.

    Needs a Prefect server (PREFECT_API_URL), loopback by default.
    """
    from flows.serve import serve_recipe

    serve_recipe(recipe, cron, workspace, workers)


@app.callback(invoke_without_command=True)
def _program(
    version: Annotated[bool, typer.Option("--version", help="print the version and stop")] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="plain lines, no bars; as NO_COLOR=1 in the environment")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    if no_color:
        os.environ["NO_COLOR"] = "1"
    if version:
        from pipeline import __version__

        typer.echo(f"assay {__version__}")
        raise typer.Exit


start_commands.register(app)
data_commands.register(app)
register_stages(app)
ledger_commands.register(app)
export_commands.register(app)
export_pairs.register()
doctor.register(app)
plan_command.register(app)
report_commands.register(app)
review_commands.register(app)
sees_command.register(app)


def main() -> None:
    """Entry point of the console script."""
    from pipeline.masking import without_secrets

    guarded(without_secrets(app))


if __name__ == "__main__":
    main()
