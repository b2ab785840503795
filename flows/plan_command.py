"""The command `assay plan`."""

from __future__ import annotations

import typer

from flows.manners import DEFAULT_WORKSPACE, result
from flows.options import Json, RecipePath, Set, Workspace


def register(app: typer.Typer) -> None:
    """Add `assay plan`."""
    app.command()(plan)


def plan(
    recipe: RecipePath, workspace: Workspace = DEFAULT_WORKSPACE, overrides: Set = None, as_json: Json = False
) -> None:
    """Say what a run would do and what of it is there already; computes and writes nothing."""
    from flows.plan import plan_run

    facts, plain = plan_run(recipe, workspace, overrides or [])
    result(facts, as_json, plain)
