"""The command `assay`. Heavy imports stay inside the commands: `assay --help` opens at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import doctor, export_commands, ledger_commands, plan_command, review_commands
from flows.manners import DEFAULT_WORKSPACE, guarded, progress, result
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
    RecipePath,
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
from flows.stage_commands import register_stages

app = typer.Typer(
    name="assay", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Find what is wrong with a training set, fix it, fine-tune, and let the evaluation steer the next "
    "round.\n\n"
    "  assay demo                     the main job on bundled data, start to finish\n\n"
    "  assay audit reviews.csv        find, change nothing; writes report.html",
)  # fmt: skip


@app.command()
def demo(
    workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2, as_json: Json = False,
    quiet: Quiet = False,
    variant: Annotated[str, typer.Option(help="faulty, as-is or both")] = "both", seed: int = 0,
) -> None:  # fmt: skip
    """The main job on a bundled real dataset, start to finish, offline."""
    from flows.demo import run_demo

    outcome = run_demo(workspace, variant, seed, workers, progress(quiet))
    result(outcome, as_json, outcome["text"])


@app.command()
def run(
    recipe: RecipePath, workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2,
    overrides: Set = None, as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Curate, fine-tune, evaluate and feed back, for the recipe's rounds."""
    from flows.improve import run_recipe

    done = run_recipe(recipe, workspace, overrides or [], workers, progress(quiet))
    result(done.facts, as_json, done.text)


@app.command()
def improve(
    recipe: RecipePath, rounds: Annotated[int, typer.Option(min=1, help="further rounds")] = 1,
    workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2, overrides: Set = None,
    as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Go on from a recipe's newest run for further rounds; earlier rounds are read back, not computed."""
    from flows.improve import further_rounds, run_recipe

    wanted = [*(overrides or []), further_rounds(recipe, workspace, overrides or [], rounds)]
    done = run_recipe(recipe, workspace, wanted, workers, progress(quiet))
    result(done.facts, as_json, done.text)


@app.command()
def audit(
    data: DataPath, out: Out = None, workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2,
    overrides: Set = None, text_column: TextColumn = None, label_column: LabelColumn = None,
    id_column: IdColumn = None, split_column: SplitColumn = None, group_column: GroupColumn = None,
    time_column: TimeColumn = None, modality: ModalityName = None,
    pred_probs: Annotated[Path | None, typer.Option(help="Parquet: row_id, a column a class")] = None,
    embeddings: Annotated[Path | None, typer.Option(help="Parquet: row_id, vector")] = None,
    as_json: Json = False, quiet: Quiet = False, encoding: Encoding = None,
) -> None:  # fmt: skip
    """Find everything, change nothing; write tables and a quality report."""
    from flows.single import audit_data, bring

    plan = plan_of(
        data, text_column, label_column, id_column, split_column, group_column, time_column, modality,
        encoding=encoding,
    )
    log = progress(quiet)
    engine = engine_of(workspace, workers, log)
    bring(engine, pred_probs, embeddings)
    facts, plain = audit_data(
        plan, out or default_out("audit", data), workspace, engine, overrides or [], log
    )
    result(facts, as_json, plain)


@app.command()
def finetune(
    data: DataPath, out: Out = None, workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2,
    overrides: Set = None, seed: int = 0, text_column: TextColumn = None, label_column: LabelColumn = None,
    id_column: IdColumn = None, split_column: SplitColumn = None, group_column: GroupColumn = None,
    time_column: TimeColumn = None, modality: ModalityName = None, as_json: Json = False,
    quiet: Quiet = False, encoding: Encoding = None,
) -> None:  # fmt: skip
    """Train on the train rows (--set method=probe|partial|full) and save a model folder."""
    from flows.single import finetune_data

    plan = plan_of(
        data, text_column, label_column, id_column, split_column, group_column, time_column, modality, True,
        encoding,
    )
    log = progress(quiet)
    target = out or default_out("model", data)
    facts, plain = finetune_data(
        plan, target, workspace, engine_of(workspace, workers, log), overrides or [], seed
    )
    result(facts, as_json, plain)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="a model folder that assay finetune or assay run made")],
    data: DataPath, split: Annotated[str, typer.Option(help="train, validation or test")] = "test",
    workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2, text_column: TextColumn = None,
    label_column: LabelColumn = None, id_column: IdColumn = None, split_column: SplitColumn = None,
    group_column: GroupColumn = None, time_column: TimeColumn = None, modality: ModalityName = None,
    as_json: Json = False, quiet: Quiet = False, encoding: Encoding = None,
) -> None:  # fmt: skip
    """Score a model on a split: metrics with intervals, per class, calibration, weak slices."""
    from flows.single import evaluate_model

    plan = plan_of(
        data, text_column, label_column, id_column, split_column, group_column, time_column, modality, True,
        encoding,
    )
    engine = engine_of(workspace, workers, progress(quiet))
    facts, plain = evaluate_model(model, plan, split, workspace, engine)
    result(facts, as_json, plain)


@app.command()
def why(
    row: Annotated[str, typer.Argument(metavar="ROW", help="a row id")],
    workspace: Workspace = DEFAULT_WORKSPACE,
    run_number: Annotated[int | None, typer.Option("--run", help="the newest run by default")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Tell a row's whole life in a run."""
    from pipeline.ledger import why as life
    from pipeline.store import Store

    lines = life(Store(workspace), row, run_number)
    result({"row_id": row, "life": lines}, as_json, "\n".join(lines))


@app.command()
def report(
    run_number: Annotated[
        int | None, typer.Argument(metavar="[RUN]", help="the newest run by default")
    ] = None,
    workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False,
) -> None:  # fmt: skip
    """Print where a run's report is."""
    from pipeline.store import NotFound, Store

    store = Store(workspace)
    runs = store.runs()
    number = run_number if run_number is not None else (runs[-1] if runs else None)
    if number is None or number not in runs:
        raise NotFound(
            f"no run {'yet' if number is None else number} in {workspace} (start one with: assay run RECIPE)"
        )
    path = store.root / "runs" / str(number) / "report.html"
    result({"run": number, "report": str(path)}, as_json, str(path))


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
def _version(
    version: Annotated[bool, typer.Option("--version", help="print the version and stop")] = False,
) -> None:
    if version:
        from pipeline import __version__

        typer.echo(f"assay {__version__}")
        raise typer.Exit


register_stages(app)
ledger_commands.register(app)
export_commands.register(app)
doctor.register(app)
plan_command.register(app)
review_commands.register(app)


def main() -> None:
    """Entry point of the console script."""
    from pipeline.masking import without_secrets

    guarded(without_secrets(app))


if __name__ == "__main__":
    main()
