"""The commands that look back and go back: diff, undo, restore, snapshots, verify, gc."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from flows.manners import DEFAULT_WORKSPACE, EXIT_CODES, result, say
from flows.options import Json, Workspace
from pipeline.words import how_many

WHICH = "a run's number, `root`, or the beginning of a fingerprint"


def register(app: typer.Typer) -> None:
    """Give the app these commands."""
    for command in (diff, undo, restore, snapshots, verify, gc):
        app.command()(command)


def diff(
    one: Annotated[str, typer.Argument(metavar="FROM", help=WHICH)],
    two: Annotated[str, typer.Argument(metavar="TO", help=WHICH)],
    workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False,
) -> None:  # fmt: skip
    """What is different between two snapshots: rows, cells, classes, stages, metrics."""
    from pipeline.diff import diff as differences
    from pipeline.diff import in_words
    from pipeline.store import Store

    facts = differences(Store(workspace), one, two)
    result(facts, as_json, "\n".join(in_words(facts)))


def undo(
    rule: Annotated[str | None, typer.Option(help="an issue, for example near_duplicate")] = None,
    stage: Annotated[str | None, typer.Option(help="a stage, for example label_noise")] = None,
    row: Annotated[str | None, typer.Option(help="a row id, or the file it came from")] = None,
    run_number: Annotated[int | None, typer.Option("--run", help="the newest run by default")] = None,
    cascade: Annotated[bool, typer.Option("--cascade", help="also edits that depended on them")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would go, change nothing")] = False,
    workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False,
) -> None:  # fmt: skip
    """Take back the edits of a rule, a stage or a row (all that are given must match); commits a new run."""
    from pipeline.store import NotFound, Store
    from pipeline.undo import undo as take_back

    if not (rule or stage or row):
        raise NotFound("nothing to undo: give --rule, --stage or --row")
    name = stage.replace("-", "_") if stage else None
    done = take_back(Store(workspace), rule, name, row, run_number, cascade, dry_run)
    counts = {stage: n + done.dependents.get(stage, 0) for stage, n in done.edits.items()}
    counts = {**done.dependents, **counts}
    lines = [f"{stage:12} {how_many(n, 'edit')} taken back" for stage, n in counts.items()]
    if done.dependents:
        lines.append(f"of these, {sum(done.dependents.values()):,} depended on the others")
    lines.append(f"{done.rows_before:,} -> {how_many(done.rows_after, 'row')}")
    if done.run is None:
        lines.append("nothing was changed (--dry-run)")
    else:
        lines.append(f"dataset: {workspace}/runs/{done.run}/dataset.parquet")
        lines.append(f"take it back: assay restore {done.run - 1} -w {workspace}")
    result(vars(done), as_json, "\n".join(lines))


def restore(
    snapshot: Annotated[str, typer.Argument(metavar="SNAPSHOT", help=WHICH)],
    workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False,
) -> None:  # fmt: skip
    """Make a snapshot the newest one again; commits a new run, deletes nothing."""
    from pipeline.store import Store
    from pipeline.undo import restore as go_back

    store = Store(workspace)
    number = go_back(store, snapshot)
    data = store.run_facts(number)["facts"]["curated"]
    rows = store.manifest(store.root / "datasets" / data)["rows"]
    place = f"{workspace}/runs/{number}/dataset.parquet"
    facts = {"run": number, "snapshot": data, "rows": rows, "dataset": place}
    result(facts, as_json, f"run {number} is snapshot {data[:12]}, {how_many(rows, 'row')}\ndataset: {place}")


def snapshots(workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False) -> None:
    """List the stored snapshots, newest first."""
    from pipeline.store import Store
    from pipeline.upkeep import snapshots as stored

    found = stored(Store(workspace))
    lines = []
    for s in found:
        made = f"{datetime.fromtimestamp(s['made_seconds']):%Y-%m-%d %H:%M}"
        what = ", ".join([*(["HEAD"] if s["head"] else []), *s["is"]])
        size = f"{s['rows']:>9,} rows {s['bytes'] / 1e6:>8.1f} MB"
        lines.append(f"{s['snapshot'][:12]}  {made} {size}  {what}")
    result({"snapshots": found}, as_json, "\n".join(lines) or "no snapshot yet")


def verify(workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False) -> None:
    """Check every file of the workspace; exit 74 when one is not what was committed."""
    from pipeline.store import Store
    from pipeline.upkeep import verify as check

    checked, faults = check(Store(workspace))
    for fault in faults:
        say(f"error: {fault}")
    plain = f"{checked:,} folders checked, {len(faults)} faults"
    result({"checked": checked, "faults": faults}, as_json, plain)
    if faults:
        raise typer.Exit(EXIT_CODES["disk"])


def gc(
    older_than: Annotated[float, typer.Option(min=0, help="days since it was last used")] = 7.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would go, remove nothing")] = False,
    workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False,
) -> None:  # fmt: skip
    """Remove what no run stands on and nothing has used lately."""
    from pipeline.store import Store
    from pipeline.upkeep import gc as collect

    done = collect(Store(workspace), older_than, dry_run)
    what = ", ".join(f"{n:,} {kind}" for kind, n in done.folders.items()) or "nothing"
    plain = f"{'would remove' if dry_run else 'removed'} {what}: {done.bytes / 1e6:.1f} MB"
    result({"folders": done.folders, "bytes": done.bytes}, as_json, plain)
