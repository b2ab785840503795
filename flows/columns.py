"""DATA and its columns: the options that every command shares which reads a dataset.

A command takes them as one argument, `reading: Reading`, and `spread` shows Typer the fields.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from flows.options import (
    AnnotatorColumns,
    DataPath,
    Encoding,
    GroupColumn,
    IdColumn,
    ImageColumn,
    LabelColumn,
    LabelDelimiter,
    ModalityName,
    SplitColumn,
    TextColumn,
    TimeColumn,
    default_out,
    plan_of,
)

if TYPE_CHECKING:
    from pipeline.recipe import Data, Recipe


@dataclass(frozen=True)
class Reading:
    """What to read, as the command line says it. The fields are the options, in the order of the help."""

    data: DataPath
    text_column: TextColumn = None
    label_column: LabelColumn = None
    id_column: IdColumn = None
    split_column: SplitColumn = None
    group_column: GroupColumn = None
    time_column: TimeColumn = None
    modality: ModalityName = None
    encoding: Encoding = None
    label_delimiter: LabelDelimiter = None
    annotator_columns: AnnotatorColumns = None
    image_column: ImageColumn = None

    def recipe(self) -> Recipe | None:
        """Return the recipe that DATA is, whose settings then hold; None where DATA is data."""
        from pipeline.recipe import load_recipe

        return load_recipe(self.data) if self.data.endswith(".toml") else None

    def plan(self, split: bool = False) -> Data:
        """Return the data plan; `split` where the command needs splits, which are made if there are none."""
        return plan_of(
            self.data, self.text_column, self.label_column, self.id_column, self.split_column,
            self.group_column, self.time_column, self.modality, split, self.encoding, self.label_delimiter,
            self.annotator_columns, self.image_column,
        )  # fmt: skip

    def out(self, given: Path | None, kind: str) -> Path:
        """Return the folder for the results: the given one, or one named after the command and the data."""
        return given or default_out(kind, self.data)


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the fields of each dataclass argument as parameters of its own.

    >>> @dataclass
    ... class Size:
    ...     rows: int
    ...     columns: int = 2
    >>> @spread
    ... def shape(size: Size, name: str = "t") -> None:
    ...     print(name, size)
    >>> inspect.signature(shape)
    <Signature (*, rows: int, columns: int = 2, name: str = 't') -> None>
    >>> shape(rows=3)
    t Size(rows=3, columns=2)
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in inspect.signature(command).parameters.values():
        kind = hints[parameter.name]
        if is_dataclass(kind):
            groups[parameter.name] = kind
            own = get_type_hints(kind, include_extras=True)
            parameters += [_parameter(f.name, own[f.name], f.default) for f in fields(kind)]
        else:
            parameters.append(_parameter(parameter.name, kind, parameter.default))

    @wraps(command)
    def called(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{f.name: given.pop(f.name) for f in fields(kind) if f.name in given})
        command(**given)

    del called.__wrapped__  # type: ignore[attr-defined]  # else Typer would read the command's own signature
    called.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    called.__signature__ = inspect.Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]
    return called


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    absent = default in (MISSING, inspect.Parameter.empty)
    kept = inspect.Parameter.empty if absent else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=kept, annotation=annotation)
