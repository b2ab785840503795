"""Stage: frozen settings plus one pure method that proposes and never edits."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field, PrivateAttr

from pipeline.dataset import Dataset
from pipeline.findings import Action, Findings
from pipeline.named_files import key_settings, read_digests

if TYPE_CHECKING:
    from pipeline.modalities import Modality
    from pipeline.signals.engine import Signals

# The order a recipe must keep: people's decisions lead. `fitness` is not in it, it may stand anywhere.
ORDER = (
    "review", "clean", "cells", "quality", "duplicates", "label_noise", "anomalies", "select", "rebalance",
    "augment",
)  # fmt: skip


class NotApplicable(Exception):
    """A stage or signal cannot say anything about this dataset; the reason is recorded and shown."""


class Missing(NotApplicable):
    """A package or bundled model is not installed: true of today only, so it is not read back another day."""


class Stage(BaseModel, frozen=True, extra="forbid"):
    """What every stage is.

    Three outcomes and no fourth: `find` returns Findings, raises `NotApplicable(why)`, or raises
    anything else and the run stops. It sees ingested rows only, never rows made by a stage.

    touches : whose rows `apply` lets it change. "all" permits only `set` of content and metadata cells.
    actions : the verbs it can use; the contract suite holds it to them.
    rebuilt : its edits are made anew each round and are never input to a later round.
    policy : issues whose edits are hygiene, applied as policy and never called proved to help.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    touches: ClassVar[Literal["train", "all", "human"]] = "train"
    actions: ClassVar[tuple[Action, ...]] = ("flag",)
    rebuilt: ClassVar[bool] = False
    policy: ClassVar[tuple[str, ...]] = ()

    options: Any = Field(
        default=None, description="settings of this stage that belong to one modality, e.g. [stages.text]"
    )

    _digests: dict[str, str] = PrivateAttr(default_factory=dict)  # of named files, as first seen

    def model_post_init(self, context: Any) -> None:
        """Take the digests of the files that the settings name."""
        self._digests.update(read_digests(self))

    @property
    def key_settings(self) -> dict[str, Any]:
        """All settings as plain values, for keys: the files that they name stand there by their content."""
        return key_settings(self, self._digests)

    def signals_for(self, kind: Modality) -> tuple[str, ...]:
        """Return the signals that it reads for one modality: `needs`, unless it asks the modality."""
        return self.needs

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Say what is wrong with `data` and what to do about it. Pure: same input, same answer."""
        raise TypeError(f"{type(self).__name__} has no find()")


@cache
def stages() -> dict[str, type[Stage]]:
    """Return every stage by name, found by the name of its file in `pipeline/stages/`.

    Raises `TypeError` when a file holds no stage of its own name or two share one.
    """
    import pipeline.stages as package

    found: dict[str, type[Stage]] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        own = [
            c
            for c in vars(module).values()
            if isinstance(c, type) and issubclass(c, Stage) and c.__module__ == module.__name__
        ]
        if len(own) != 1 or own[0].name != info.name:
            raise TypeError(
                f"{module.__name__} must hold one Stage named {info.name!r}, has {[c.name for c in own]}"
            )
        found[info.name] = own[0]
    return {name: found[name] for name in sorted(found, key=_rank)}


def _rank(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)
