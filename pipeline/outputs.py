"""The files a command leaves in its OUT folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.blobs import light_edits
from pipeline.dataset import ROW_ID, SOURCE, Dataset
from pipeline.files import write_parquet
from pipeline.findings import Findings
from pipeline.ingest.source import QUARANTINE_SCHEMA
from pipeline.run import Step


def write_tables(folder: Path, before: Dataset, after: Dataset, steps: Sequence[Step]) -> None:
    """Write dataset.parquet, findings.parquet, issues.parquet and summary.json.

    A value that is a picture stands in findings.parquet by its digest; the picture is in dataset.parquet.
    """
    write_data(folder, after)
    edits = [light_edits(s.findings.edits) for s in steps]
    _replace(folder / "findings.parquet", pa.concat_tables(edits) if edits else Findings.of("none").edits)
    _replace(folder / "issues.parquet", issues_table(before, [s.findings for s in steps]))
    _replace(folder / "summary.json", json.dumps(summary(before, steps), indent=1, sort_keys=True))
    preprocess = {s.stage.name: s.findings.fitted for s in steps if s.findings.fitted}
    if preprocess:
        _replace(folder / "preprocess.json", json.dumps(preprocess, indent=1, sort_keys=True))


def write_data(folder: Path, data: Dataset) -> None:
    """Write dataset.parquet, which names its roles and modality, so that any command reads it back as it
    is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "modality": data.modality,
        "roles": data.roles.model_dump(mode="json"),
        "fingerprint": data.fingerprint,
    }
    table = data.table.replace_schema_metadata({"assay": json.dumps(facts, sort_keys=True)})
    _replace(folder / "dataset.parquet", table)


def write_quarantine(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write quarantine.parquet (file, line, reason, raw) if rows could not be read; return a line on it."""
    path = folder / "quarantine.parquet"
    if not rows:
        path.unlink(missing_ok=True)
        return []
    _replace(path, pa.Table.from_pylist(list(map(dict, rows)), schema=QUARANTINE_SCHEMA))
    return [f"not read: {len(rows):,} {'row' if len(rows) == 1 else 'rows'}, see {path}"]


def issues_table(data: Dataset, findings: Sequence[Findings]) -> pa.Table:
    """Return a line for each row: `is_<issue>_issue`, true where an edit or flag exists, and `<issue>_score`.

    A score is null where the row was not examined for that issue.
    """
    scores: dict[str, np.ndarray] = {}
    flags: dict[str, np.ndarray] = {}
    for found in findings:
        for table, is_edit in ((found.scores, False), (found.edits, True)):
            triples = zip(*(table[c].to_pylist() for c in ("row_id", "issue", "score")), strict=True)
            for row_id, issue, score in triples:
                if row_id not in data.position:
                    continue
                i = data.position[row_id]
                line = scores.setdefault(issue, np.full(data.n_rows, np.nan))
                line[i] = score if np.isnan(line[i]) else min(line[i], score)
                flags.setdefault(issue, np.zeros(data.n_rows, dtype=bool))[i] |= is_edit
    columns: dict[str, pa.Array] = {ROW_ID: pa.array(data.ids, pa.large_string())}
    for issue in sorted(scores):
        columns[f"is_{issue}_issue"] = pa.array(flags[issue])
        columns[f"{issue}_score"] = pa.array(scores[issue], from_pandas=True)
    return pa.table(columns)


def summary(data: Dataset, steps: Sequence[Step]) -> dict[str, Any]:
    """Return rows in and out, rows by issue and action, and what was skipped and why."""
    issues: dict[str, dict[str, int]] = {}
    for step in steps:
        for issue, counts in step.findings.counts().items():
            for action, n in counts.items():
                issues.setdefault(issue, {})[action] = issues.get(issue, {}).get(action, 0) + n
    return {
        "rows_in": data.n_rows,
        "rows_out": steps[-1].after.n_rows if steps else data.n_rows,
        "fingerprint_in": data.fingerprint,
        "fingerprint_out": (steps[-1].after if steps else data).fingerprint,
        "issues": issues,
        "steps": [s.facts for s in steps],
        "skipped": {s.stage.name: s.skipped for s in steps if s.skipped},
        **_by_source(data, steps),
    }


def _by_source(data: Dataset, steps: Sequence[Step]) -> dict[str, Any]:
    """Return rows, and rows with each issue, of every source; nothing where there is only one."""
    names = [str(s or "") for s in data.table[SOURCE].to_pylist()]
    if len(set(names)) < 2:
        return {}
    source_of = dict(zip(data.ids, names, strict=True))
    edits = [edit for s in steps for edit in s.findings.edits.select([ROW_ID, "issue"]).to_pylist()]
    touched = {(e[ROW_ID], e["issue"]) for e in edits if e[ROW_ID] in source_of}
    counts = Counter((source_of[row_id], issue) for row_id, issue in touched)
    rows = Counter(names)
    return {"sources": {
        name: {"rows": rows[name], "issues": {i: n for (s, i), n in sorted(counts.items()) if s == name}}
        for name in sorted(rows)
    }}  # fmt: skip


def _replace(path: Path, content: pa.Table | str) -> None:
    """Write a file whole: what reads it meanwhile, or after a kill, finds the old one."""
    scratch = path.with_name(path.name + ".tmp")
    if isinstance(content, str):
        scratch.write_text(content, "utf-8")
    else:
        write_parquet(scratch, content)
    scratch.replace(path)
