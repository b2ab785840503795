"""Signals: what is heavy, computed once and shared. One signal a file.

A signal is a columnar table keyed by row. `row` signals are a function of the row's content and are cached
per content; `global` signals look at rows together and are keyed by the columns they read.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pyarrow as pa
from pydantic import BaseModel

from pipeline.dataset import Dataset

if TYPE_CHECKING:
    from pipeline.signals.engine import Engine


class Signal(BaseModel, frozen=True, extra="forbid"):
    """Frozen settings plus one pure method. The class sits in `pipeline/signals/<name>.py`.

    kind : "row" tables are cached per content, "global" ones by the digest of what they read.
    needs : other signals, handed to `compute` by name as the arrays that their `read` gives.
    reads : roles and columns that a global signal depends on besides the content: "label", "split", "group",
        "weight", "order" ...; row ids always count.
    code : further modules whose source is part of its key.
    fits : a row signal that needs the modality's fitted state, whose digest then enters its key.
    """

    name: ClassVar[str]
    kind: ClassVar[Literal["row", "global"]]
    needs: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = ()
    fits: ClassVar[bool] = False
    code: ClassVar[tuple[str, ...]] = ()

    def compute(self, data: Dataset, given: Mapping[str, Any], engine: Engine) -> pa.Table:
        """Return the table: for `row` signals one line for each row of `data`, in its order."""
        raise TypeError(f"{type(self).__name__} has no compute()")

    def read(self, table: pa.Table) -> Any:
        """Return the table in the form that stages use, arrays in the order of the dataset's rows."""
        return table


@cache
def signals() -> dict[str, type[Signal]]:
    """Return every signal by name. Raises `TypeError` when a file holds no signal of its own name."""
    found: dict[str, type[Signal]] = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{__name__}.{info.name}")
        own = [
            c
            for c in vars(module).values()
            if isinstance(c, type) and issubclass(c, Signal) and c.__module__ == module.__name__
        ]
        if info.name == "engine":
            continue
        if len(own) != 1 or own[0].name != info.name:
            raise TypeError(f"{module.__name__} must hold one Signal named {info.name!r}")
        found[info.name] = own[0]
    return found
