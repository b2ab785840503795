"""The loop: find, apply, fine-tune, evaluate, feed back, for a number of rounds.

One code path for the command line and for Prefect: every step goes through `call`, which runs it directly or
as a task. Everything is kept in the store under a key of all it depends on, so the same command goes on where
an interrupted run stopped, and the same run twice computes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from finetune.choose import with_strength
from finetune.compare import effect
from finetune.evaluate import Evaluation
from finetune.feedback import next_stages
from finetune.generation import generates
from finetune.judge import MODEL, Judged, compare_by_probe, compare_judged, judge, learn_signals
from finetune.settings import Training
from pipeline.apply import apply
from pipeline.code import code_digest
from pipeline.dataset import Dataset
from pipeline.given import Given
from pipeline.progress import counted
from pipeline.recipe import Recipe
from pipeline.review.veto import rescored
from pipeline.run import MISSING, Call, Step, curate, directly, policy_only, replay
from pipeline.signals.engine import Engine
from pipeline.source import Opened, open_data
from pipeline.stage import Stage, stages
from pipeline.store import Store


@dataclass
class Round:
    """One turn of the loop, and what became of it."""

    number: int
    stages: tuple[Stage, ...]
    changes: list[str]
    steps: list[Step]
    comparison: dict[str, Any] = field(default_factory=dict)
    accepted: bool = True
    because: str = ""
    judged: Judged | None = None

    @property
    def curated(self) -> Dataset:
        """What the round's stages left."""
        return self.steps[-1].after


@dataclass
class Outcome:
    """All that a run found, did and measured.

    applied : the steps, by round, that made `curated` of the root.
    """

    recipe: Recipe
    training: Training
    opened: Opened
    rounds: list[Round]
    curated: Dataset
    applied: list[tuple[int, Step]]
    final: dict[str, Any]
    model_folder: Path
    key: str


def improve(
    recipe: Recipe,
    store: Store,
    engine: Engine,
    call: Call = directly,
    blank_evaluation: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Run all rounds of a recipe and return what happened.

    Each round starts from the root snapshot plus the accepted edits; its stages' settings come from the
    recipe and from the evaluation of the round before. A round shown to be harmful on validation keeps only
    its policy edits. Held-out labels that people corrected hold for raw too. The test split is scored once,
    at the end, for raw and curated.

    blank_evaluation : hide the evaluation from the next round; what the loop's own tests compare with.
    """
    training = Training(**recipe.train)
    opened = call("ingest", open_data, recipe, store)
    root = opened.dataset
    log("raw: choosing the settings on the data as it came")
    training = call("choose settings on raw", with_strength, root, training, engine)
    # no probe answers a conversation: there the rounds are judged by the training itself
    screen = training if generates(root) else training.model_copy(update={"method": "probe"})
    accepted: list[tuple[int, Step]] = []
    applied: list[tuple[int, Step]] = []
    rounds: list[Round] = []
    evaluation: Evaluation | None = None
    learnt: Given | None = None
    curated = root
    for number in counted("rounds", range(1, recipe.loop.rounds + 1), recipe.loop.rounds):
        wanted, changes = next_stages(wanted_stages(recipe), evaluation)
        changes += _readers(wanted, learnt)
        for line in changes:
            log(f"round {number}: {line}")
        base = replay(root, [step for _, step in accepted])
        steps = curate(base, wanted, engine, store, call)
        raw = rescored(root, [*(step for _, step in accepted), *steps])
        turn = Round(number, tuple(wanted), changes, steps)
        rounds.append(turn)
        log(f"round {number}: training and evaluating {turn.curated.n_rows:,} rows")
        turn.judged = call(
            f"evaluate round {number}", judge, turn.curated, screen, engine, store, recipe.seed
        )
        turn.comparison = call(
            f"compare round {number}", compare_by_probe, raw, turn.curated, screen, engine, store,
            "validation", recipe.loop.replicates, recipe.seed,
        )  # fmt: skip
        turn.accepted, turn.because = _verdict(turn.comparison, recipe)
        log(f"round {number}: {turn.because}")
        stands = steps if turn.accepted else _hygiene(base, steps)
        applied = [*accepted, *((number, step) for step in stands)]
        accepted = [(n, step) for n, step in applied if not step.stage.rebuilt]
        curated = stands[-1].after if stands else base
        if not blank_evaluation:
            evaluation = turn.judged.evaluation
            name = f"cross-fit round {number}"
            learnt = call(name, learn_signals, _learnable(base, steps), screen, engine, store, recipe.seed)
            if learnt is not None:
                engine.bring(learnt)
    log(f"scoring the test split once: raw and curated, {training.method}")
    raw = rescored(root, [step for _, step in applied])
    final = call("final", _final, raw, curated, training, screen, engine, store, recipe)
    folder, key = Path(final["model_folder"]), run_key(recipe, root)
    if any(step.key.endswith(MISSING) for turn in rounds for step in turn.steps):
        key += MISSING
    return Outcome(recipe, training, opened, rounds, curated, applied, final, folder, key)


def _learnable(base: Dataset, steps: Sequence[Step]) -> Dataset:
    """Return the curated rows with those that a budget left out, which the next round sees again."""
    kept = [step for step in steps if not (step.stage.rebuilt and step.facts["dropped"])]
    return steps[-1].after if len(kept) == len(steps) else replay(base, kept, rebuilt=True)


def run_key(recipe: Recipe, root: Dataset) -> str:
    """Return the digest of all that a run depends on, known once the data is read."""
    parts = [recipe.digest, root.fingerprint, code_digest("pipeline", "finetune")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _readers(wanted: Sequence[Stage], learnt: Given | None) -> list[str]:
    """Say which stages read what training gave back."""
    if learnt is None:
        return []
    readers = [stage.name for stage in wanted if learnt.name in stage.needs]
    return [f"{name} reads {learnt.name} {learnt.origin}" for name in readers]


def wanted_stages(recipe: Recipe) -> Sequence[Stage]:
    """Return the recipe's stages; a recipe that lists none gets all, with their defaults."""
    return recipe.stages or tuple(stage() for stage in stages().values())


def _verdict(comparison: dict[str, Any], recipe: Recipe) -> tuple[bool, str]:
    """Return whether a round stands, and why, in words."""
    said = f"{effect(comparison)} on validation"
    if comparison["verdict"] == "proved":
        return True, f"kept: proved better than raw, {said}"
    if comparison["verdict"] == "harmful" and recipe.loop.harmful == "reject":
        return False, f"rejected: shown to be worse than raw, {said}; only hygiene edits stay"
    return True, f"kept, not proved: {said}"


def _hygiene(base: Dataset, steps: Sequence[Step]) -> list[Step]:
    """Return the steps of a rejected round with only their policy edits, applied from `base` on."""
    out, data = [], base
    for step in steps:
        if not step.stage.rebuilt:
            findings = policy_only(step)
            after = apply(data, findings, step.stage.touches)
            out.append(replace(step, key=f"{step.key}-policy", findings=findings, before=data, after=after))
            data = after
    return out


def _final(
    root: Dataset,
    curated: Dataset,
    training: Training,
    screen: Training,
    engine: Engine,
    store: Store,
    recipe: Recipe,
) -> dict[str, Any]:
    """Open the test split once: the chosen method on raw and curated, and the probe's comparison."""
    split = "test" if (root.splits == "test").any() else "validation"
    seeds = range(1 if training.method == "probe" else training.seeds)
    raw, best = (
        [judge(data, training, engine, store, recipe.seed + k, split, keep and not k, not k) for k in seeds]
        for data, keep in ((root, False), (curated, True))
    )
    comparisons = []
    if screen.method == "probe":
        n = recipe.loop.replicates
        comparisons = [compare_by_probe(root, curated, screen, engine, store, split, n, recipe.seed)]
    if training.method != "probe":
        # one run a side leaves the chance in training out of its interval: it does not lead
        comparisons.insert(0 if len(seeds) > 1 else 1, compare_judged(raw, best, recipe.seed))
    return {
        "split": split,
        "raw": raw[0].evaluation.to_json(),
        "curated": best[0].evaluation.to_json(),
        "comparisons": comparisons,
        "model_folder": str(best[0].folder / MODEL),
    }
