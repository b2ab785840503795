"""Commands that work on one dataset as a whole: audit, finetune, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.columns import Reading, spread
from flows.manners import DEFAULT_WORKSPACE, EXIT_CODES, progress, result
from flows.options import Json, Out, Quiet, Redact, Seed, Set, WhyRerun, Workers, Workspace, engine_of


def register(app: typer.Typer) -> None:
    """Give the app these commands."""
    for command in (audit, finetune, evaluate):
        app.command()(spread(command))


def audit(
    reading: Reading, out: Out = None, workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2,
    overrides: Set = None,
    pred_probs: Annotated[Path | None, typer.Option(help="Parquet: row_id, a column a class")] = None,
    embeddings: Annotated[Path | None, typer.Option(help="Parquet: row_id, vector")] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="exit 1 if it holds: 'label>2%', 'near_duplicate>0'; repeat it"),
    ] = None,
    redact: Redact = False, why_rerun: WhyRerun = False, as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Find everything, change nothing; write tables and a quality report."""
    from flows.checks import checked, parse_checks
    from flows.single import audit_data, bring
    from pipeline.store import Store

    checks = parse_checks(fail_on or [])
    log = progress(quiet)
    recipe = reading.recipe()
    engine = engine_of(workspace, workers, log, recipe)
    bring(engine, pred_probs, embeddings)
    target = reading.out(out, "audit")
    store = Store(workspace, log if why_rerun else None)
    facts, plain, found = audit_data(
        reading.plan(), target, store, engine, overrides or [], log, redact, recipe
    )
    if checks:
        facts["checks"] = checked(checks, found)
    result(facts, as_json, plain)
    failed = [check for check in facts.get("checks", []) if check["failed"]]
    for check in failed:
        typer.echo(f"check failed: {check['check']}: {check['because']}", err=True)
    if failed:
        raise typer.Exit(EXIT_CODES["checks failed"])


def finetune(
    reading: Reading, out: Out = None, workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2,
    overrides: Set = None, seed: Seed = 0, as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Train on the train rows (--set method=probe|partial|lora|full) and save a model folder."""
    from flows.single import finetune_data

    plan, recipe, target = reading.plan(split=True), reading.recipe(), reading.out(out, "model")
    engine = engine_of(workspace, workers, progress(quiet), recipe)
    facts, plain = finetune_data(plan, target, workspace, engine, overrides or [], seed, recipe)
    result(facts, as_json, plain)


def evaluate(
    model: Annotated[Path, typer.Argument(help="a model folder that assay finetune or assay run made")],
    reading: Reading, split: Annotated[str, typer.Option(help="train, validation or test")] = "test",
    workspace: Workspace = DEFAULT_WORKSPACE, workers: Workers = 2, as_json: Json = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Score a model on a split: metrics with intervals, per class, calibration, weak slices."""
    from flows.single import evaluate_model

    plan = reading.plan(split=True)
    engine = engine_of(workspace, workers, progress(quiet))
    facts, plain = evaluate_model(model, plan, split, workspace, engine)
    result(facts, as_json, plain)
