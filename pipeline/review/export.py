"""Export: items as a CSV for a spreadsheet, as Label Studio tasks, as Argilla records."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.ingest import InputError
from pipeline.recipe import RecipeError
from pipeline.review.cells import csv_text
from pipeline.review.decisions import read_decisions
from pipeline.review.items import Item, Origin

CSV_COLUMNS = ("row_id", "split", "given_label", "suggested_label", "issue", "score", "text", "decision",
               "new_label", "note")  # fmt: skip
DROP = "drop this row"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def export_csv(found: Origin, items: Sequence[Item], out: Path, bom: bool = False) -> list[Path]:
    """Write one CSV; `decision`, `new_label` and `note` are for people to fill in. Returns the paths."""
    rows = [
        {"row_id": i.row_id, "split": i.split, "given_label": i.given, "suggested_label": i.suggested,
         "issue": i.issue, "score": f"{i.score:.6f}", "text": i.text}
        for i in items
    ]  # fmt: skip
    if out.exists() and (made := len(read_decisions(out))):
        raise RecipeError(f"{out}: {made} rows are decided in it (import it, or give another file with -o)")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(csv_text(CSV_COLUMNS, rows), "utf-8-sig" if bom else "utf-8", newline="")
    return [out]


def export_label_studio(found: Origin, items: Sequence[Item], out: Path, bom: bool = False) -> list[Path]:
    """Write `tasks.json` and the `labeling_config.xml` that the tasks' predictions fit. Returns the paths."""
    choices = _choices(found, items)
    if strange := [c for c in choices if _NOT_XML.search(c) or c != c.strip()]:
        raise InputError(f"label {strange[0]!r} cannot stand in Label Studio's XML; use --to csv")
    tasks = [_task(found, item) for item in items]
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / "tasks.json", out / "labeling_config.xml"]
    paths[0].write_text(json.dumps(tasks, indent=1, ensure_ascii=False), "utf-8")
    paths[1].write_text(_labeling_config(choices, any("image" in task["data"] for task in tasks)), "utf-8")
    return paths


def export_argilla(found: Origin, items: Sequence[Item], out: Path, bom: bool = False) -> list[Path]:
    """Write `records.json` and `.argilla/settings.json` as `argilla.Dataset.from_disk` reads them."""
    questions, records = _questions(_choices(found, items)), [_record(found, item) for item in items]
    out.mkdir(parents=True, exist_ok=True)
    (out / ".argilla").mkdir(exist_ok=True)
    paths = [out / "records.json", out / ".argilla" / "settings.json", out / ".argilla" / "dataset.json"]
    bodies: list[Any] = [
        records, _settings(questions, any("image" in r["fields"] for r in records)), {"name": "assay-review"}
    ]  # fmt: skip
    for path, body in zip(paths, bodies, strict=True):
        path.write_text(json.dumps(body, indent=1, ensure_ascii=False), "utf-8")
    return paths


EXPORTS: dict[str, Callable[[Origin, Sequence[Item], Path, bool], list[Path]]] = {
    "csv": export_csv, "label-studio": export_label_studio, "argilla": export_argilla,
}  # fmt: skip


def _choices(found: Origin, items: Sequence[Item]) -> list[str]:
    return sorted({*found.labels, *(i.suggested for i in items)} - {""})


def _model(found: Origin) -> str:
    return f"assay-noise@{found.data.fingerprint[:12]}"


def _task(found: Origin, item: Item) -> dict[str, Any]:
    data = {"text": item.text, "row_id": item.row_id, "given": item.given, "issue": item.issue,
            "score": item.score, "split": item.split, "because": item.because}  # fmt: skip
    if item.twin:
        label = found.given(item.twin) or "nothing"
        data["twin"] = f"row {item.twin}, labelled {label}: {found.text(item.twin)}"
    else:
        data["twin"] = ""
    if picture := found.picture(item.row_id):
        data["image"] = picture
        if item.twin:
            data["twin_image"] = found.picture(item.twin)
    task: dict[str, Any] = {"data": data}
    if item.suggested:
        choice = {"id": f"{item.row_id}-0", "from_name": "label", "to_name": "text", "type": "choices",
                  "value": {"choices": [item.suggested]}}  # fmt: skip
        score = round(1 - item.score, 6)
        task["predictions"] = [{"model_version": _model(found), "score": score, "result": [choice]}]
    return task


def _labeling_config(choices: Sequence[str], pictures: bool) -> str:
    """Return the XML of the interface: its control names and choices are those of the predictions."""
    view = ET.Element("View")
    ET.SubElement(view, "Header", value="$given")
    ET.SubElement(view, "Text", name="because", value="$because")
    if pictures:
        ET.SubElement(view, "Image", name="image", value="$image")
        ET.SubElement(view, "Image", name="twin_image", value="$twin_image")
    ET.SubElement(view, "Text", name="text", value="$text")
    ET.SubElement(view, "Text", name="twin", value="$twin")
    label = ET.SubElement(view, "Choices", name="label", toName="text", choice="single", showInline="true")
    for choice in choices:
        ET.SubElement(label, "Choice", value=choice)
    drop = ET.SubElement(view, "Choices", name="drop", toName="text", choice="multiple")
    ET.SubElement(drop, "Choice", value=DROP)
    ET.SubElement(view, "TextArea", name="note", toName="text", rows="2", maxSubmissions="1")
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


def _record(found: Origin, item: Item) -> dict[str, Any]:
    """Return one record with the keys of `argilla.Record.to_dict` (2.8)."""
    fields = {"text": item.text}
    if item.twin:
        fields["twin"] = found.text(item.twin)
    for name, row_id in (("image", item.row_id), ("twin_image", item.twin)):
        if row_id and (picture := found.picture(row_id)):
            fields[name] = picture
    suggestions = {}
    if item.suggested:
        score = round(1 - item.score, 6)
        suggestions["label"] = {"value": item.suggested, "score": score, "agent": _model(found)}
    metadata = {"given": item.given, "issue": item.issue, "score": item.score, "split": item.split}
    return {"id": item.row_id, "fields": fields, "metadata": metadata, "suggestions": suggestions,
            "responses": {}, "vectors": {}}  # fmt: skip


def _questions(choices: Sequence[str]) -> list[dict[str, Any]]:
    if len(choices) < 2:
        raise InputError(
            f"Argilla wants two labels to choose from, the data has {len(choices)}; use --to csv"
        )
    return [
        _question("label", "Which label is right?", choices, required=True),
        _question("row", "Should the row stay?", ["keep", "drop"], required=False),
        {"name": "note", "title": "Note", "description": None, "required": False,
         "settings": {"type": "text", "use_markdown": False}},
    ]  # fmt: skip


def _question(name: str, title: str, options: Sequence[str], required: bool) -> dict[str, Any]:
    listed = [{"value": option, "text": option, "description": None} for option in options]
    settings: dict[str, Any] = {"type": "label_selection", "options": listed}
    if len(options) > 2:
        settings["visible_options"] = min(len(options), 20)
    return {"name": name, "title": title, "description": None, "required": required, "settings": settings}


def _settings(questions: list[dict[str, Any]], pictures: bool) -> dict[str, Any]:
    """Return settings with the keys of `argilla.Settings.serialize` (2.8)."""
    plain = {"type": "text", "use_markdown": False}
    fields = [
        {"name": "text", "title": "Row", "required": True, "description": None, "settings": plain},
        {"name": "twin", "title": "Its copy", "required": False, "description": None, "settings": plain},
    ]
    for name, title in (("image", "Picture"), ("twin_image", "Picture of its copy")) if pictures else ():
        fields.append({"name": name, "title": title, "required": False, "description": None,
                       "settings": {"type": "image"}})  # fmt: skip
    metadata = [
        {"name": name, "title": name, "visible_for_annotators": True, "settings": {"type": kind}}
        for name, kind in (("given", "terms"), ("issue", "terms"), ("score", "float"), ("split", "terms"))
    ]
    guidelines = "Choose the label that is right, the given one too if it is. Drop rows that do not belong."
    distribution = {"strategy": "overlap", "min_submitted": 1}
    return {
        "guidelines": guidelines, "questions": questions, "fields": fields, "vectors": [],
        "metadata": metadata, "allow_extra_metadata": False, "distribution": distribution, "mapping": None,
    }  # fmt: skip
