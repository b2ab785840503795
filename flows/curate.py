"""Prefect flows: `curate` (the data side of one round) and `improve` (the whole loop).

Thin: every step is the plain function wrapped as a task, so the bytes are those of the plain run. Parameters
are a recipe's path and a workspace. Prefect's cache is off, since the store keeps its own; results are not
persisted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

# Prefect reads these when it is imported: no telemetry, no log traffic, nothing but loopback.
for _name, _value in (("DO_NOT_TRACK", "1"), ("PREFECT_SERVER_ANALYTICS_ENABLED", "false"),
                      ("PREFECT_LOGGING_TO_API_ENABLED", "false")):  # fmt: skip
    os.environ.setdefault(_name, _value)

from prefect import flow, task  # noqa: E402
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact  # noqa: E402
from prefect.cache_policies import NO_CACHE  # noqa: E402

from finetune.settings import Training  # noqa: E402
from flows.improve import run_recipe  # noqa: E402
from pipeline.recipe import load_recipe  # noqa: E402
from pipeline.run import curate as plain_curate  # noqa: E402
from pipeline.signals.engine import Engine  # noqa: E402
from pipeline.source import open_data  # noqa: E402
from pipeline.store import Store  # noqa: E402

T = TypeVar("T")


def as_task(name: str, function: Callable[..., T], *args: Any) -> T:
    """Carry a step out as a Prefect task; what `pipeline.run.directly` is for the plain run."""
    as_named = task(name=name, cache_policy=NO_CACHE, persist_result=False, log_prints=False)
    step: Callable[..., T] = as_named(function)
    return step(*args)


@flow(name="assay-curate", persist_result=False, log_prints=False, validate_parameters=True)
def curate(recipe: str, workspace: str, workers: int = 1) -> str:
    """Ingest and run the recipe's stages once; returns the curated snapshot's fingerprint."""
    plan = load_recipe(Path(recipe), train_model=Training)
    store = Store(workspace)
    engine = Engine(plan.signals, store, workers, log=logging.getLogger("assay").info)
    opened = as_task("ingest", open_data, plan, store)
    steps = plain_curate(opened.dataset, plan.stages, engine, store, as_task)
    rows = [
        {k: step.facts[k] for k in ("stage", "rows_in", "dropped", "changed", "added", "flagged", "rows_out")}
        for step in steps
    ]
    create_table_artifact(key="assay-curate-stages", table=rows, description="rows by stage")
    return steps[-1].after.fingerprint if steps else opened.dataset.fingerprint


@flow(name="assay-improve", persist_result=False, log_prints=False, validate_parameters=True)
def improve(recipe: str, workspace: str, workers: int = 1) -> dict[str, Any]:
    """Run the whole loop; returns the run's number, its curated fingerprint and the report's path."""
    done = run_recipe(Path(recipe), Path(workspace), [], workers, logging.getLogger("assay").info, as_task)
    create_markdown_artifact(key="assay-improve-summary", markdown=f"```\n{done.text}\n```")
    create_table_artifact(
        key="assay-improve-stages", table=done.facts["stages"], description="rows by round and stage"
    )
    create_link_artifact(
        key="assay-improve-report",
        link=Path(done.facts["report"]).resolve().as_uri(),
        link_text="quality report",
    )
    return {k: done.facts[k] for k in ("run", "curated", "report")}
