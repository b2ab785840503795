"""The page: one self-contained HTML file, inert whatever the data hold, and never bigger than its limit."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.report import (
    evaluation,
    health,
    judgement,
    label_shape,
    measures,
    pictures,
    profile,
    sources,
    table_page,
    turns_page,
)
from pipeline.report.stage_rows import changes
from pipeline.report.svg import short_number
from pipeline.report.visible import visible
from pipeline.words import how_many

if TYPE_CHECKING:
    import jinja2

MOST_BYTES = 5_000_000


class Caps(NamedTuple):
    """How much of each kind of thing the page shows."""

    issues: int = 60
    examples: int = 5
    clusters: int = 6
    decisions: int = 50
    classes: int = 60
    lines: int = 60
    chars: int = 4000
    tiles: int = 24
    picture_bytes: int = 3_000_000  # of all pictures, as base64


_FACTS = (
    "title", "kind", "created", "seed", "command", "method", "recipe_digest", "workspace", "root", "curated",
    "rows_in", "rows_out",
)  # fmt: skip
_LISTS = ("guesses", "notes", "quarantine", "rounds", "planted", "next", "methods", "next_changes")
_COMPLETE: dict[str, dict[str, Any]] = {  # what entries of these lists may lack
    "quarantine": {"file": None, "line": None, "reason": None, "raw": None},
    "rounds": {
        "round": None,
        "changes": [],
        "accepted": None,
        "verdict": None,
        "because": None,
        "comparison": None,
    },
    "planted": {
        k: None for k in ("fault", "planted", "found", "recall", "precision", "average_precision", "how")
    },
    "next": {"what": None, "command": None},
    "methods": {"stage": None, "does": None, "how": None},
}
LEVELS = (
    Caps(),
    Caps(40, 2, 3, 25, 40, 40, 1000, 12, 1_500_000),
    Caps(30, 1, 1, 10, 30, 25, 240, 6, 500_000),
    Caps(20, 0, 0, 0, 20, 15, 80, 0, 0),
)


def render(
    record: Mapping[str, Any], most_bytes: int = MOST_BYTES, twin: str = "report.json"
) -> str:  # fmt: skip
    """Return the page; examples are trimmed until it fits, and it says so. `twin` names the JSON beside it.

    Raises `ValueError` when even the page without examples is too big.
    """
    for level, caps in enumerate(LEVELS):
        page = environment().get_template("template.html").render(_context(record, caps, level), twin=twin)
        if len(page.encode("utf-8")) <= most_bytes:
            return page
    raise ValueError(
        f"the report has {len(page.encode('utf-8')):,} bytes without examples, more than {most_bytes:,}"
    )


@cache
def environment() -> jinja2.Environment:
    """Return the template environment: everything escaped, nothing undefined, nothing invisible."""
    import jinja2

    folder = Path(__file__).parent
    env = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(folder),
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        count=count,
        many=many,
        percent=percent,
        fixed=fixed,
        points=_number(judgement.points),
        amount=judgement.amount,
        unit=judgement.unit_of,
        words=words,
        signed=signed,
        short=_number(short_number),
        metric=judgement.metric_name,
        seconds=_number(lambda s: f"{s:.1f} s" if s >= 0.05 else "< 0.1 s"),
    )
    script = (folder / "review.js").read_text("utf-8")
    env.globals["css"] = _markup(re.sub(r"\s+", " ", (folder / "style.css").read_text("utf-8")))
    env.globals["script"] = _markup(script)
    env.globals["script_hash"] = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return env


def count(value: Any) -> str:
    """Return a count with separators."""
    return f"{value:,}" if isinstance(value, int) else "–" if value is None else str(value)


def many(value: Any, one: str, more: str | None = None) -> str:
    """Return a count with its noun in the right number."""
    return how_many(value, one, more) if isinstance(value, int) else f"{count(value)} {more or one + 's'}"


def _number(show: Callable[[float], str]) -> Callable[[Any], str]:
    """Return a filter that shows numbers as told, nothing as a dash, and anything else as it is."""

    def filtered(value: Any) -> str:
        if value is None:
            return "–"
        return show(value) if isinstance(value, int | float) else str(value)

    return filtered


percent = _number(lambda v: f"{100 * v:.1f} %")
fixed = _number(lambda v: f"{v:.3f}")
signed = _number(lambda v: f"{v:+.3f}".replace("-", "−"))


def words(value: Any) -> str:
    """Return a mapping or a list as one line of words.

    >>> words({"drop": 3, "flag": 12}), words([]), words(None)
    ('drop 3, flag 12', '–', '–')
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {words(v)}" for k, v in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(words(v) for v in value) or "–"
    return (
        "–"
        if value is None
        else f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else str(value)
    )


def _context(record: Mapping[str, Any], caps: Caps, level: int) -> dict[str, Any]:
    data = dict(record.get("dataset") or {})
    drawn = data.pop("pictures", None)
    short = _clipped({**record, "dataset": data}, caps.chars)
    data = short["dataset"]
    lists = {name: _capped(short.get(name), caps.lines, _COMPLETE.get(name)) for name in _LISTS}
    plain = {name: short.get(name) for name in _FACTS}
    versions = short.get("versions") or {}
    return {
        **plain, **lists, "caps": caps, "trimmed": level > 0, "data": data,
        "after": "as proposed" if short.get("kind") == "audit" else "curated",
        "versions": sorted(versions.items())[: caps.lines], "code_version": versions.get("assay"),
        "machine": sorted((short.get("machine") or {}).items()), "redacted": bool(short.get("redacted")),
        "verdict": judgement.verdict(short), "changes": changes(short), "grade": data.get("grade"),
        "issues": health.issues(data, caps.issues, caps.tiles if drawn else caps.examples),
        "pictures": pictures.shown(drawn, caps.picture_bytes),
        "drawn": drawn or {"left_out": 0, "by_key": {}},
        "overview": profile.overview(data, caps.lines),
        "labels": health.labels(data, caps.classes), "decisions": profile.decisions(data, caps.decisions),
        "duplicates": health.duplicates(data, caps.clusters),
        "outliers": health.outliers(data, caps.tiles if drawn else caps.examples),
        "lengths": health.lengths(data), "text": profile.text(data), "measures": measures.view(data),
        "table": table_page.view(data), "turns": turns_page.view(data), "shape": label_shape.view(data),
        "sources": sources.view(data, short.get("evaluation")),
        "splits": profile.splits(data, short.get("points"), caps.lines),
        "made": profile.made(data, caps.classes),
        "evaluation": evaluation.evaluation(short, caps.classes),
        "slices": evaluation.slices(short, caps.lines), "ledger": data.get("ledger"), "svg": _markup,
    }  # fmt: skip


def _capped(given: Any, most: int, complete: Mapping[str, Any] | None) -> dict[str, Any]:
    found = list(given or [])
    shown = [{**complete, **entry} if complete else entry for entry in found[:most]]
    return {"shown": shown, "hidden": max(len(found) - most, 0), "all": len(found)}


def _clipped(value: Any, chars: int) -> Any:
    """Return the record with every string at most `chars` long."""
    if isinstance(value, str):
        return value if len(value) <= chars else value[: chars - 1] + "…"
    if isinstance(value, Mapping):
        return {_clipped(k, chars): _clipped(v, chars) for k, v in value.items()}
    if isinstance(value, list) and not all(type(v) is int for v in value):
        return [_clipped(v, chars) for v in value]
    return value


def _finalize(value: Any) -> Any:
    """Show what would be invisible in everything the template prints, markup of our own charts excepted."""
    if value is None:
        return "–"
    return value if hasattr(value, "__html__") else visible(str(value))


def _markup(charts: str | None) -> Any:
    """Mark our own charts (escaped where they were made) as markup."""
    from markupsafe import Markup

    return Markup(charts or "")
