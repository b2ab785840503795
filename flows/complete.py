"""What the shell offers when Tab is pressed: read from folder names alone, since it must come at once."""

from __future__ import annotations

import os
import pkgutil
from pathlib import Path

import typer

from flows.manners import DEFAULT_WORKSPACE


def run_numbers(ctx: typer.Context) -> list[str]:
    """Return the numbers of the workspace's committed runs, the newest first."""
    named = (ctx.params or {}).get("workspace") or os.environ.get("ASSAY_WORKSPACE") or DEFAULT_WORKSPACE
    folders = Path(named).joinpath("runs").glob("*")
    numbers = [int(f.name) for f in folders if f.name.isdigit() and (f / "manifest.json").exists()]
    return [str(n) for n in sorted(numbers, reverse=True)]


def modalities() -> list[str]:
    """Return the names of the modalities: the files and folders that hold them."""
    folder = Path(__file__).parent.parent / "pipeline" / "modalities"
    return sorted(info.name for info in pkgutil.iter_modules([str(folder)]))


def variants() -> list[str]:
    """Return the variants of the demo."""
    return ["both", "faulty", "as-is"]
