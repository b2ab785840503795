"""Serve a recipe on a schedule with Prefect, on loopback."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from flows.manners import say
from pipeline.masking import mask
from pipeline.recipe import RecipeError, load_recipe

START = "prefect server start --host 127.0.0.1"


def serve_recipe(recipe: Path, cron: str, workspace: Path, workers: int) -> None:
    """Serve `assay-improve` for this recipe until interrupted. Needs a Prefect server in PREFECT_API_URL.

    Runs that a crash left behind on this workspace are marked Crashed first.

    Raises `RecipeError` when the recipe is wrong, no server answers, or the server is open to others.
    """
    from finetune.settings import Training

    load_recipe(recipe, train_model=Training)  # fail now, not at three in the morning
    if warning := check_server(os.environ.get("PREFECT_API_URL", "")):
        say(f"warning: {warning}")
    try:
        from flows.curate import improve
    except ModuleNotFoundError as error:
        raise RecipeError(f'{error.name} is not installed (pip install "assay[prefect]")') from None
    from prefect.client.orchestration import get_client

    from flows.left_behind import mark_left_behind
    from pipeline.masking import mask_logs

    mask_logs()
    with get_client(sync_client=True) as client:
        if problem := client.api_healthcheck():
            address = mask(os.environ["PREFECT_API_URL"])
            raise RecipeError(f"no Prefect server answers at {address}: {problem} (start one: {START})")
    mark_left_behind(workspace)
    parameters = {"recipe": str(recipe.resolve()), "workspace": str(workspace.resolve()), "workers": workers}
    improve.serve(
        name=f"assay-{recipe.stem}", cron=cron, parameters=parameters, tags=["assay"],
        pause_on_shutdown=False, limit=1,  # a workspace has one run at a time: the next one waits
    )  # fmt: skip


def check_server(address: str) -> str:
    """Return a warning about a server's address, empty when there is nothing to say.

    Who reaches a Prefect server can run its flows: one that is not on loopback must ask for a password.
    Raises `RecipeError` when no address is given, or when nothing says that the server asks.

    >>> check_server("http://127.0.0.1:4200/api")
    ''
    """
    if not address:
        raise RecipeError(
            f"PREFECT_API_URL is not set (start a server: {START}, "
            "then: export PREFECT_API_URL=http://127.0.0.1:4200/api)"
        )
    parts = urlsplit(address)
    if _loopback(parts.hostname or ""):
        return ""
    if not (os.environ.get("PREFECT_API_AUTH_STRING") or os.environ.get("PREFECT_API_KEY")):
        raise RecipeError(
            f"PREFECT_API_URL={mask(address)} is not on this machine and no password is set: whoever reaches "
            "it could run flows here (set PREFECT_SERVER_API_AUTH_STRING at the server and "
            "PREFECT_API_AUTH_STRING here, or use 127.0.0.1)"
        )
    if parts.scheme != "https":
        return f"PREFECT_API_URL={mask(address)}: the password crosses the network unencrypted (use https)"
    return ""


def _loopback(host: str) -> bool:
    """Return whether a host is this machine and nobody else's way in.

    >>> _loopback("localhost"), _loopback("::1"), _loopback("0.0.0.0"), _loopback("prefect.internal")
    (True, True, False, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
