"""Tables that a user brings to an audit: pipes, other formats, ids and numbers that are none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hostile import Case

DATA = "row_id,text,label\nr1,some words here,a\nr2,other words there,b\n"
IDS = ["r1", "r2"]


def audit(name: str, option: str, write: Callable[[Path], Any], *says: str) -> Case:
    """Return a case whose file is `p.parquet`, refused before anything is computed."""

    def make(folder: Path) -> str:
        (folder / "d.csv").write_text(DATA)
        write(folder / "p.parquet")
        return "d.csv"

    return Case(
        f"brought: {name}", make, ("p.parquet", *says), 65, options=(option, "p.parquet"), command="audit"
    )


def table(**columns: Any) -> Callable[[Path], None]:
    return lambda path: pq.write_table(pa.table(columns), path)


def cases() -> list[Case]:
    """Return the refusals; what is right is read elsewhere."""
    probs, vectors = "--pred-probs", "--embeddings"
    half = [0.5, 0.5]
    return [
        audit("nothing", probs, lambda path: None, "no such file"),
        audit("a pipe", probs, os.mkfifo, "regular file"),
        audit("a folder", vectors, Path.mkdir, "folder"),
        audit("a ring of links", vectors, lambda path: path.symlink_to("p.parquet"), "link"),
        audit("a CSV", probs, lambda path: path.write_text("row_id,a,b\nr1,1,0\n"), "Parquet"),
        audit("no ids", probs, table(a=half, b=half), "'row_id'"),
        audit("an id twice", probs, table(row_id=["r1", "r1"], a=half, b=half), "'r1' stands 2 times"),
        audit("an id missing", vectors, table(row_id=["r1", None], vector=[[1.0]] * 2), "row 2"),
        audit("no classes", probs, table(row_id=IDS), "class"),
        audit(
            "no rows", probs, table(row_id=pa.array([], pa.string()), a=pa.array([], pa.float64())), "no rows"
        ),
        audit("words for probabilities", probs, table(row_id=IDS, a=["x", "y"]), "'a'", "string"),
        audit("percentages", probs, table(row_id=IDS, a=[50, 50], b=[50, 50]), "'r1'", "sum to 1"),
        audit("a probability missing", probs, table(row_id=IDS, a=[0.5, None], b=half), "'r2'"),
        audit(
            "a metadata column beside", probs, table(row_id=IDS, a=half, b=half, length=[9, 9]), "'length'"
        ),
        audit("no vectors", vectors, table(row_id=IDS, embedding=[[1.0]] * 2), "'vector'"),
        audit("vectors of words", vectors, table(row_id=IDS, vector=[["x"], ["y"]]), "numbers"),
        audit("vectors as text", vectors, table(row_id=IDS, vector=["[1]", "[2]"]), "numbers"),
        audit("vectors of two lengths", vectors, table(row_id=IDS, vector=[[1.0], [1.0, 2.0]]), "lengths"),
        audit("a vector missing", vectors, table(row_id=IDS, vector=[[1.0], None]), "lengths"),
        audit("a vector with a hole", vectors, table(row_id=IDS, vector=[[1.0, 2.0], [1.0, None]]), "'r2'"),
    ]
