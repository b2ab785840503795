"""run_stage and curate: what the command line and the flows both call."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pipeline.apply import apply
from pipeline.code import code_parts
from pipeline.dataset import Dataset
from pipeline.files import Corrupt
from pipeline.findings import Findings
from pipeline.keys import Key
from pipeline.modalities import code_of, modality
from pipeline.progress import counted
from pipeline.recipe import with_options
from pipeline.review.veto import NO_VETOES, Vetoes
from pipeline.signals.engine import Engine
from pipeline.stage import Missing, NotApplicable, Stage
from pipeline.store import Store
from pipeline.upkeep import keep_again
from pipeline.words import how_many

T = TypeVar("T")
MISSING = "-missing"  # ends the key of a step that was skipped for want of a package: it is never read back


class Call(Protocol):
    """How a step is carried out: directly, or wrapped as a Prefect task. `name` is for people to read."""

    def __call__(self, name: str, function: Callable[..., T], *args: Any) -> T:
        """Return function(*args)."""
        ...


def directly(name: str, function: Callable[..., T], *args: Any) -> T:
    """Carry a step out here and now."""
    return function(*args)


@dataclass(frozen=True, eq=False)
class Step:
    """One stage carried out on one dataset; `key` is the name under which the store keeps what it found."""

    stage: Stage
    key: str
    findings: Findings
    before: Dataset
    after: Dataset
    skipped: str | None
    seconds: float
    cached: bool

    def __repr__(self) -> str:
        """Say what the stage did in one line."""
        counts = ", ".join(f"{sum(by.values()):,} {issue}" for issue, by in self.findings.counts().items())
        done = f"skipped: {self.skipped}" if self.skipped else counts or "nothing found"
        rows = f"{self.before.n_rows:,} -> {how_many(self.after.n_rows, 'row')}"
        return f"Step({self.stage.name}: {rows}, {done})"

    @property
    def facts(self) -> dict[str, Any]:
        """The step in numbers, for ledgers and reports: rows in + added = rows out + dropped.

        `changed` and `flagged` count rows; findings about columns are counted apart.
        """
        edits = self.findings.edits
        actions = edits["action"].to_pylist()
        rows = edits["row_id"].to_pylist()
        n_added = actions.count("add")
        n_dropped = self.before.n_rows + n_added - self.after.n_rows
        pairs = set(zip(rows, actions, strict=True))
        by = {a: sum(r is not None and b == a for r, b in pairs) for a in ("set", "flag")}
        columns = {c for c, r in zip(edits["column"].to_pylist(), rows, strict=True) if r is None} - {None}
        settings = json.loads(self.stage.model_dump_json(exclude_none=True))
        return {
            "stage": self.stage.name, "rebuilt": self.stage.rebuilt, "skipped": self.skipped,
            "settings": settings,
            "rows_in": self.before.n_rows, "dropped": n_dropped, "added": n_added, "changed": by["set"],
            "flagged": by["flag"], "columns_flagged": len(columns), "rows_out": self.after.n_rows,
            "issues": self.findings.counts(), "metrics": self.findings.metrics,
            "before": self.before.fingerprint, "after": self.after.fingerprint,
        }  # fmt: skip


def run_stage(
    data: Dataset,
    stage: Stage,
    engine: Engine | None = None,
    store: Store | None = None,
    vetoes: Vetoes = NO_VETOES,
) -> Step:
    """Find and apply, less what people vetoed.

    With a store, a step that was done before is read back and nothing is computed.
    Only `NotApplicable` is caught; it is recorded as *skipped: why*.
    """
    engine = engine or Engine()
    stage = with_options(stage, data.modality)
    key = step_key(data, stage, engine, vetoes)
    started = time.perf_counter()
    if store and (known := store.load_step(key.digest)):
        findings, facts = known
        after = data if facts["after"] == data.fingerprint else _left_by(store, stage, data, findings, facts)
        seconds = time.perf_counter() - started
        return Step(stage, key.digest, findings, data, after, facts["skipped"], seconds, cached=True)
    if store:
        store.explain("steps", key)
    skipped, name = None, key.digest
    try:
        findings = stage.find(data.roots, engine.signals(data))
    except NotApplicable as why:
        findings, skipped = Findings.of(stage.name), str(why)
        if isinstance(why, Missing):
            name += MISSING
    findings = vetoes.over(stage.name, _without_rows_made_before(data, findings), data.roles.label)
    after = apply(data, findings, stage.touches)
    seconds = time.perf_counter() - started
    step = Step(stage, name, findings, data, after, skipped, seconds, cached=False)
    if store:
        store.save(after)
        store.save_step(name, findings, step.facts, key)
    return step


def _left_by(
    store: Store, stage: Stage, data: Dataset, findings: Findings, facts: Mapping[str, Any]
) -> Dataset:
    """Return the snapshot that a known step left, made again where its files are gone or damaged."""
    try:
        return store.load(facts["after"])
    except Corrupt:
        after = apply(data, findings, stage.touches)
        keep_again(store, after)
        return after


def _without_rows_made_before(data: Dataset, findings: Findings) -> Findings:
    """Return the findings less the rows that the same stage with the same settings has added already."""
    if findings.added is None:
        return findings
    pairs = zip(findings.edits["row_id"].to_pylist(), findings.edits["action"].to_pylist(), strict=True)
    return findings.keep([action != "add" or row_id not in data.position for row_id, action in pairs])


def step_key(data: Dataset, stage: Stage, engine: Engine, vetoes: Vetoes = NO_VETOES) -> Key:
    """Return all that a step depends on: stage, settings, data, signals, vetoes, code."""
    signals = engine.signals(data)
    kind = modality(data.modality)
    code = (type(stage).__module__, *code_of(kind), "pipeline.slices", "pipeline.review",
            "pipeline.contamination", "pipeline.twins")  # fmt: skip
    return Key(stage.name, {
        "settings": stage.key_settings, "data": data.fingerprint, "vetoes": vetoes.digest,
        "signals": {name: signals.parts(name) for name in stage.signals_for(kind)}, "code": code_parts(*code),
    })  # fmt: skip


def curate(
    data: Dataset,
    stages: Iterable[Stage],
    engine: Engine | None = None,
    store: Store | None = None,
    call: Call = directly,
) -> list[Step]:
    """Run stages one after the other, each on what the previous one left; people's vetoes hold."""
    steps: list[Step] = []
    vetoes, wanted = NO_VETOES, list(stages)
    for stage in counted("stages", wanted, len(wanted)):
        before = steps[-1].after if steps else data
        steps.append(call(stage.name, run_stage, before, stage, engine, store, vetoes))
        vetoes = vetoes.and_of(steps[-1].findings) if stage.touches == "human" else vetoes
    return steps


def replay(root: Dataset, accepted: Sequence[Step], rebuilt: bool = False) -> Dataset:
    """Apply accepted edits to the root snapshot again, in order.

    Without `rebuilt`, edits of stages that are made anew each round (select, rebalance, augment) are left
    out.
    """
    data = root
    for step in accepted:
        if rebuilt or not step.stage.rebuilt:
            data = apply(data, step.findings, step.stage.touches)
    return data


def policy_only(step: Step) -> Findings:
    """Return the step's findings without the edits that must earn their place; hygiene and flags stay."""
    edits = step.findings.edits
    pairs = zip(edits["issue"].to_pylist(), edits["action"].to_pylist(), strict=True)
    return step.findings.keep([action == "flag" or issue in step.stage.policy for issue, action in pairs])
