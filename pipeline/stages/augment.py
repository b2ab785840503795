"""New train rows: label-preserving variations of rare, weak or all rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import compress
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, Field

from pipeline.abilities import VariesWithinClass
from pipeline.apply import make_children
from pipeline.dataset import PARENTS, ROW_ID, Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.hashing import cell_json
from pipeline.label_check import flips
from pipeline.labels import as_named, classes_in
from pipeline.modalities import modality
from pipeline.signals.engine import Signals, batches
from pipeline.slices import mask
from pipeline.stage import Missing, NotApplicable, Stage


class Augment(Stage, frozen=True):
    """Children of train rows; each names its parent and how it was made.

    rare: a class with n_c rows gets up to n_max / 2 - n_c children, at most `per_row` a row; where labels are
    lists a child counts for every class it names, the rarest classes first. `focus` rows get `per_row`
    children each whatever their class. A child equal to its parent or to another row is not made; with
    `check_label` neither is one that lost its parent's label (see `pipeline.label_check`).
    The randomness of a child is a function of (seed, parent, k) alone. Cost: O(children).
    """

    name = "augment"
    needs: ClassVar[tuple[str, ...]] = ("measures", "embeddings")
    actions: ClassVar[tuple[Action, ...]] = ("add",)
    rebuilt: ClassVar[bool] = True

    target: Literal["rare", "focus", "all"] = Field(
        "rare", description="whose children: rare classes, focus only, everyone"
    )
    per_row: int = Field(1, ge=1, le=20, description="most children of one row")
    focus: tuple[str, ...] = Field(
        (), description="slices that get children, set by the evaluation of the last round"
    )
    check_label: bool = Field(True, description="leave out children that no longer look like their label")
    seed: int = 0

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Make the children."""
        wanted = self._wanted(data, signals)
        if not wanted:
            raise NotApplicable(f"target={self.target}: no class is rare and no slice is in focus")
        cells = data.content.take(list(wanted)).to_pylist()
        of_class = self._classes(data, signals)
        jobs = [
            _Child(data.modality, row, data.ids[i], k, self.seed, self.options, *of_class(i))
            for i, row in zip(wanted, cells, strict=True)
            for k in range(wanted[i][0])
        ]
        made = [
            c for part in signals.engine.map(_make, [jobs[b] for b in batches(len(jobs), 64)]) for c in part
        ]
        seen = {cell_json(row) for row in data.content.to_pylist()}
        rows, how = [], []
        for job, (child, words) in zip(jobs, made, strict=True):
            if (key := cell_json(child)) not in seen:
                seen.add(key)
                rows.append({PARENTS: [job.parent], **child})
                how.append(words)
        if not rows:
            raise NotApplicable("every child equals a row that is already there")
        added = make_children(data, rows, self.name, self.model_dump_json())
        lost, unchecked = self._lost(data, signals, added)
        added = added.filter(pa.array(~lost))
        edits = [
            Edit(
                row_id,
                "augmented",
                1.0,
                "add",
                f"{words}; {wanted[data.position[row[PARENTS][0]]][1]}",
                related=row[PARENTS],
            )
            for row_id, row, words in zip(
                added[ROW_ID].to_pylist(), compress(rows, ~lost), compress(how, ~lost), strict=True
            )
        ]
        return Findings.of(
            self.name,
            edits,
            added=added,
            metrics={"children": added.num_rows, "equal_to_a_row": len(jobs) - len(rows),
                     "lost_their_label": int(lost.sum()), "label_unchecked": unchecked},
        )  # fmt: skip

    def _classes(self, data: Dataset, signals: Signals) -> Callable[[int], tuple[str, dict[str, Any]]]:
        """Return what tells a row's label and what variations within it need to know, where they need it."""
        kind = signals.modality
        if not isinstance(kind, VariesWithinClass) or data.roles.label is None:
            return lambda row: ("", {})
        labels = np.array([as_named(label) for label in data.labels], dtype=object)
        train = data.content.filter(pa.array(data.is_train))
        state = kind.fit_variation(train, labels[data.is_train])
        return lambda row: (labels[row], {labels[row]: state[labels[row]]})

    def _lost(self, data: Dataset, signals: Signals, added: pa.Table) -> tuple[np.ndarray, str]:
        """(m,) bool: which children lost their label; and why it was not checked, or ""."""
        if not self.check_label:
            return np.zeros(added.num_rows, dtype=bool), "check_label is off"
        try:
            return flips(data, signals, added)
        except Missing:
            raise  # another day the encoder may be there, so this is not kept as an answer
        except NotApplicable as why:
            return np.zeros(added.num_rows, dtype=bool), str(why)

    def _wanted(self, data: Dataset, signals: Signals) -> dict[int, tuple[int, str]]:
        """Return how many children each row gets and why, by position."""
        train = np.flatnonzero(data.is_train)
        names = {int(i): sorted(map(cell_json, classes_in(data.labels[i]))) for i in train}
        counts = Counter(name for named in names.values() for name in named)
        wanted: dict[int, tuple[int, str]] = {}
        if self.target == "all":
            wanted = {i: (self.per_row, "every row has children") for i in names}
        elif self.target == "rare" and data.roles.label:
            wanted = self._rare(data, names, counts)
        for slice_name in self.focus:
            in_focus = mask(slice_name, data, signals["measures"]) & data.is_train
            for i in map(int, np.flatnonzero(in_focus)):
                wanted[i] = (self.per_row, f"slice {slice_name} was weak in the last evaluation")
        return dict(sorted(wanted.items()))


    def _rare(
        self, data: Dataset, names: Mapping[int, list[str]], counts: Counter[str]
    ) -> dict[int, tuple[int, str]]:
        """Share each rare class's children among its rows that have none yet, the rarest class first."""
        most = max(counts.values(), default=0)
        wanted: dict[int, tuple[int, str]] = {}
        for name, n in sorted(counts.items(), key=lambda c: (c[1], c[0])):
            of_class = [i for i, named in names.items() if name in named]
            made = sum(wanted[i][0] for i in of_class if i in wanted)
            free = [i for i in of_class if i not in wanted]
            room = min(most // 2 - n - made, self.per_row * len(free))
            members = sorted(free, key=lambda i: _seed(self.seed, str(data.ids[i]), -1))
            for rank, i in enumerate(members):
                share = room // len(free) + (rank < room % len(free)) if room > 0 else 0
                if share:
                    wanted[i] = (share, f"class {name} has {n} rows, the largest {most}")
        return wanted


class _Child(NamedTuple):
    modality: str
    cells: Mapping[str, Any]
    parent: str
    k: int
    seed: int
    options: BaseModel | None
    label: str
    state: Mapping[str, Any]


def _make(jobs: list[_Child]) -> list[tuple[dict[str, Any], str]]:
    return [_child(job) for job in jobs]


def _child(job: _Child) -> tuple[dict[str, Any], str]:
    kind, seed = modality(job.modality), _seed(job.seed, job.parent, job.k)
    if job.state and isinstance(kind, VariesWithinClass):
        return kind.vary(job.cells, job.label, seed, job.options, job.state)
    return kind.perturb(job.cells, seed, job.options)


def _seed(seed: int, row_id: str, k: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}\0{row_id}\0{k}".encode(), digest_size=4).digest(), "big")
