"""One dataset of five sources that differ in format, encoding, column names and label words.

SpamAssassin's five groups of mails are written as five files: CSV in cp1252 or UTF-8 and lines of JSON, each
with its own names for the columns and its own words for ham and spam. They are read as one dataset, every
text is compared with the original, and the audit's rates for each 1,000 rows are taken by source. Without
the maps the sources must be refused, or told apart in words.

    ASSAY_TRUTH=<folder of the data sets> python benchmarks/sources.py         about 2 minutes

Mails that hold NUL or a character that the source's encoding lacks are left out, and counted.
"""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.auditing import audit_dataset
from pipeline.ingest import InputError
from pipeline.recipe import build_recipe, build_stage
from pipeline.report.record import dataset_record
from pipeline.signals.engine import Engine
from pipeline.source import open_data
from pipeline.store import Store

HERE = Path(__file__).parent
STAGES = ("clean", "quality", "duplicates")
PLAN = {  # group: (format, encoding, names of id, text and label, words for ham and spam)
    "easy-ham-1": ("jsonl", "utf-8", ("id", "text", "label"), ("ham", "spam")),
    "easy-ham-2": ("csv", "utf-8", ("key", "body", "kind"), ("ham", "spam")),
    "hard-ham-1": ("csv", "cp1252", ("key", "body", "kind"), ("good", "bad")),
    "spam-1": ("csv", "cp1252", ("number", "mail", "class"), ("0", "1")),
    "spam-2": ("jsonl", "utf-8", ("uid", "message", "is_spam"), ("no", "yes")),
}


def write_sources(rows: list[dict], folder: Path) -> tuple[list[dict], dict[str, str], int]:
    """Write a file a group; return the recipe's sources, the text of each row id, how many did not fit."""
    sources, wanted, left_out = [], {}, 0
    for group, (form, encoding, names, words) in PLAN.items():
        file, cells = io.StringIO(newline=""), []
        for row in (r for r in rows if r["group"] == group):
            text = row["text"] or ""
            if "\0" in text or not _fits(text, encoding):
                left_out += 1
                continue
            cells.append((row["id"], text, words[row["label"] == "spam"]))
            wanted[f"{group}:{row['id']}"] = text
        if form == "csv":
            csv.writer(file, lineterminator="\n").writerows([names, *cells])
        else:
            lines = [json.dumps(dict(zip(names, c, strict=True)), ensure_ascii=False) for c in cells]
            file.write("\n".join(lines) + "\n")
        path = folder / f"{group}.{form}"
        path.write_bytes(file.getvalue().encode(encoding))
        ours = dict(zip(words, ("ham", "spam"), strict=True))
        seen = {label for _, _, label in cells}
        sources.append({
            "name": group, "path": path.name, "encoding": encoding,
            "columns": {o: n for o, n in zip(names, ("id", "text", "label"), strict=True) if o != n},
            "labels": {old: new for old, new in ours.items() if old != new and old in seen},
        })
    return sources, wanted, left_out


def measure(rows: list[dict], folder: Path) -> dict:
    sources, wanted, left_out = write_sources(rows, folder)
    started = time.monotonic()
    plan = {"data": {"sources": sources, "label": "label", "text": "text"}}
    opened = open_data(build_recipe(plan, base=folder), Store(folder / "w"))
    read_seconds = time.monotonic() - started
    data = opened.dataset
    read = dict(zip(data.ids, data.table["text"].to_pylist(), strict=True))
    same = sum(read.get(i) == text for i, text in wanted.items())
    stages = [build_stage(name, {}, data.modality) for name in STAGES]
    audit = audit_dataset(opened, Engine(cache=Store(folder / "w")), stages=stages)
    record = dataset_record(data, audit.steps[-1].after, [(s.stage.name, s.findings) for s in audit.steps])
    return {
        "rows": data.n_rows, "left_out": left_out, "quarantined": len(opened.quarantine),
        "texts_as_they_were": same, "texts_not_ascii": sum(not t.isascii() for t in wanted.values()),
        "read_seconds": round(read_seconds, 1), "sources": record["sources"],
        "without_maps": _without_maps(sources, folder),
    }


def _without_maps(sources: list[dict], folder: Path) -> str:
    """Return what is said when the column and label maps are left out."""
    bare = [{k: v for k, v in s.items() if k not in ("columns", "labels")} for s in sources]
    try:
        opened = open_data(build_recipe({"data": {"sources": bare}}, base=folder), Store(folder / "bare"))
    except InputError as error:
        return f"refused: {str(error).replace(str(folder), '')}"
    return "; ".join(opened.notes)


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def main() -> None:
    truth = os.environ.get("ASSAY_TRUTH")
    if not truth:
        sys.exit("set ASSAY_TRUTH to the folder of the data sets")
    rows = pq.read_table(Path(truth) / "spam_assassin" / "spam_assassin.parquet").to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(rows, Path(folder))
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())
    head = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(head, capture_output=True, text=True, check=True, cwd=HERE)
    out = {"command": "python benchmarks/sources.py", "commit": commit.stdout.strip(), "seed": 0,
           "machine": f"{cpu}, {os.cpu_count()} cores",
           "versions": {p: version(p) for p in ("pyarrow", "pandas", "numpy")}, **figures}
    (HERE / "sources.json").write_text(json.dumps(out, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
