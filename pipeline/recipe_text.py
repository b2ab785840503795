"""A recipe's text, and changes to it from the command line: TOML -> nested mappings."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST_BYTES = 2**20


class RecipeError(Exception):
    """All that is wrong with a recipe, a line each."""


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Return a recipe's text and what it says. Raises `RecipeError`."""
    name = one_line(path)
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise RecipeError(f"{name}: not a regular file (give a recipe's path)")
        if facts.st_size > MOST_BYTES:
            raise RecipeError(f"{name}: {facts.st_size:,} bytes are no recipe (give a TOML file)")
        text = path.read_text("utf-8").removeprefix("\ufeff")
        return text, tomllib.loads(text)
    except OSError as error:
        raise RecipeError(f"{name[:200]}: {error.strerror or error} (give a recipe's path)") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{name}: not TOML: byte {error.start} is not UTF-8 (save it as UTF-8)") from None
    except tomllib.TOMLDecodeError as error:
        what, at = str(error), re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        if at:
            raise RecipeError(f"{name}:{at[1]}: not TOML at column {at[2]}: {what[: at.start()]}") from None
        raise RecipeError(f"{name}: not TOML: {what}") from None
    except RecursionError:
        raise RecipeError(f"{name}: nested too deeply for a recipe (give a TOML file)") from None


def override(raw: dict[str, Any], change: str, stages: Mapping[str, Any]) -> None:
    """Carry out one KEY=VALUE; a first part that is a stage's name means that stage. Raises `RecipeError`."""
    key, eq, text = change.partition("=")
    path = key.strip().split(".")
    if not eq or not all(path):
        raise RecipeError(f"--set {change}: write KEY=VALUE")
    here: Any = raw
    if path[1:] and path[0].replace("-", "_") in stages:
        wanted = path.pop(0).replace("-", "_")
        entries = [s for s in _list(raw.get("stages")) if isinstance(s, dict)]
        here = next((s for s in entries if str(s.get("use")).replace("-", "_") == wanted), None)
        if here is None:
            raise RecipeError(f"--set {change}: the recipe has no stage {wanted}")
    put(here, path, parse_value(text), change)


def put(table: dict[str, Any], path: list[str], value: Any, change: str) -> None:
    """Set a value in nested tables. Raises `RecipeError` where the path leads through something else."""
    for part in path[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"--set {change}: {part} is no table, so it has no {path[-1]}")
        table = inner
    table[path[-1]] = value


def parse_value(text: str) -> Any:
    """Return a setting's value from the command line: TOML where it is TOML, else the text itself.

    >>> parse_value("0.9"), parse_value("true"), parse_value("drop")
    (0.9, True, 'drop')
    """
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def one_line(path: Path | str) -> str:
    r"""Return a path as it can stand in a line.

    >>> one_line("a\nb.toml")
    'a b.toml'
    """
    return " ".join(str(path).splitlines())


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
