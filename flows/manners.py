"""Command-line manners: one line for an error, exit codes that mean something, results on stdout."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from flows.interrupts import stop_promptly

EXIT_CODES = {
    "done": 0, "checks failed": 1, "usage or recipe": 2, "bad input data": 65, "disk": 74,
    "workspace busy": 75, "interrupted": 130, "terminated": 143,
}  # fmt: skip
DEFAULT_WORKSPACE = Path("data/workspace")


def guarded(app: Callable[..., Any]) -> NoReturn:
    """Run a Typer app and turn every expected failure into one line on stderr and its exit code."""
    import typer

    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    stop_promptly()
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        result = app(standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except typer.Exit as exit_:
        code = exit_.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_CODES["interrupted"]
    except Exception as error:
        show = getattr(error, "show", None)  # what click's usage errors have, whichever click raised them
        known = EXIT_CODES["usage or recipe"] if show else _exit_code(error)
        if known is None or (debug and not show):
            raise
        if show:
            show()
        else:
            for line in _lines(error):
                say(f"error: {line}")
        code = known
    sys.stdout.flush()
    sys.exit(code)


def _lines(error: Exception) -> list[str]:
    """Return an error in lines: a recipe's mistakes one each, any other on a single line."""
    from pipeline.recipe import RecipeError

    text = str(error.args[0] if error.args else error) or type(error).__name__
    return text.split("\n") if isinstance(error, RecipeError) else [text]


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an expected failure, None for a bug."""
    from pipeline.files import Corrupt
    from pipeline.ingest import InputError
    from pipeline.recipe import RecipeError
    from pipeline.stage import NotApplicable
    from pipeline.store import Busy, NotFound
    from pipeline.undo import Depended

    if isinstance(error, RecipeError | NotFound | Depended):
        return EXIT_CODES["usage or recipe"]
    if isinstance(error, ModuleNotFoundError):
        error.args = (f'{error.name} is not installed (pip install "assay[all]")',)
        return EXIT_CODES["usage or recipe"]
    if isinstance(error, InputError | NotApplicable):
        return EXIT_CODES["bad input data"]
    if isinstance(error, Corrupt):
        return EXIT_CODES["disk"]
    if isinstance(error, Busy):
        return EXIT_CODES["workspace busy"]
    if isinstance(error, OSError) and error.errno is not None:
        error.args = (
            f"{error.filename or 'disk'}: {error.strerror} (free some space or fix the path, then run again)",
        )
        return EXIT_CODES["disk"]
    return None


def say(line: str) -> None:
    """Write one line to stderr, secrets masked, and by name what would break it or move the cursor."""
    from pipeline.masking import mask

    line = mask(line)
    if not line.isprintable():
        from pipeline.report.visible import visible

        line = visible(line)
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def progress(quiet: bool) -> Callable[[str], None]:
    """Return a function that writes progress lines with the seconds since the start."""
    started = time.monotonic()

    def log(line: str) -> None:
        if not quiet:
            say(f"[{time.monotonic() - started:5.1f}s] {line}")

    return log


def result(value: Any, as_json: bool, plain: str) -> None:
    """Write the result to stdout: one JSON object with `--json`, else the plain text."""
    text = json.dumps(value, indent=1, sort_keys=True, default=str) if as_json else plain
    sys.stdout.write(f"{text}\n")
