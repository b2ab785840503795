"""Commands for the first minutes: init."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.manners import result
from flows.options import Json


def register(app: typer.Typer) -> None:
    """Give the app these commands."""
    app.command()(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="where to write them; made if needed")],
    as_json: Json = False,
) -> None:
    """Write a small example dataset and a recipe to start from; they run offline in under a minute."""
    from flows.example import write_example

    facts = write_example(folder)
    result(facts, as_json, f"{facts['data']}\n{facts['recipe']}\nnext: {facts['next']}")
