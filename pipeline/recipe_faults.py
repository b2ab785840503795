r"""Faults in a recipe, in words: the line, the key's path, what was wrong and what was meant.

A fault is `key\0what` until it is located in the TOML text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ValidationError

from pipeline.masking import has_credentials, looks_secret, mask


def _no_credentials(path: str) -> str:
    if has_credentials(path):
        raise ValueError("an address with a password or token in it (keep those in environment variables)")
    return path


PathText = Annotated[str, AfterValidator(_no_credentials)]


def validate(model: type[BaseModel], values: Any, at: tuple[str, ...], faults: list[str]) -> Any:
    r"""Build the model, or add a fault `key\0text` for each error."""
    try:
        return model.model_validate(values)
    except ValidationError as errors:
        for error in errors.errors():
            key = _key_path(*at, *error["loc"])
            if error["type"] == "extra_forbidden":
                known = sorted(_keys_at(model, error["loc"][:-1]) - {"options"})
                instead = meant(str(error["loc"][-1]), known)
                if not instead and looks_secret(str(error["loc"][-1])):
                    instead = "; recipes hold no secrets, set an environment variable"
                instead = instead or f"; keys are {', '.join(known)}"
                faults.append(f"{key}\0unknown key{instead}")
            elif error["type"] == "missing":
                faults.append(f"{key}\0missing")
            else:
                faults.append(f"{key}\0{error['msg']}, not {mask(repr(error['input']))}")
    return None


def locate(where: str, text: str, fault: str) -> str:
    r"""Return `file:line: key: what` for a fault `key\0what`.

    >>> locate("recipe.toml", "[loop]\nrounds = 0", "loop.rounds\0too few")
    'recipe.toml:2: loop.rounds: too few'
    """
    key, what = fault.split("\0", 1)
    line = next((n for n, at in _keys_by_line(text) if at == key), None)
    parent = key
    while line is None and ("." in parent or "[" in parent):
        parent = re.sub(r"(\.[^.\[]+|\[\d+\])$", "", parent)
        line = next((n for n, at in _keys_by_line(text) if at == parent), None)
    return f"{where}:{line}: {key}: {what}" if line else f"{where}: {key}: {what}"


def _keys_by_line(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, key path) for each table header and key of a TOML text."""
    table = ""
    counts: dict[str, int] = {}
    for n, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[\s*([\w.-]+)\s*\]\]", line):
            name = header[1]
            counts[name] = counts.get(name, -1) + 1
            table = f"{name}[{counts[name]}]"
            yield n, table
        elif header := re.match(r"\s*\[\s*([\w.-]+)\s*\]", line):
            first, *rest = header[1].split(".")
            table = ".".join([f"{first}[{counts[first]}]" if first in counts else first, *rest])
            yield n, table
        elif pair := re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line):
            yield n, f"{table}.{pair[1]}" if table else pair[1]


def _key_path(*parts: Any) -> str:
    """Return the path of a key.

    >>> _key_path("stages", 1, "use")
    'stages[1].use'
    """
    out = ""
    for part in parts:
        out += f"[{part}]" if isinstance(part, int) else (f".{part}" if out else str(part))
    return out


def meant(key: str, known: Sequence[str]) -> str:
    """Return a clause that names the known key nearest to `key`, empty when none is near.

    >>> meant("treshold", ["threshold", "near"])
    ', did you mean threshold?'
    """
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return f", did you mean {close[0]}?" if close else ""


def _keys_at(model: Any, loc: Sequence[Any]) -> set[str]:
    """Return the keys that were possible where an unknown one stood."""
    for part in loc:
        if isinstance(part, str) and part in getattr(model, "model_fields", {}):
            model = model.model_fields[part].annotation
        model = next((a for a in getattr(model, "__args__", ()) if hasattr(a, "model_fields")), model)
    return set(getattr(model, "model_fields", {}))
