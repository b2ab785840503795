"""Command-line manners: one line for an error, exit codes that mean something, results on stdout."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from flows import bars
from flows.interrupts import stop_promptly, tell

EXIT_CODES = {
    "done": 0, "checks failed": 1, "usage or recipe": 2, "bad input data": 65, "bug": 70, "disk": 74,
    "workspace busy": 75, "interrupted": 130, "reader gone": 141, "terminated": 143,
}  # fmt: skip
DEFAULT_WORKSPACE = Path("data/workspace")
ANYWHERE = ("--debug", "--no-color")  # options of the program that may also stand after the command


def guarded(app: Callable[..., Any]) -> NoReturn:
    """Run a Typer app and turn every failure into one line on stderr and its exit code."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    stop_promptly()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    arguments = _anywhere_first(sys.argv[1:])
    if {"--install-completion", "--show-completion"} & set(arguments[:1]) and len(arguments) > 1:
        os.environ["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"  # Typer then takes the shell's name
    code = 0
    try:
        given = app(args=arguments, standalone_mode=False)
        code = given if isinstance(given, int) else 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0
    except KeyboardInterrupt:
        code = EXIT_CODES["interrupted"]
    except Exception as error:
        bars.close()
        if "--debug" in arguments[:2]:
            from pipeline.masking import masked_traceback

            sys.stderr.write(masked_traceback(error))  # without variables' values, which may be data
        code = _tell(error)
    finally:
        bars.close()
    if code in (EXIT_CODES["interrupted"], EXIT_CODES["terminated"]):
        tell(code - 128)
    sys.exit(code)


def _anywhere_first(arguments: list[str]) -> list[str]:
    """Return the arguments with the options of `ANYWHERE` first; what follows `--` stays.

    >>> _anywhere_first(["why", "--debug", "--", "--no-color"])
    ['--debug', 'why', '--', '--no-color']
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found = [name for name in ANYWHERE if name in arguments[:end]]
    return [*found, *(a for a in arguments[:end] if a not in ANYWHERE), *arguments[end:]]


def _tell(error: Exception) -> int:
    """Say what went wrong and return the exit code."""
    if hasattr(error, "format_message"):  # a usage error of Typer's, whichever click it comes with
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
            return EXIT_CODES["usage or recipe"]
        words = " ".join(str(error.format_message()).split())
        say(f"error: {words} (see: {context.command_path if context else 'assay'} --help)")
        return EXIT_CODES["usage or recipe"]
    code = _exit_code(error)
    if code is None:
        words = " ".join(str(error).split())
        say(f"error: {type(error).__name__}: {words} (unexpected: --debug shows where, please report it)")
        return EXIT_CODES["bug"]
    for line in _lines(error):
        say(f"error: {line}")
    return code


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
    sys.stderr.write(f"{bars.printable(line)}\n")
    sys.stderr.flush()


def progress(quiet: bool) -> Callable[[str], None]:
    """Return a function that shows a line on stderr; what long work reports is shown from now on too."""
    return bars.show(quiet)


def result(value: Any, as_json: bool, plain: str) -> None:
    """Write the result to stdout: one JSON object with `--json`, else the plain text.

    Raises `OSError` when it cannot be written, and ends the process quietly when the reader has gone.
    """
    bars.close()
    text = json.dumps(_finite(value), indent=1, sort_keys=True, default=str) if as_json else plain
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left over goes nowhere
        if isinstance(error, BrokenPipeError):
            sys.exit(EXIT_CODES["reader gone"])
        raise OSError(error.errno, error.strerror, "stdout") from None


def _finite(value: Any) -> Any:
    """Return the value with null for what JSON has no number for."""
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
