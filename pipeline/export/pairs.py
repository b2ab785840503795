"""Instruction and preference pairs in the formats that trainers read: one file, a row a line."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dataset import PARENTS, ROW_ID, SOURCE, Dataset
from pipeline.durable import sync
from pipeline.files import full_disk
from pipeline.modalities.sft.turns import Turn, joined
from pipeline.recipe import RecipeError

FORMATS = ("messages", "prompt-completion", "alpaca", "sharegpt", "preference")
_FROM = {"system": "system", "user": "human", "assistant": "gpt", "tool": "tool"}
Turns = Sequence[Turn]


class Unfit(ValueError):
    """A row that a format cannot hold; the message says why."""


class Written(NamedTuple):
    """A file that was written. `left_out` are the rows that do not fit, with the reason."""

    path: Path
    n_rows: int
    left_out: dict[str, str]


def export_pairs(data: Dataset, path: Path, form: str | None = None, skip: bool = False) -> Written:
    """Write the rows to a new file ending in .jsonl, .json or .parquet.

    form : one of `FORMATS`; by default that of the modality. Of preference pairs, the other formats hold the
        prompt and the chosen answer.
    skip : leave out rows that do not fit, instead of refusing.

    The columns beside the content follow, row ids as `id`. Raises `RecipeError` when the file is there
    already, the data holds no pairs, or a row does not fit.
    """
    form = form or ("preference" if data.modality == "preference" else "messages")
    if form not in FORMATS:
        raise RecipeError(f"--format {form}: is none of {', '.join(FORMATS)}")
    if data.modality not in ("sft", "preference"):
        raise RecipeError(f"the data is {data.modality}: only instruction and preference pairs go this way")
    if path.suffix not in (".jsonl", ".json", ".parquet"):
        raise RecipeError(f"{path}: end the name in .jsonl, .json or .parquet")
    if path.exists():
        raise RecipeError(f"{path}: is there already (name a new file)")
    rows, left_out = _rows(data, form)
    if left_out and not skip:
        first = min(left_out)
        raise RecipeError(
            f"{len(left_out)} of {data.n_rows} rows do not fit {form}; the first is {first}: "
            f"{left_out[first]} (choose another --format, or leave them out with --skip)")
    _write(path, rows)
    return Written(path, len(rows), left_out)


def _rows(data: Dataset, form: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    cells = data.content.to_pylist()
    others = [c for c in data.table.column_names if c not in (*data.roles.content, SOURCE, PARENTS)]
    rest = data.table.select(others).to_pylist()
    plain = all(_is_plain(row) for row in cells)
    made: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    for row_id, row, besides in zip(data.ids, cells, rest, strict=True):
        try:
            out = _WRITERS[form](row, plain)
        except Unfit as why:
            left_out[str(row_id)] = str(why)
            continue
        besides = {"id" if name == ROW_ID else name: value for name, value in besides.items()}
        made.append({**out, **{name + "_" * (name in out): value for name, value in besides.items()}})
    return made, left_out


def _is_plain(row: Mapping[str, Any]) -> bool:
    """Whether a row is one turn of the user and one answer on each side, so that texts can hold it."""
    sides = [row["messages"] or ()] if "messages" in row else [
        [*(row["prompt"] or ()), *(row[side] or ())] for side in ("chosen", "rejected")]
    return all([t["role"] for t in joined(side)] == ["user", "assistant"] for side in sides)


def _turns(row: Mapping[str, Any]) -> list[Turn]:
    turns = row["messages"] if "messages" in row else [*(row["prompt"] or ()), *(row["chosen"] or ())]
    if not turns:
        raise Unfit("no turn")
    return list(turns)


def _messages(row: Mapping[str, Any], plain: bool) -> dict[str, Any]:
    return {"messages": joined(_turns(row))}


def _sharegpt(row: Mapping[str, Any], plain: bool) -> dict[str, Any]:
    return {"conversations": [{"from": _FROM[t["role"]], "value": t["content"]}
                              for t in joined(_turns(row))]}


def _pair(row: Mapping[str, Any], plain: bool) -> dict[str, Any]:
    turns = joined(_turns(row))
    if turns[-1]["role"] != "assistant":
        raise Unfit("the last turn is no answer")
    prompt, completion = turns[:-1], turns[-1:]
    if plain:
        return {"prompt": prompt[0]["content"], "completion": completion[0]["content"]}
    return {"prompt": prompt, "completion": completion}


def _alpaca(row: Mapping[str, Any], plain: bool) -> dict[str, Any]:
    turns = _turns(row)
    roles = [t["role"] for t in turns]
    body = roles[1:] if roles[0] == "system" else roles
    if body not in (["user", "assistant"], ["user", "input", "assistant"]):
        raise Unfit(f"its turns are {', '.join(roles)}; Alpaca has one instruction and one output")
    said = {t["role"]: t["content"] or "" for t in turns}
    system = {"system": said["system"]} if "system" in said else {}
    asked = {"instruction": said["user"], "input": said.get("input", "")}
    return {**asked, "output": said["assistant"], **system}


def _preference(row: Mapping[str, Any], plain: bool) -> dict[str, Any]:
    if "chosen" not in row:
        raise Unfit("an instruction pair has no rejected answer")
    parts = {name: joined(row[name]) for name in ("prompt", "chosen", "rejected")}
    return {name: turns[0]["content"] for name, turns in parts.items()} if plain else parts


_WRITERS: dict[str, Callable[[Mapping[str, Any], bool], dict[str, Any]]] = {
    "messages": _messages, "prompt-completion": _pair, "alpaca": _alpaca, "sharegpt": _sharegpt,
    "preference": _preference,
}


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return the rows as a table with the columns of every row; a row without one has null there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write under another name and rename, so that the file is never half there."""
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            pq.write_table(_table(rows), scratch, compression="zstd", write_page_checksum=True)
        else:
            lines = [json.dumps(row, ensure_ascii=False, default=str) for row in rows]
            body = "".join(f"{line}\n" for line in lines)
            text = body if path.suffix == ".jsonl" else "[\n" + ",\n".join(lines) + "\n]\n"
            scratch.write_text(text, "utf-8")
        sync(scratch)
        os.replace(scratch, path)
        sync(path.parent)
    except OSError as error:
        raise full_disk(error, path) from error
    finally:
        scratch.unlink(missing_ok=True)
