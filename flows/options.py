"""Options that commands share, and what becomes of them: a data plan and an engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.complete import modalities

if TYPE_CHECKING:
    from pipeline.recipe import Data, Recipe
    from pipeline.signals.engine import Engine

Workspace = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="ASSAY_WORKSPACE", help="where everything is kept")
]
Workers = Annotated[int, typer.Option(min=1, help="processes; never changes a result")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a setting; repeat as needed")
]
Json = Annotated[bool, typer.Option("--json", help="one JSON object on stdout")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress on stderr")]
Seed = Annotated[int, typer.Option(help="of all that is drawn at random")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="folder for the results")]
WhyRerun = Annotated[
    bool, typer.Option("--why-rerun", help="say what has changed since a result was last computed")
]
Redact = Annotated[
    bool, typer.Option("--redact", help="no cell's text or value in the report; counts stay")
]
DataPath = Annotated[
    str,
    typer.Argument(metavar="DATA", help="a CSV, JSONL or Parquet file, a folder, or a recipe"),
]
RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="a TOML file")]
TextColumn = Annotated[str | None, typer.Option(help="guessed and printed when not given")]
ImageColumn = Annotated[
    str | None, typer.Option(help="pictures, or names of their files relative to the data file")
]
LabelColumn = Annotated[str | None, typer.Option(help="guessed and printed when not given")]
LabelDelimiter = Annotated[
    str | None, typer.Option(help="cut a label at this text into a list of classes, e.g. ;")
]
AnnotatorColumns = Annotated[
    str | None, typer.Option(metavar="A,B,...", help="one annotator's class each; their votes are the label")
]
IdColumn = Annotated[str | None, typer.Option(help="a column that names each row")]
SplitColumn = Annotated[str | None, typer.Option(help="a column that says train, validation or test")]
GroupColumn = Annotated[str | None, typer.Option(help="rows of one group stay in one split")]
TimeColumn = Annotated[str | None, typer.Option(help="split by time: the latest rows are held out")]
Encoding = Annotated[str | None, typer.Option(help="of text files, e.g. gb18030; found out when not given")]
ModalityName = Annotated[
    str | None, typer.Option("--modality", help="text, image, tabular ...", autocompletion=modalities)
]


def plan_of(
    path: str, text: str | None, label: str | None, id_: str | None, split_column: str | None,
    group: str | None, time: str | None, modality: str | None, split: bool = False,
    encoding: str | None = None, label_delimiter: str | None = None, annotators: str | None = None,
    image: str | None = None,
) -> Data:  # fmt: skip
    """Return the data plan of a command that takes DATA; splits are made only where training needs them.

    A recipe's data are read as it says, sources, maps and splits included; nothing can be named beside it.
    Raises `pipeline.ingest.InputError` and `pipeline.recipe.RecipeError`.
    """
    from pipeline.ingest.source import InputError, in_utf8
    from pipeline.recipe import Data, RecipeError, load_recipe, validated

    if in_utf8(path) != path:
        raise InputError(f"{in_utf8(path)}: the name is not UTF-8 (rename the file)")
    if path.endswith(".toml"):
        names = (text, label, id_, split_column, group, time, modality, encoding, label_delimiter, annotators,
                 image)  # fmt: skip
        if any(names):
            raise RecipeError(f"{path}: columns, modality and encoding are named in the recipe's [data]")
        return load_recipe(path).data
    made: dict[str, Any] = {} if split else {"test_fraction": 0.0, "validation_fraction": 0.0}
    given = {
        "path": path, "text": text, "label": label, "id": id_, "split": split_column, "group": group,
        "time": time, "modality": modality, "encoding": encoding, "label_delimiter": label_delimiter,
        "annotators": [c.strip() for c in (annotators or "").split(",") if c.strip()], "image": image, **made,
    }  # fmt: skip
    plan: Data = validated(Data, given, "data")
    return plan


def default_out(stage: str, data: str) -> Path:
    """Return the folder for results when none is given; names at the limit of the file system are cut."""
    stem = Path(data).stem.encode()[:200].decode("utf-8", "ignore")
    return Path("assay-out") / f"{stage}-{stem}"


def engine_of(
    workspace: Path, workers: int, log: Callable[[str], None], recipe: Recipe | None = None
) -> Engine:
    """Return the engine of a command, its cache in the workspace, signals set as a recipe says."""
    from pipeline.signals.engine import Engine
    from pipeline.store import Store

    return Engine(recipe.signals if recipe else None, cache=Store(workspace), workers=workers, log=log)
