"""Items: the rows worth a person's look, from a run or from the folder that an audit left."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.dataset import Dataset, Roles
from pipeline.files import read_parquet
from pipeline.history import run_facts
from pipeline.ingest import InputError
from pipeline.modalities import modality
from pipeline.review.decisions import label_text
from pipeline.store import NotFound, Store

# Worst labels first, then near copies beside their twins, odd rows, copies that disagree; then the flagged.
WORTH_A_LOOK = ("label", "near_duplicate", "outlier", "conflicting_labels")
FILE_NAME = "file_name"
SIDE_PX, PICTURE_BYTES = 640, 500_000  # of a picture as it is shown to people
PAIRS = ("near_duplicate", "exact_duplicate", "conflicting_labels", "leakage", "semantic_duplicate")


class Item(NamedTuple):
    """One row to look at. Labels are text, as people see and type them; `score` 0 = certainly bad, 1 = fine.

    twin : for copies, the row it is a copy of.
    """

    row_id: str
    split: str
    given: str
    suggested: str
    issue: str
    score: float
    text: str
    because: str
    twin: str = ""


@dataclass(frozen=True, eq=False)
class Origin:
    """Where items come from: the data as it was read, and what was found in it."""

    name: str
    data: Dataset
    edits: list[dict[str, Any]]
    suggested: dict[str, str] = field(default_factory=dict)
    seen_by: dict[str, str] = field(default_factory=dict)  # stage -> fingerprint of the snapshot it looked at

    @cached_property
    def splits(self) -> dict[str, str]:
        """Split by row id: the rows that can be decided."""
        return dict(zip(self.data.ids, self.data.splits, strict=True))

    @cached_property
    def labels(self) -> list[str]:
        """The labels that rows have, as text, sorted."""
        return sorted({label_text(v) for v in self.data.labels if v is not None})

    def text(self, row_id: str) -> str:
        """Return a row's content as plain text, after the name of its file where a column says it."""
        cells = self.data.rows([row_id])[0]
        text = modality(self.data.modality).show({c: cells[c] for c in self.data.roles.content})
        return f"{cells[FILE_NAME]}: {text}" if isinstance(cells.get(FILE_NAME), str) else text

    def picture(self, row_id: str, side_px: int = SIDE_PX) -> str:
        """Return a row as a data: URI of a JPEG of at most `side_px` a side, "" where its text says it."""
        cells = self.data.rows([row_id])[0]
        content = {c: cells[c] for c in self.data.roles.content}
        body = modality(self.data.modality).picture(content, side_px)
        if not body or len(body) > PICTURE_BYTES:
            return ""
        return f"data:image/jpeg;base64,{base64.b64encode(body).decode('ascii')}"

    def given(self, row_id: str) -> str:
        """Return a row's label as text."""
        return label_text(self.data.labels[self.data.position[row_id]])


def origin(source: Path | None, workspace: Path, run: int | None) -> Origin:
    """Return a folder that `assay audit` left, or a run of the workspace, the newest by default.

    Raises `NotFound` or `InputError`, saying what to give instead.
    """
    if source is not None:
        return _of_folder(source, _folder_dataset(source))
    if not (workspace / "runs").is_dir():
        raise NotFound(f"no run yet in {workspace} (or give the folder that assay audit left)")
    store = Store(workspace)
    facts = run_facts(store, run)
    folder = store.root / "runs" / str(facts["run"])
    while not (folder / "findings.parquet").is_file():  # a run made by undo or restore found nothing itself
        if not facts.get("of"):
            raise NotFound(f"run {facts['run']} has no findings (give an earlier one with --run)")
        facts = run_facts(store, facts["of"])
        folder = store.root / "runs" / str(facts["run"])
    return replace(_of_folder(folder, store.load(facts["root"])), name=f"run {facts['run']}")


def items(
    found: Origin, issues: Sequence[str] = (), limit: int | None = None, twins: bool = True
) -> list[Item]:
    """Return the rows to look at, one item a row: by issue in the order given, the worst first.

    With `twins` a copy is followed by the row it copies. Raises `NotFound` for an issue of which there is
    nothing.
    """
    about = [e for e in found.edits if e["row_id"] in found.data.position]
    here = sorted({e["issue"] for e in about})
    flagged = {e["issue"] for e in about if e["action"] == "flag"} - set(WORTH_A_LOOK)
    wanted = list(issues) or [*WORTH_A_LOOK, *sorted(flagged)]
    if strange := [i for i in issues if i not in here]:
        raise NotFound(f"nothing was found of issue {strange[0]!r}; there is {', '.join(here) or 'nothing'}")
    rank = {issue: k for k, issue in enumerate(wanted)}
    about = sorted((e for e in about if e["issue"] in rank), key=lambda e: _order(e, rank))
    out: dict[str, Item] = {}
    for edit in about:
        if edit["row_id"] in out:
            continue
        others = [t for t in edit["related"] if t in found.data.position and edit["issue"] in PAIRS]
        out[edit["row_id"]] = _item(found, edit["row_id"], edit, others[0] if others else "")
        if twins and others and others[0] not in out:
            out[others[0]] = _item(found, others[0], edit, edit["row_id"])
    return list(out.values())[: limit or None]


def _order(edit: dict[str, Any], rank: dict[str, int]) -> tuple[int, float, str]:
    return rank[edit["issue"]], edit["score"], edit["row_id"]


def _item(found: Origin, row_id: str, edit: dict[str, Any], twin: str) -> Item:
    own = edit["row_id"] == row_id
    because = edit["because"] if own else f"row {edit['row_id']} was found to be its copy: {edit['because']}"
    return Item(
        row_id=row_id, split=found.splits[row_id], given=found.given(row_id),
        suggested=found.suggested.get(row_id, "") if edit["issue"] == "label" else "",
        issue=edit["issue"], score=edit["score"], text=found.text(row_id), because=because, twin=twin,
    )  # fmt: skip


def _folder_dataset(folder: Path) -> Dataset:
    path = folder / "dataset.parquet"
    if not path.is_file() or not (folder / "findings.parquet").is_file():
        need = "no dataset.parquet and findings.parquet"
        raise NotFound(f"{folder}: {need} (give the folder of: assay audit DATA -o OUT)")
    table = read_parquet(path)
    facts = json.loads((table.schema.metadata or {}).get(b"assay", b"{}"))
    if not facts:
        raise InputError(f"{path}: not written by assay (its roles are missing)")
    return Dataset.of(table.replace_schema_metadata(None), Roles(**facts["roles"]), facts["modality"])


def _of_folder(folder: Path, data: Dataset) -> Origin:
    edits = read_parquet(folder / "findings.parquet").to_pylist()
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    suggested: dict[str, str] = {}
    for step in summary["steps"]:
        given = step["metrics"].get("suggested") or {}
        suggested.update({row_id: label_text(label) for row_id, label in given.items()})
    seen_by = {step["stage"]: step["before"] for step in summary["steps"]}
    return Origin(str(folder), data, edits, suggested, seen_by)
