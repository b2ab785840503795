"""Answers: what people said, in our CSV, in Label Studio's exports or in Argilla's, made into decisions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.hashing import cell_json
from pipeline.ingest import InputError
from pipeline.review.cells import read_csv
from pipeline.review.decisions import Decision, label_text, read_decisions
from pipeline.review.export import DROP


class Answer(NamedTuple):
    """What one person said of one row. `at` orders a person's answers: the newest counts."""

    row_id: str
    decision: str
    new_label: str
    note: str
    who: str
    at: str


def read_answers(path: Path, given: Mapping[str, str]) -> list[Decision]:
    """Read any of the files that review can come back as.

    given : the data's label by row id, as text: the same label back means `keep`. Each person's newest answer
    counts, then the majority; a tie goes to the newest. All votes are kept beside the decision.
    Raises `InputError` naming file and place.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file (give the file that the review came back as)")
    if path.suffix == ".parquet":
        return read_decisions(path)
    if path.suffix != ".json":
        if "annotation_id" not in _header(path):
            return read_decisions(path)
        rows = [cells for _, cells in read_csv(path)]
        return decided([a for row in rows for a in _of_min(row, given, str(path))], "Label Studio")
    entries = _entries(path)
    if any("fields" in e and "responses" in e for e in entries):
        return decided([a for e in entries for a in _of_argilla(e, given)], "Argilla")
    answers: list[Answer] = []
    for k, entry in enumerate(entries):
        where = f"{path}: task {k + 1}"
        answers += _of_task(entry, given, where) if "data" in entry else _of_min(entry, given, where)
    return decided(answers, "Label Studio")


def decided(answers: Sequence[Answer], tool: str) -> list[Decision]:
    """Return one decision a row: each person's newest answer, then the majority, then the newest of a tie.

    >>> said = [Answer("a", "keep", "", "", who, at) for who, at in (("ann", "1"), ("bob", "2"))]
    >>> decided([*said, Answer("a", "drop", "", "", "cy", "3")], "x")[0][:2]
    ('a', 'keep')
    """
    newest: dict[tuple[str, str], Answer] = {}
    for answer in sorted(answers, key=lambda a: a.at):
        newest[answer.row_id, answer.who] = answer
    by_row: dict[str, list[Answer]] = {}
    for answer in newest.values():
        by_row.setdefault(answer.row_id, []).append(answer)
    out = []
    for row_id, of_row in by_row.items():
        votes = Counter((a.decision, a.new_label) for a in of_row)
        latest = {(a.decision, a.new_label): a.at for a in sorted(of_row, key=lambda a: a.at)}
        best = max(votes, key=lambda v: (votes[v], latest[v]))
        note = "; ".join(sorted({a.note for a in of_row if a.note}))
        who = ", ".join(sorted({a.who for a in of_row if a.who}))
        counted = {f"{verb}:{label}" if label else verb: n for (verb, label), n in votes.items()}
        source = f"{tool}: {who}" if who else tool
        out.append(Decision(row_id, *best, note, source, cell_json(counted) if len(of_row) > 1 else ""))
    return sorted(out)


def _of_task(task: Mapping[str, Any], given: Mapping[str, str], where: str) -> Iterator[Answer]:
    """Label Studio JSON: a task with its annotations; predictions and cancelled annotations do not count."""
    row_id = _row_id(task["data"], where)
    for annotation in task.get("annotations") or []:
        if annotation.get("was_cancelled"):
            continue
        said: dict[str, Any] = {}
        for one in annotation.get("result") or []:
            value = one.get("value") or {}
            said[one.get("from_name")] = value.get("choices") or value.get("text")
        who = annotation.get("completed_by")
        who = (who.get("email") or who.get("id")) if isinstance(who, dict) else who
        yield from _answer(row_id, said, given, who, _moment(annotation))


def _of_min(row: Mapping[str, Any], given: Mapping[str, str], where: str) -> Iterator[Answer]:
    """Label Studio JSON-MIN or CSV: one annotation a line, controls as keys."""
    said = {name: _unlisted(row.get(name)) for name in ("label", "drop", "note")}
    yield from _answer(_row_id(row, where), said, given, row.get("annotator"), _moment(row))


def _of_argilla(record: Mapping[str, Any], given: Mapping[str, str]) -> Iterator[Answer]:
    """Argilla records: responses by question, one a person; drafts and discarded ones do not count."""
    by_person: dict[str, dict[str, Any]] = {}
    responses = record.get("responses") or {}
    for question, of_question in responses.items():
        for response in of_question:
            if response.get("status", "submitted") == "submitted":
                said = by_person.setdefault(str(response.get("user_id") or ""), {})
                said["drop" if question == "row" else question] = response.get("value")
    for who, said in by_person.items():
        said["drop"] = said.get("drop") == "drop"
        yield from _answer(str(record["id"]), said, given, who, "")


def _answer(
    row_id: str, said: Mapping[str, Any], given: Mapping[str, str], who: Any, at: str
) -> Iterator[Answer]:
    label, drop, note = (_first(said.get(name)) for name in ("label", "drop", "note"))
    name = "" if who is None else str(who)
    if drop in (DROP, True):
        yield Answer(row_id, "drop", "", note or "", name, at)
    elif label:
        same = label == given.get(row_id)
        yield Answer(row_id, "keep" if same else "relabel", "" if same else label, note or "", name, at)


def _first(value: Any) -> Any:
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, str | bool) or not value else label_text(value)


def _unlisted(value: Any) -> Any:
    """Return what Label Studio's compact forms hold: a choice, or {"choices": [...]}, in CSV as text."""
    if isinstance(value, str) and value.startswith('{"choices"'):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    return value.get("choices") if isinstance(value, dict) else value


def _moment(of: Mapping[str, Any]) -> str:
    return str(of.get("updated_at") or of.get("created_at") or "")


def _row_id(data: Mapping[str, Any], where: str) -> str:
    if not data.get("row_id"):
        raise InputError(f"{where}: no row_id in its data (import tasks that assay review export made)")
    return str(data["row_id"])


def _header(path: Path) -> str:
    with path.open("rb") as file:
        return file.readline(65_536).decode("utf-8", "replace")


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        body = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not isinstance(body, list) or not all(isinstance(entry, dict) for entry in body):
        raise InputError(f"{path}: a list of tasks or records is expected")
    return body
