"""Prefect flows: `curate` (the data side of one round) and `improve` (the whole loop).

Thin: every step is the plain function wrapped as a task, so the bytes are those of the plain run. Parameters
are a recipe's path and a workspace. Prefect's cache is off, since the store keeps its own; results are not
persisted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# Prefect reads these when it is imported: no telemetry, no log traffic.
for _name, _value in (("DO_NOT_TRACK", "1"), ("PREFECT_SERVER_ANALYTICS_ENABLED", "false"),
                      ("PREFECT_LOGGING_TO_API_ENABLED", "false")):  # fmt: skip
    os.environ.setdefault(_name, _value)

import pyarrow as pa  # noqa: E402
from prefect import flow  # noqa: E402

from finetune.settings import Training  # noqa: E402
from flows.artifacts import (  # noqa: E402
    artifact_key,
    publish_issues,
    publish_report,
    publish_stages,
    publish_summary,
)
from flows.improve import run_recipe  # noqa: E402
from flows.left_behind import ended, our_run  # noqa: E402
from flows.steps import CountedSteps  # noqa: E402
from pipeline.files import read_parquet  # noqa: E402
from pipeline.recipe import Recipe, load_recipe  # noqa: E402
from pipeline.run import curate as plain_curate  # noqa: E402
from pipeline.signals.engine import Engine  # noqa: E402
from pipeline.source import open_data  # noqa: E402
from pipeline.stage import stages  # noqa: E402
from pipeline.store import Store  # noqa: E402

STEPS_A_ROUND, STEPS_BESIDE = 3, 4  # tasks of `finetune.loop` besides the stages; only the progress bar asks
HOW: dict[str, Any] = {
    "persist_result": False, "log_prints": False, "validate_parameters": True,
    "on_completion": [ended], "on_failure": [ended], "on_crashed": [ended], "on_cancellation": [ended],
}  # fmt: skip


@flow(name="assay-curate", **HOW)
def curate(recipe: str, workspace: str, workers: int = 1) -> str:
    """Ingest and run the recipe's stages once; returns the curated snapshot's fingerprint."""
    with our_run(Path(workspace)) as log:
        plan = load_recipe(Path(recipe), train_model=Training)
        store = Store(workspace)
        engine = Engine(plan.signals, store, workers, log=log)
        call = CountedSteps(artifact_key("curate", recipe, "progress"), 1 + len(plan.stages))
        opened = call("ingest", open_data, plan, store)
        steps = plain_curate(opened.dataset, plan.stages, engine, store, call)
        curated = steps[-1].after if steps else opened.dataset
        rows = f"{opened.dataset.n_rows:,} -> {curated.n_rows:,}"
        facts = {"rows": rows, "curated": curated.fingerprint, "workspace": workspace}
        notes = "\n".join((*opened.guesses, *opened.notes)) or "nothing was guessed"
        title = plan.title or Path(recipe).stem
        publish_summary(artifact_key("curate", recipe, "summary"), title, facts, notes)
        publish_stages(artifact_key("curate", recipe, "stages"), [step.facts for step in steps])
        if steps:
            edits = pa.concat_tables([step.findings.edits for step in steps])
            publish_issues(artifact_key("curate", recipe, "issues"), edits)
        call.done()
        return curated.fingerprint


@flow(name="assay-improve", **HOW)
def improve(recipe: str, workspace: str, workers: int = 1) -> dict[str, Any]:
    """Run the whole loop; returns the run's number, its curated fingerprint and the report's path."""
    with our_run(Path(workspace)) as log:
        plan = load_recipe(Path(recipe), train_model=Training)
        call = CountedSteps(artifact_key("improve", recipe, "progress"), _expected(plan))
        done = run_recipe(Path(recipe), Path(workspace), [], workers, log, call)
        facts = {name: done.facts[name] for name in ("run", "rounds", "curated", "dataset", "report")}
        title = plan.title or Path(recipe).stem
        publish_summary(artifact_key("improve", recipe, "summary"), title, facts, done.text)
        publish_stages(artifact_key("improve", recipe, "stages"), done.facts["stages"])
        publish_issues(artifact_key("improve", recipe, "issues"), read_parquet(Path(done.facts["ledger"])))
        publish_report(artifact_key("improve", recipe, "report"), done.facts["report"])
        call.done()
        return {k: done.facts[k] for k in ("run", "curated", "report")}


def _expected(plan: Recipe) -> int:
    n_stages = len(plan.stages or stages())
    return STEPS_BESIDE + plan.loop.rounds * (n_stages + STEPS_A_ROUND)
