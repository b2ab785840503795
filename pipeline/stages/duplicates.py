"""Exact and near copies, leaks between splits and into benchmarks, rows that contradict each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.abilities import Clash, FindsClashes, RanksCopies
from pipeline.contamination import contaminated
from pipeline.dataset import Dataset
from pipeline.findings import Action, Edit, Findings
from pipeline.labels import as_named
from pipeline.modalities import Modality
from pipeline.named_files import NamedFile
from pipeline.signals.engine import Signals
from pipeline.stage import Stage
from pipeline.twins import Twins


class Duplicates(Stage, frozen=True):
    """Rows that repeat another row.

    Two rows are exact copies when their modality's identity is the same, near copies when their similarity
    (text: Jaccard, of word 3-grams) is at least `threshold`, by default the modality's `near_copy`. In order
    of merit where the modality knows one (pictures: pixels), then of row id, a row is kept unless it copies a
    kept one, so every dropped row names a kept twin. A train row
    that copies a held-out row is a leak and goes. score(i) = 1 - similarity to its most similar twin.
    Where the modality knows what a row asks and answers (instruction pairs), train rows that ask the same and
    answer otherwise are flagged as a contradiction. With a `benchmark`, train rows that hold one of its rows
    are contaminated and go. Broder, SEQUENCES 1997. Cost: that of `pairs`.
    """

    name = "duplicates"
    needs: ClassVar[tuple[str, ...]] = ("pairs",)
    actions: ClassVar[tuple[Action, ...]] = ("flag", "drop")
    policy: ClassVar[tuple[str, ...]] = ("exact_duplicate", "leakage", "contaminated")

    threshold: float | None = Field(
        None, gt=0.4, le=1, description="similarity at or above which rows are near copies; none: its own"
    )
    exact: Literal["drop", "flag"] = Field("drop", description="what to do with exact copies in train")
    near: Literal["drop", "flag"] = Field("drop", description="what to do with near copies in train")
    leakage: Literal["drop", "flag"] = Field(
        "drop", description="what to do with train rows that copy a held-out row"
    )
    conflicting: Literal["flag", "drop"] = Field(
        "flag", description="copies with different labels: flag both, or drop those outvoted in their group"
    )
    benchmark: Annotated[Path | None, NamedFile()] = Field(
        None, description="a file of benchmark rows that train must not hold"
    )
    benchmark_share: float = Field(
        0.5, gt=0, le=1, description="share of a benchmark text's word 8-grams that make a row contaminated"
    )
    contamination: Literal["drop", "flag"] = Field("drop", description="what to do with contaminated rows")

    def signals_for(self, kind: Modality) -> tuple[str, ...]:
        """Pairs, and what the modality compares answers by."""
        return (*self.needs, *(kind.clash_signals if isinstance(kind, FindsClashes) else ()))

    def find(self, data: Dataset, signals: Signals) -> Findings:
        """Name each copy, its twin and what to do."""
        identity = signals.modality.identity(data.content)
        labels = np.array([as_named(label) for label in data.labels], dtype=object)
        threshold = signals.modality.near_copy if self.threshold is None else self.threshold
        twins = Twins(identity, data.is_train, signals["pairs"], threshold)
        edits = [*self._leaks(data, identity, twins), *_held_out_copies(data, identity)]
        held = self._contaminated(data, signals.modality, threshold)
        edits += held
        leaked = {e.row_id for e in edits if e.action == "drop"}
        order = _order(data, signals.modality, twins)
        edits += self._copies(data, identity, labels, twins, order, leaked)
        exact, near = _scores(identity, twins.near, data.n_rows)
        scores = [("exact_duplicate", data.ids, exact), ("near_duplicate", data.ids, near)]
        if self.benchmark:
            scores.append(("contaminated", data.ids, _lowest(data, held)))
        if isinstance(kind := signals.modality, FindsClashes):
            gone = {e.row_id for e in edits if e.action == "drop"}
            found = kind.clashes(data.content, data.is_train, signals, self.options)
            against = list(_contradictions(data, found))
            scores.append(("contradiction", data.ids, _lowest(data, against)))
            edits += [e for e in against if e.row_id not in gone]
        return Findings.of(self.name, edits, scores)

    def _contaminated(self, data: Dataset, kind: Modality, threshold: float) -> list[Edit]:
        if self.benchmark is None:
            return []
        found = contaminated(data, kind, self.benchmark, threshold, self.benchmark_share)
        return [
            Edit(data.ids[m.row], "contaminated", 1 - m.similarity, self.contamination, m.because)
            for m in found
        ]

    def _leaks(self, data: Dataset, identity: np.ndarray, twins: Twins) -> Iterator[Edit]:
        for i in map(int, np.flatnonzero(data.is_train)):
            held_out = {j: s for j, s in twins.of(i).items() if not data.is_train[j]}
            if held_out:
                j = max(held_out, key=lambda j: (held_out[j], -j))
                yield Edit(
                    data.ids[i],
                    "leakage",
                    1 - held_out[j],
                    self.leakage,
                    f"{_how(identity, i, j, held_out[j])} of {data.splits[j]} row {data.ids[j]}",
                    related=[data.ids[j] for j in sorted(held_out)][:5],
                )

    def _copies(
        self,
        data: Dataset,
        identity: np.ndarray,
        labels: np.ndarray,
        twins: Twins,
        order: np.ndarray,
        gone: set[str | None],
    ) -> Iterator[Edit]:
        """Walk the train rows in order; a row that copies a kept one, or one equal to it, is a copy of it."""
        kept: dict[int, list[int]] = {}  # of each head, the rows that equal it and are kept
        for i in map(int, order):
            if data.ids[i] in gone:
                continue
            near = {j: s for j, s in twins.of(i).items() if data.is_train[j] and data.ids[j] not in gone}
            links = {int(twins.head[j]): s for j, s in sorted(near.items(), key=lambda at: at[1])}
            links[int(twins.head[i])] = 1.0
            copied = {j: s for head, s in links.items() for j in kept.get(head, ())}
            before = {j: s for j, s in copied.items() if labels[j] == labels[i]}
            rivals = {j: s for j, s in near.items() if labels[j] != labels[i]}
            if rivals:
                edit = self._conflict(data, labels, i, near, rivals)
                yield edit
                if edit.action == "drop":
                    continue
            if before and not (rivals and self.conflicting == "flag"):
                j = max(before, key=lambda j: (before[j], -j))
                same = identity[i] == identity[j]
                yield Edit(
                    data.ids[i],
                    "exact_duplicate" if same else "near_duplicate",
                    1 - before[j],
                    self.exact if same else self.near,
                    f"{_how(identity, i, j, before[j])} of row {data.ids[j]}, which is kept",
                    related=[data.ids[j]],
                )
            else:
                kept.setdefault(int(twins.head[i]), []).append(i)

    def _conflict(
        self, data: Dataset, labels: np.ndarray, i: int, near: dict[int, float], rivals: dict[int, float]
    ) -> Edit:
        votes = Counter(labels[j] for j in (i, *near))
        outvoted = votes[labels[i]] < max(votes.values())
        best = max(rivals, key=lambda j: (rivals[j], -j))
        return Edit(
            data.ids[i],
            "conflicting_labels",
            votes[labels[i]] / sum(votes.values()) if outvoted else 0.5,
            "drop" if outvoted and self.conflicting == "drop" else "flag",
            f"labelled {labels[i]}, but its copy {data.ids[best]} (similarity {rivals[best]:.2f}) is "
            f"labelled {labels[best]}",
            related=[data.ids[j] for j in sorted(rivals)][:5],
        )


def _order(data: Dataset, kind: Modality, twins: Twins) -> np.ndarray:
    """Return the train rows that have a twin, best first."""
    rows = np.array(sorted(i for i in twins.near if data.is_train[i]), np.int64)
    if not isinstance(kind, RanksCopies):
        return rows
    merit = kind.merit(data.content, rows)  # (m, k)
    return rows[np.lexsort((rows, *(-merit).T[::-1]))]


def _held_out_copies(data: Dataset, identity: np.ndarray) -> Iterator[Edit]:
    """Flag held-out rows that exactly repeat an earlier row of their split: they count twice in scores."""
    first: dict[tuple[str, str], int] = {}
    for i in map(int, np.flatnonzero(~data.is_train)):
        key = (data.splits[i], identity[i])
        if not identity[i]:
            continue
        if key in first:
            j = first[key]
            yield Edit(
                data.ids[i],
                "exact_duplicate",
                0.0,
                "flag",
                f"exact copy of {data.splits[j]} row {data.ids[j]}; held-out rows are never dropped",
                related=[data.ids[j]],
            )
        first.setdefault(key, i)


def _contradictions(data: Dataset, found: Sequence[Clash]) -> Iterator[Edit]:
    """Flag both rows of each contradiction, once a row, by the surest."""
    of_row: dict[int, list[tuple[float, int, str]]] = {}
    for clash in found:
        for i, j in ((clash.left, clash.right), (clash.right, clash.left)):
            of_row.setdefault(i, []).append((clash.score, j, clash.because))
    for i, others in sorted(of_row.items()):
        score, j, because = min(others)
        related = [data.ids[k] for k in sorted({k for _, k, _ in others})][:5]
        yield Edit(
            data.ids[i], "contradiction", score, "flag", f"row {data.ids[j]} {because}", related=related
        )


def _lowest(data: Dataset, edits: Sequence[Edit]) -> np.ndarray:
    """(n,) the lowest score of each row, 1 where nothing was found."""
    score = np.ones(data.n_rows)
    for edit in edits:
        if edit.row_id is not None:
            score[data.position[edit.row_id]] = min(edit.score, score[data.position[edit.row_id]])
    return score


def _how(identity: np.ndarray, i: int, j: int, similarity: float) -> str:
    return "exact copy" if identity[i] == identity[j] else f"near copy (similarity {similarity:.2f})"


def _scores(
    identity: np.ndarray, twins: dict[int, dict[int, float]], n: int
) -> tuple[np.ndarray, np.ndarray]:
    exact, near = np.ones(n), np.ones(n)
    for i, others in twins.items():
        near[i] = 1 - max(others.values())
        if any(identity[j] == identity[i] for j in others):
            exact[i] = 0.0
    return exact, near
