"""Serve a recipe on a schedule with Prefect, on loopback."""

from __future__ import annotations

from pathlib import Path


def serve_recipe(recipe: Path, cron: str, workspace: Path, workers: int) -> None:
    """Serve `assay-improve` for this recipe until interrupted. Needs a Prefect server in PREFECT_API_URL.

    Raises `RecipeError` when the recipe is wrong or no server is named.
    """
    import os

    from finetune.settings import Training
    from pipeline.recipe import RecipeError, load_recipe

    load_recipe(recipe, train_model=Training)  # fail now, not at three in the morning
    if not os.environ.get("PREFECT_API_URL"):
        raise RecipeError(
            "PREFECT_API_URL is not set (start a server: prefect server start --host 127.0.0.1, "
            "then: export PREFECT_API_URL=http://127.0.0.1:4200/api)"
        )
    try:
        from flows.curate import improve
    except ModuleNotFoundError as error:
        raise RecipeError(f'{error.name} is not installed (pip install "assay[prefect]")') from None

    parameters = {"recipe": str(recipe.resolve()), "workspace": str(workspace.resolve()), "workers": workers}
    improve.serve(
        name=f"assay-{recipe.stem}", cron=cron, parameters=parameters, tags=["assay"], pause_on_shutdown=False
    )
