"""The loop as a plain run and as a Prefect flow: one path, the flow only wraps its steps as tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.loop import improve as loop
from finetune.record import commit, summarize
from finetune.settings import Training
from pipeline.recipe import load_recipe
from pipeline.run import Call, directly
from pipeline.signals.engine import Engine
from pipeline.store import Store


@dataclass(frozen=True)
class Done:
    """A finished run: its facts, and the same in a few lines for people."""

    facts: dict[str, Any]
    text: str


def run_recipe(
    recipe: Path,
    workspace: Path,
    overrides: Sequence[str],
    workers: int,
    log: Callable[[str], None],
    call: Call = directly,
    why_rerun: bool = False,
) -> Done:
    """Run a recipe's rounds and commit the run; a run that is already there is read back.

    `why_rerun` logs, for each result that is computed, what has changed since it last was.
    """
    plan = load_recipe(recipe, overrides, Training)
    store = Store(workspace, log if why_rerun else None)
    engine = Engine(plan.signals, store, workers, log=log)
    with store.lock():
        outcome = loop(plan, store, engine, call, log=log)
        number = call("commit", commit, outcome, store)
    facts = summarize(store, number)
    return Done(facts, facts["text"])


def further_rounds(recipe: Path, workspace: Path, overrides: Sequence[str], rounds: int) -> str:
    """Return the override that asks for `rounds` more than the newest run of this recipe has had."""
    store = Store(workspace)
    title = load_recipe(recipe, overrides, Training).digest_without_rounds
    facts = [store.run_facts(n)["facts"] for n in store.runs()]
    done = [f["rounds"] for f in facts if f.get("recipe") == title]
    return f"loop.rounds={max(done, default=0) + rounds}"
