"""What a flow run leaves in Prefect for people: a summary, tables of stages and issues, the report's link.

Keys are `assay-<flow>-<recipe>-<what>`, lower-case with dashes, so that the history of one recipe lines up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from pipeline.masking import mask

ISSUES_SHOWN = 20
STAGE_COLUMNS = ("round", "stage", "rows_in", "dropped", "changed", "added", "flagged", "columns_flagged",
                 "rows_out")


def artifact_key(flow: str, recipe: Path | str, what: str) -> str:
    """Return the key of an artifact.

    >>> artifact_key("improve", "My Reviews_v2.toml", "stages")
    'assay-improve-my-reviews-v2-stages'
    """
    stem = re.sub(r"[^a-z0-9]+", "-", Path(recipe).stem.lower()).strip("-")
    return "-".join(part for part in ("assay", flow, stem, what) if part)


def publish_stages(key: str, stages: Sequence[dict[str, Any]]) -> None:
    """Leave a table of the stages: rows in, what each did, rows out."""
    rows = [{name: stage[name] for name in STAGE_COLUMNS if name in stage} for stage in stages]
    create_table_artifact(key=key, table=rows, description="rows by stage")


def publish_issues(key: str, edits: pa.Table) -> None:
    """Leave a table of the issues that were found most, each with its worst row and why it is one."""
    create_table_artifact(key=key, table=top_issues(edits), description="issues, the most frequent first")


def top_issues(edits: pa.Table) -> list[dict[str, Any]]:
    """Return a line for each stage, issue and action: how many rows, and the worst of them.

    edits : the columns of `Findings.edits`; a row found in two rounds counts once.
    """
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    worst: dict[tuple[str, str, str], tuple[float, str, str]] = {}
    columns = ("stage", "issue", "action", "row_id", "score", "because")
    lines = zip(*(edits[c].to_pylist() for c in columns), strict=True) if edits.num_rows else ()
    for stage, issue, action, row_id, score, because in lines:
        group, row = (stage, issue, action), str(row_id or "")
        badness = 1.0 if score is None else float(score)
        found.setdefault(group, {})[row] = badness
        worst[group] = min(worst.get(group, (2.0, "", "")), (badness, row, because or ""))
    order = sorted(found, key=lambda group: (-len(found[group]), group))
    return [
        {"stage": stage, "issue": issue, "action": action, "rows": len(found[stage, issue, action]),
         "worst row": worst[stage, issue, action][1], "score": round(worst[stage, issue, action][0], 4),
         "because": mask(worst[stage, issue, action][2])}
        for stage, issue, action in order[:ISSUES_SHOWN]
    ]  # fmt: skip


def publish_summary(key: str, title: str, facts: dict[str, Any], text: str) -> None:
    """Leave the summary as Markdown: a table of `facts`, then the run's own lines as they are."""
    lines = [f"| {name} | {_cell(value)} |" for name, value in facts.items()]
    table = "\n".join(["| | |", "| --- | --- |", *lines])
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall("`+", text)), default=0))
    create_markdown_artifact(
        key=key, markdown=mask(f"## {_cell(title)}\n\n{table}\n\n{fence}\n{text}\n{fence}\n")
    )


def _cell(value: Any) -> str:
    """Return a value that neither breaks the table nor is taken for markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(str(value).split()))


def publish_report(key: str, report: Path | str) -> None:
    """Leave a link to the run's quality report."""
    create_link_artifact(key=key, link=Path(report).resolve().as_uri(), link_text="quality report")
