"""Ledger: every edit of a run, and a row's whole life in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.blobs import light_edits
from pipeline.files import read_parquet
from pipeline.findings import Findings
from pipeline.history import run_facts
from pipeline.row_names import file_column, row_called
from pipeline.run import Step
from pipeline.store import NotFound, Store

LEDGER = "ledger.parquet"
_SHOWN = 60  # characters of a cell in a sentence


def ledger_table(
    rounds: Sequence[tuple[int, bool, Sequence[Step]]], evaluations: Mapping[int, Findings]
) -> pa.Table:
    """Return all edits of all rounds (number, accepted, steps): the edit's columns, `round`, `applied`.

    `evaluations` holds, by round, what the evaluation found; its findings are flags. Values that are pictures
    stand by their digest.

    `applied` says whether the edit made the curated data: not a flag, its round accepted or the edit hygiene,
    and for stages that are made anew each round, of the last accepted round.
    """
    last = max((number for number, accepted, _ in rounds if accepted), default=0)
    if rounds and not rounds[-1][1]:
        last = 0  # after a rejected round nothing is made anew
    parts = []
    for number, accepted, steps in rounds:
        for step in steps:
            edits = light_edits(step.findings.edits)
            stands = accepted if not step.stage.rebuilt else accepted and number == last
            pairs = zip(edits["issue"].to_pylist(), edits["action"].to_pylist(), strict=True)
            policy = () if step.stage.rebuilt else step.stage.policy
            done = [action != "flag" and (stands or issue in policy) for issue, action in pairs]
            table = edits.append_column("round", pa.array([number] * edits.num_rows, pa.int64()))
            parts.append(table.append_column("applied", pa.array(done, pa.bool_())))
        if (found := evaluations.get(number)) is not None:
            n = found.edits.num_rows
            table = found.edits.append_column("round", pa.array([number] * n, pa.int64()))
            parts.append(table.append_column("applied", pa.array([False] * n, pa.bool_())))
    if not parts:
        return pa.table({"row_id": pa.array([], pa.large_string())})
    return pa.concat_tables(parts).combine_chunks()


def why(store: Store, row_id: str, run: int | None = None) -> list[str]:
    """Return the life of a row in one run (the newest by default), a sentence a line.

    row_id : its id, or the name of the file that it was read from.

    Raises `NotFound` with the reason when there is no such run or row.
    """
    facts = run_facts(store, run)
    number = facts["run"]
    root, curated = store.load(facts["root"]), store.load(facts["curated"])
    row_id = row_called(root, row_id)
    edits = _edits_about(store.root / "runs" / str(number) / LEDGER, row_id)
    lines = []
    if row_id in root.position:
        row = root.rows([row_id])[0]
        label = f", label {row[root.roles.label]!r}" if root.roles.label else ""
        file = file_column(root)
        came = f"{row['source'] or 'the data'}{f', file {row[file]}' if file and row[file] else ''}"
        lines.append(f"{row_id}: read from {came}, split {row['split']}{label}")
    elif row_id in curated.position or edits:
        lines.append(f"{row_id}: made by a stage")
    else:
        raise NotFound(f"no row {row_id!r} in run {number}")
    lines += [_sentence(edit) for edit in edits]
    children = [i for i, parents in zip(curated.ids, curated.parents, strict=True) if row_id in parents]
    if children:
        lines.append(f"rows made from it: {', '.join(children[:5])}" + (" ..." if len(children) > 5 else ""))
    state = "is in" if row_id in curated.position else "is not in"
    lines.append(f"it {state} the curated dataset {facts['curated'][:12]}")
    return lines


def _edits_about(path: Path, row_id: str) -> list[dict[str, Any]]:
    if not path.exists():  # a restored snapshot that no run led to
        return []
    table = read_parquet(path)
    return table.filter(pc.equal(table["row_id"], row_id)).to_pylist()


def _sentence(edit: dict[str, Any]) -> str:
    verb = {"flag": "flagged it", "drop": "dropped it", "add": "made it", "set": f"set {edit['column']}"}[
        edit["action"]
    ]
    if edit["action"] == "set":
        before, value = _apart(*(json.loads(edit[k]) for k in ("before", "value")))
        verb += f" from {before} to {value}"
    if edit["action"] != "flag" and not edit["applied"]:
        verb = f"proposed, not applied: {verb}"
    related = f" (see {', '.join(edit['related'][:3])})" if edit["related"] else ""
    what = f"{verb} as {edit['issue']}, score {edit['score']:.2f}: {edit['because']}{related}"
    return f"round {edit['round']}, {edit['stage']}: {what}"


def _apart(before: Any, value: Any) -> tuple[str, str]:
    """Return two cells in words of at most 60 characters, cut so that where they first differ is seen.

    >>> _apart("a" * 80 + " one", "a" * 80 + " two")
    ("...aaaaaaaaa one'", "...aaaaaaaaa two'")
    """
    one, two = _words(before), _words(value)
    if max(len(one), len(two)) <= _SHOWN:
        return one, two
    pairs = enumerate(zip(one, two, strict=False))
    same = next((k for k, (a, b) in pairs if a != b), min(len(one), len(two)))
    start = max(same - 10, 0) if same > _SHOWN // 2 else 0

    def cut(text: str) -> str:
        part = text[start : start + _SHOWN]
        return ("..." if start else "") + part + ("..." if start + _SHOWN < len(text) else "")

    return cut(one), cut(two)


def _words(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"sha256", "bytes"}:
        return f"picture {str(value['sha256'])[:12]}"
    return repr(value)
