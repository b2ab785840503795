"""The commands of review: export and import decisions, decide on a local page, apply them to a dataset."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.columns import Reading, spread
from flows.manners import DEFAULT_WORKSPACE, progress, result, say
from flows.options import Json, Out, Quiet, Workspace, engine_of
from pipeline.words import how_many

if TYPE_CHECKING:
    from flows.review_desk import Desk

review = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None,
    help="Let people decide about rows; what they decide outranks every stage.\n\n"
    "  assay review serve                   decide on a local page, by keyboard\n\n"
    "  assay review export -o review.csv    for a spreadsheet; then import it",
)  # fmt: skip

Folder = Annotated[
    Path | None, typer.Argument(metavar="[FOLDER]", help="what assay audit left; else a run of the workspace")
]
RunNumber = Annotated[int | None, typer.Option("--run", help="the newest run by default")]
Issues = Annotated[
    list[str] | None, typer.Option("--issue", help="label, outlier, near_duplicate ...; repeat as needed")
]
Limit = Annotated[int | None, typer.Option(min=1, help="at most so many rows, the worst first")]


def register(app: typer.Typer) -> None:
    """Add `assay review`."""
    app.add_typer(review, name="review")


@review.command()
def export(
    folder: Folder = None,
    to: Annotated[str, typer.Option(help="csv, label-studio or argilla")] = "csv",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="a file for csv, else a folder")] = None,
    run_number: RunNumber = None, issue: Issues = None, limit: Limit = None,
    bom: Annotated[bool, typer.Option("--bom", help="mark a CSV as UTF-8 for Excel")] = False,
    workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False,
) -> None:  # fmt: skip
    """Write the rows worth a look: for a spreadsheet, for Label Studio, for Argilla."""
    from pipeline.recipe import RecipeError
    from pipeline.review.export import EXPORTS
    from pipeline.review.items import items, origin

    if to not in EXPORTS:
        raise RecipeError(f"--to {to}: choose {', '.join(EXPORTS)}")
    found = origin(folder, workspace, run_number)
    rows = items(found, issue or [], limit)
    target = out or Path("review.csv" if to == "csv" else f"review-{to}")
    files = EXPORTS[to](found, rows, target, bom)
    where = f" {folder}" if folder else f" -w {workspace}"
    back = str(target) if to == "csv" else "EXPORTED"
    names = [str(f) for f in files]
    plain = [*names, f"{how_many(len(rows), 'row')} of {found.name}",
             f"next: assay review import {back}{where}"]
    result({"files": names, "rows": len(rows), "from": found.name}, as_json, "\n".join(plain))


@review.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a filled-in CSV, or what a tool exported")],
    folder: Folder = None,
    out: Annotated[Path, typer.Option("--out", "-o", help=".csv or .parquet")] = Path("decisions.csv"),
    new_labels: Annotated[bool, typer.Option(help="allow labels that no row has yet")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="write over other decisions in OUT")] = False,
    run_number: RunNumber = None, workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False,
) -> None:  # fmt: skip
    """Read decisions back: our CSV, Label Studio's JSON, JSON-MIN or CSV, Argilla's records."""
    from pipeline.ingest import InputError
    from pipeline.recipe import RecipeError
    from pipeline.review.answers import read_answers
    from pipeline.review.decisions import VERBS, checked, label_text, read_decisions, write_decisions
    from pipeline.review.items import origin

    found = origin(folder, workspace, run_number)
    given = dict(zip(found.data.ids, map(label_text, found.data.labels), strict=True))
    decisions = read_answers(file, given)
    if not decisions:
        raise InputError(f"{file}: nobody decided anything yet (fill in decision: keep, drop or relabel)")
    checked(decisions, found.splits, found.labels, new_labels, str(file))
    if out.exists() and not replace and read_decisions(out) != decisions:
        raise RecipeError(f"{out}: holds other decisions (give another file with -o, or --replace)")
    write_decisions(out, decisions)
    counts = {verb: sum(d.decision == verb for d in decisions) for verb in VERBS}
    for one in decisions:
        if one.decision == "drop" and found.splits[one.row_id] != "train":
            say(f"row {one.row_id} is held out: it will be flagged, not dropped")
    facts = {"decisions": str(out), **counts}
    result(facts, as_json, "\n".join([str(out), _counted(counts), *_next(out)]))


@review.command()
def serve(
    folder: Folder = None, run_number: RunNumber = None, issue: Issues = None, limit: Limit = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="in the workspace by default")] = None,
    reviewer: Annotated[str | None, typer.Option(help="kept with each decision")] = None,
    workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False,
) -> None:  # fmt: skip
    """Decide on a local page, by keyboard; every decision is on disk at once. Ctrl-C ends it."""
    from flows.review_desk import Desk
    from flows.review_server import ReviewServer
    from pipeline.review.items import items, origin
    from pipeline.store import NotFound, Store

    found = origin(folder, workspace, run_number)
    rows = items(found, issue or [], limit, twins=False)
    if not rows:
        raise NotFound(f"{found.name}: no row is worth a look (name other issues with --issue)")
    path = out or workspace / "review" / f"decisions-{found.data.fingerprint[:12]}.csv"
    desk = Desk(found, rows, path, Store(workspace), reviewer or os.environ.get("USER", ""))
    with desk.taken(), ReviewServer(desk, port) as server:
        facts = {"url": server.address, "rows": len(rows), "decisions": str(path)}
        result(facts, as_json, server.address)
        sys.stdout.flush()
        say(f"{how_many(len(rows), 'row')} of {found.name}; open the address above, end with Ctrl-C")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")
        finally:
            _farewell(desk)


@review.command()
@spread
def apply(
    reading: Reading,
    decisions: Annotated[Path, typer.Argument(metavar="DECISIONS", help="what import or serve wrote")],
    out: Out = None, workspace: Workspace = DEFAULT_WORKSPACE, as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Apply decisions to a dataset, and nothing else."""
    from flows.single import one_stage
    from pipeline.store import Store

    engine, settings = engine_of(workspace, 1, log := progress(quiet)), [f"decisions={decisions}"]
    target = reading.out(out, "review")
    facts, plain = one_stage("review", reading.plan(), target, Store(workspace), engine, settings, log)
    result(facts, as_json, plain)


def _farewell(desk: Desk) -> None:
    if not desk.path.exists():
        return say("no decisions were made")
    say(f"{_counted(desk.counts)}: {desk.path}")
    for line in _next(desk.path):
        say(line)


def _counted(counts: dict[str, int]) -> str:
    told = ", ".join(f"{n} {verb}" for verb, n in counts.items())
    return f"{how_many(sum(counts.values()), 'decision')}: {told}"


def _next(path: Path) -> list[Any]:
    return ["next: name them first among the recipe's stages, then assay run RECIPE",
            "  [[stages]]", '  use = "review"', f'  decisions = "{path.resolve()}"']  # fmt: skip
