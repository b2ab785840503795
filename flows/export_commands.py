"""`assay export hf` and `assay export croissant`: the curated dataset as others read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.manners import DEFAULT_WORKSPACE, progress, result, say
from flows.options import (
    GroupColumn,
    IdColumn,
    ImageColumn,
    Json,
    LabelColumn,
    ModalityName,
    Quiet,
    SplitColumn,
    TextColumn,
    TimeColumn,
    Workspace,
    plan_of,
)
from pipeline.words import how_many

if TYPE_CHECKING:
    from pipeline.export import About, Origin

License = Annotated[str | None, typer.Option(help="an identifier such as cc-by-4.0, or a URL; else unknown")]
Languages = Annotated[
    list[str] | None, typer.Option("--language", help="ISO code such as en; repeat as needed")
]
PrettyName = Annotated[str | None, typer.Option(help="the dataset's name; that of DIR by default")]
Creators = Annotated[
    list[str] | None, typer.Option("--annotations-creators", help="found, crowdsourced, expert-generated ...")
]
Sources = Annotated[list[str] | None, typer.Option("--source-datasets", help="original, or extended|NAME")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="repeat as needed")]
Version = Annotated[str | None, typer.Option("--dataset-version", help="three numbers such as 1.0.0")]
Published = Annotated[str | None, typer.Option(help="date of publication, YYYY-MM-DD")]
Citation = Annotated[str | None, typer.Option(help="how to cite the dataset")]
Layout = Annotated[
    str, typer.Option(help="parquet; or imagefolder: the pictures as files, with a metadata.csv, no card")
]
Url = Annotated[str | None, typer.Option(help="where the dataset is to be found")]

export = typer.Typer(no_args_is_help=True, help="Write a dataset as others read it; nothing is uploaded.")


def register(app: typer.Typer) -> None:
    """Add `assay export`."""
    app.add_typer(export, name="export")


@export.command()
def hf(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new or an empty folder")],
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="a file or folder; else a run's curated data")
    ] = None,
    run: Annotated[int | None, typer.Option(help="the newest run by default")] = None,
    snapshot: Annotated[str | None, typer.Option(metavar="FP", help="fingerprint, or its beginning")] = None,
    workspace: Workspace = DEFAULT_WORKSPACE, license: License = None, language: Languages = None,
    pretty_name: PrettyName = None, annotations_creators: Creators = None, source_datasets: Sources = None,
    tags: Tags = None, dataset_version: Version = None, published: Published = None,
    citation: Citation = None, url: Url = None, text_column: TextColumn = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None, split_column: SplitColumn = None, group_column: GroupColumn = None,
    time_column: TimeColumn = None, modality: ModalityName = None, image_column: ImageColumn = None,
    layout: Layout = "parquet", as_json: Json = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Write Parquet shards, a dataset card and croissant.json; `datasets.load_dataset(DIR)` reads them."""
    from pipeline.export import export_hf
    from pipeline.recipe import RecipeError

    about = _about(license=license, language=language, pretty_name=pretty_name, version=dataset_version,
                   annotations_creators=annotations_creators, source_datasets=source_datasets, tags=tags,
                   published=published, citation=citation, url=url)  # fmt: skip
    columns = (text_column, label_column, id_column, split_column, group_column, time_column, modality,
               False, None, None, None, image_column)  # fmt: skip
    origin = origin_of(data, run, snapshot, workspace, columns, quiet)
    if layout not in ("parquet", "imagefolder"):
        raise RecipeError(f"--layout {layout}: choose parquet or imagefolder")
    done = export_hf(origin, folder, about, layout=layout)  # type: ignore[arg-type]
    if not about.licensed and layout == "parquet":
        say("the card says license: unknown (state one with --license)")
    rows = {split.name: split.n_rows for split in done.splits}
    facts = {"folder": str(folder), "rows": rows, "files": [f for s in done.splits for f in s.files],
             "download_bytes": done.download_bytes, "fingerprint": origin.dataset.fingerprint,
             "run": origin.run}  # fmt: skip
    told = ", ".join(f"{n:,} {name}" for name, n in rows.items())
    result(facts, as_json, f"{folder}\n{told}\nload it: datasets.load_dataset({str(folder)!r})")


@export.command()
def croissant(
    place: Annotated[Path, typer.Argument(metavar="FILE_OR_DIR", help="a Parquet file, or a folder of them")],
    run: Annotated[int | None, typer.Option(help="write this run's curated data into DIR first")] = None,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", "-w", help="of the run, the newest if --run names none")
    ] = None,
    license: License = None, language: Languages = None, pretty_name: PrettyName = None, tags: Tags = None,
    dataset_version: Version = None, published: Published = None, citation: Citation = None, url: Url = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Write croissant.json beside Parquet files: JSON-LD that says where the rows are and what they hold."""
    from pipeline.export import describe_files
    from pipeline.outputs import write_data
    from pipeline.recipe import RecipeError

    about = _about(license=license, language=language, pretty_name=pretty_name, tags=tags,
                   version=dataset_version, published=published, citation=citation, url=url)  # fmt: skip
    if run is not None or workspace is not None:
        origin = origin_of(None, run, None, workspace or DEFAULT_WORKSPACE, (), False)
        if place.exists() and not (place.is_dir() and not any(place.iterdir())):
            raise RecipeError(f"{place}: there already (a run's data goes into a new or an empty folder)")
        write_data(place, origin.dataset)
    made = describe_files(place, about)
    result({"croissant": str(made)}, as_json, str(made))


def _about(**stated: Any) -> About:
    """Return what the publisher stated. Raises `RecipeError` naming the option."""
    from pipeline.export import About
    from pipeline.recipe import validated

    kept: About = validated(About, {k: v for k, v in stated.items() if v is not None}, "export")
    return kept


def origin_of(
    data: str | None,
    run: int | None,
    snapshot: str | None,
    workspace: Path,
    columns: tuple[Any, ...],
    quiet: bool,
) -> Origin:
    """Return what is to be exported: DATA, a run's curated data, or a snapshot."""
    from pipeline.export import Origin, of_run, of_snapshot
    from pipeline.recipe import RecipeError
    from pipeline.source import open_plan
    from pipeline.store import NotFound, Store

    if sum(v is not None for v in (data, run, snapshot)) > 1:
        raise RecipeError("name one of DATA, --run and --snapshot")
    if data is None:
        if any(columns):
            raise RecipeError("columns are named for DATA only; a run's data knows its own")
        if not workspace.is_dir():
            raise NotFound(
                f"{workspace}: no workspace there (start one with: assay run RECIPE, or name DATA)"
            )
        store = Store(workspace)
        return of_run(store, run) if snapshot is None else of_snapshot(store, snapshot)
    opened = open_plan(plan_of(data, *columns), 0, Store(workspace))
    log = progress(quiet)
    for line in (*opened.guesses, *opened.notes):
        log(line)
    if opened.quarantine:
        lost = how_many(len(opened.quarantine), "row")
        say(f"{lost} could not be read and not exported; assay audit {data} lists what is wrong")
    return Origin(opened.dataset)
