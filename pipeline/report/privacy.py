"""What a report may show of people: personal strings are masked, and on request no sample is shown at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PATTERNS: dict[str, re.Pattern[str]] = {
    "e-mail address": re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"),
    "key or token": re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----)?"
        r"|\b(?:sk|pk|rk|ghp|gho|ghs|github_pat|hf|glpat|xox[abprs])[-_][A-Za-z0-9_-]{16,}"
        r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
        r"|\b(?=[A-Za-z0-9+/_-]*\d)(?=[A-Za-z0-9+/_-]*[a-z])(?=[A-Za-z0-9+/_-]*[A-Z])[A-Za-z0-9+/_-]{32,}={0,2}"
        r"|\b[0-9a-f]{32,}\b"
    ),
    "phone number": re.compile(
        r"(?<![\w.,])(?:\+\d{1,3}[\s.-]?(?:\(\d{1,4}\)[\s.-]?)?\d{2,4}(?:[\s.-]?\d{2,4}){1,4}"
        r"|\(?\d{3,4}\)?[\s.-]\d{3}[\s.-]\d{4})(?![\w])"
    ),
}
_MASKS = {"e-mail address": "[e-mail]", "key or token": "[key]", "phone number": "[phone]"}
_HINTS = {"e-mail address": re.compile("@"), "key or token": re.compile(r"[\w+/-]{19}|PRIVATE KEY"),
          "phone number": re.compile(r"\d[\s.)-]*\d")}  # fmt: skip
# names and ids, which tables and files are joined by, stay as they are
_NAMES = frozenset({
    "row_id", "file_name", "held_out_file_name",
    "class", "label", "given", "suggested", "given_words", "suggested_words", "split", "splits",
    "column", "columns", "content", "issue",
    "issues", "stage", "stages", "command", "parent", "modality", "what", "classes", "source",
    "other", "picture", "picture_after", "picture_parent", "held_out_picture",
})  # fmt: skip
_SAMPLES: dict[str, Any] = {  # where the record's part about the data quotes rows, and what stays instead
    "label_issues": {"rows": []}, "made": {"samples": []}, "ledger": {"rows": []}, "outliers": {"worst": []},
    "duplicates": {"biggest": [], "leaks": []}, "text": {"boilerplate": [], "languages": []},
    "table": {"numbers": [], "categories": [], "about_columns": []}, "sizes": {"points": [], "most": []},
    "turns": {"roles": [], "lengths": None}, "pictures": {"by_key": {}},
}  # fmt: skip
_COLUMN: dict[str, Any] = {"examples": [], "low": None, "median": None, "high": None, "histogram": None}


def mask(text: str) -> str:
    """Return the text with e-mail addresses, phone numbers and keys replaced by what they are.

    >>> mask("write to jo@example.org or +44 20 7946 0999")
    'write to [e-mail] or [phone]'
    """
    for what, pattern in PATTERNS.items():
        if _HINTS[what].search(text):  # most texts hold nothing of the kind; this says so faster
            text = pattern.sub(_MASKS[what], text)
    return text


def masked(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record with personal strings masked in everything that quotes rows."""
    out = dict(record)
    data = dict(record.get("dataset") or {})
    pictures = data.pop("pictures", None)  # no words, though their encoding may look like a key
    if data:
        out["dataset"] = {**_masked(data), "pictures": pictures}
    if "quarantine" in out:
        out["quarantine"] = _masked(out["quarantine"])
    return out


def redacted(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record without a cell's text or value: counts, names of columns and of classes stay.

    Gone are examples, pictures, texts of copies, row ids, reasons in words (they quote), the smallest and
    largest value of a column, values that name a group (`site=web`) or a source, and the raw lines of rows
    that could not be read.
    """
    out = {**record, "redacted": True}
    data = dict(out.get("dataset") or {})
    label = data.get("label")
    for part, nothing in _SAMPLES.items():
        if data.get(part):
            data[part] = {**data[part], **nothing}
    if data.get("sources"):
        data["sources"] = _sources(data["sources"])
    if (data.get("turns") or {}).get("preference"):
        data["turns"]["preference"] = {**data["turns"]["preference"], "points": []}
    data["issues"] = [{**i, "examples": [], "about_the_whole": []} for i in data.get("issues") or []]
    data["columns"] = [{**c, **_COLUMN} for c in data.get("columns") or []]
    data["alerts"] = [{**a, "says": "" if a.get("alert") == "type_date" else a["says"]}
                      for a in data.get("alerts") or []]  # fmt: skip
    if "dataset" in out:
        out["dataset"] = data
    out["quarantine"] = [{"file": q.get("file"), "line": q.get("line")} for q in out.get("quarantine") or []]
    out["guesses"], out["notes"], out["next_changes"] = [], [], []
    out["steps"] = [_step(step) for step in out.get("steps") or []]
    out["rounds"] = [{**r, "changes": []} for r in out.get("rounds") or []]
    if isinstance(out.get("evaluation"), Mapping):
        out["evaluation"] = {
            side: _evaluation(part, label) if side in ("raw", "curated") and part else part
            for side, part in out["evaluation"].items()
        }
    return out


def _sources(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sources by number instead of by name."""
    names = {s["source"]: f"(source {k})" for k, s in enumerate(found["sources"], 1)}
    copies = [
        {**c, **{side: names.get(c[side], "(another source)") for side in ("source", "other")}}
        for c in found["copies"]
    ]
    return {**found, "copies": copies,
            "sources": [{**s, "source": names[s["source"]]} for s in found["sources"]]}  # fmt: skip


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    settings = {k: v for k, v in (step.get("settings") or {}).items() if k != "focus"}
    skipped = "the reason is not shown" if step.get("skipped") else None
    return {**step, "settings": settings, "metrics": {}, "skipped": skipped}


def _evaluation(side: Mapping[str, Any], label: str | None) -> dict[str, Any]:
    """Return one side's evaluation; a group that is no class and no measure loses the value in its name."""
    groups = []
    for k, found in enumerate(side.get("slices") or []):
        column, equals, _ = str(found.get("slice", "")).partition("=")
        shown = found.get("slice")
        if equals and column[-1:] not in "<>" and column not in ("label", label):
            shown = f"{column}=(value {k + 1})"
        groups.append({**found, "slice": shown, "because": None})
    return {**side, "slices": groups}


def _masked(value: Any, key: str = "") -> Any:
    if isinstance(value, str):
        return value if key in _NAMES else mask(value)
    if isinstance(value, Mapping):
        return {k: _masked(v, str(k)) for k, v in value.items()}
    if isinstance(value, list) and not (value and type(value[0]) in (int, float)):
        return [_masked(v, key) for v in value]
    return value
