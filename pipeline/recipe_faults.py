r"""Faults in a recipe, in words: the line, the key's path, what was wrong and what was meant.

A fault is `key\0what` until it is located in the TOML text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.masking import looks_secret, mask

SHOWN_CHARS = 80  # of a wrong value
CLOSE_ENOUGH = 0.6


def validate(
    model: type[BaseModel],
    values: Any,
    at: tuple[str, ...],
    faults: list[str],
    places: Mapping[str, str] | None = None,
) -> Any:
    r"""Build the model, or add a fault `key\0text` for each error.

    places : keys of other tables, and what to write for them there.
    """
    try:
        return model.model_validate(values)
    except ValidationError as errors:
        for error in errors.errors():
            key = _key_path(*at, *error["loc"])
            if error["type"] == "extra_forbidden":
                known = sorted(_keys_at(model, error["loc"][:-1]) - {"options"})
                unknown = str(error["loc"][-1])
                near = meant(unknown, known) or _elsewhere(unknown, places or {})
                if not near and looks_secret(unknown):
                    near = "; recipes hold no secrets, set an environment variable"
                faults.append(f"{key}\0unknown key{near or '; keys are ' + ', '.join(known)}")
            else:
                faults.append(f"{key}\0{mask(_what(error))}")
    return None


def _what(error: Any) -> str:
    kind, value = error["type"], error["input"]
    if kind == "missing":
        return "missing"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    shown = repr(value) if len(repr(value)) <= SHOWN_CHARS else f"{repr(value)[:SHOWN_CHARS]}..."
    if kind in ("model_type", "dict_type"):
        return f"should be a table, not {shown}"
    choices = re.findall(r"'([^']*)'", error["msg"]) if kind == "literal_error" else []
    return f"{error['msg']}, not {shown}{meant(value, choices) if isinstance(value, str) else ''}"


def locate(where: str, text: str, fault: str) -> str:
    r"""Return `file:line: key: what` for a fault `key\0what`, on one line.

    >>> locate("recipe.toml", "[loop]\nrounds = 0", "loop.rounds\0too few")
    'recipe.toml:2: loop.rounds: too few'
    """
    key, what = fault.split("\0", 1)
    at: dict[str, int] = {}
    for n, found in _keys_by_line(text):
        for name in (
            found,
            re.sub(r"\[\d+\]$", "", found),
            found.split(".")[0],
        ):  # a table begins with its parts
            at.setdefault(name, n)
    here = key
    while here not in at and ("." in here or "[" in here):
        here = re.sub(r"(\.[^.\[]+|\[\d+\])$", "", here) if re.search(r"(\.[^.\[]+|\[\d+\])$", here) else ""
    line = f":{at[here]}" if here in at else ""
    return " ".join(f"{where}{line}: {key}: {what}".splitlines())


def _keys_by_line(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, key path) for each table header and key of a TOML text."""
    table = ""
    counts: dict[str, int] = {}
    for n, line in enumerate(text.split("\n"), 1):
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

    >>> meant("treshold", ["threshold", "near"]), meant("Label_Column", ["label", "columns"])
    (', did you mean threshold?', ', did you mean label?')
    """
    best = nearest(key, known)
    return f", did you mean {best}?" if best else ""


def nearest(key: str, known: Sequence[str]) -> str | None:
    """Return the known key that was probably meant, None when none is near."""
    best = max(known, key=lambda name: _nearness(key, name), default=key)
    return best if best != key and _nearness(key, best) >= CLOSE_ENOUGH else None


def _elsewhere(key: str, places: Mapping[str, str]) -> str:
    plain = key.lower().replace("-", "_")
    return f", did you mean {places[plain]}?" if plain in places else ""


def _nearness(key: str, name: str) -> float:
    """Return how alike two keys are, in [0, 1]: as spelled, or as words that begin or contain others.

    >>> _nearness("lr", "learning_rate"), _nearness("val_fraction", "validation_fraction")
    (0.9, 0.9)
    """
    one, two = key.lower().replace("-", "_").replace(" ", "_"), name.lower()
    spelled = SequenceMatcher(None, one, two).ratio()
    words, others = [w for w in one.split("_") if w], two.split("_")
    if one == "".join(w[:1] for w in others) or one.replace("_", "") == two.replace("_", ""):
        return max(spelled, 0.9)
    pairs = list(zip(words, others, strict=True)) if len(words) == len(others) else []
    if pairs and all(b.startswith(a) or a.startswith(b) for a, b in pairs):
        return max(spelled, 0.9)
    shared = len(set(words) & set(others))
    if shared and spelled < 0.9:
        return max(spelled, 0.6 + 0.25 * shared / len(set(words) | set(others)))
    return spelled


def _keys_at(model: Any, loc: Sequence[Any]) -> set[str]:
    """Return the keys that were possible where an unknown one stood."""
    for part in loc:
        if isinstance(part, str) and part in getattr(model, "model_fields", {}):
            model = model.model_fields[part].annotation
        model = next((a for a in getattr(model, "__args__", ()) if hasattr(a, "model_fields")), model)
    return set(getattr(model, "model_fields", {}))
