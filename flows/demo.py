"""The demo: BBC news as it is, and with stated, seeded faults; what was planted beside what was found."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa

from finetune.loop import Outcome, improve
from finetune.record import commit, summarize
from finetune.settings import Training
from pipeline.demo import make_bbc, score
from pipeline.recipe import RecipeError, load_recipe
from pipeline.run import run_stage
from pipeline.signals.engine import Engine
from pipeline.store import Store

VARIANTS = {"faulty": True, "as-is": False}


def run_demo(
    workspace: Path, variant: str, seed: int, workers: int, log: Callable[[str], None]
) -> dict[str, Any]:
    """Make the data, run the shipped recipe on it, and say what was found.

    `variant` is faulty, as-is or both.
    """
    if variant not in (*VARIANTS, "both"):
        raise RecipeError(f"--variant {variant}: choose faulty, as-is or both")
    chosen = [name for name in VARIANTS if variant in (name, "both")]
    results = {name: _one(workspace, name, seed, workers, log) for name in chosen}
    text = "\n\n".join(r["text"] for r in results.values())
    last = list(results)[-1]
    text += f"\n\nopen:  {results[last]['report']}\nnext:  assay audit YOUR_DATA.csv"
    return {"text": text, "variants": results}


def _one(workspace: Path, name: str, seed: int, workers: int, log: Callable[[str], None]) -> dict[str, Any]:
    folder, truth_folder = workspace / "demo" / name, workspace / "demo" / f"{name}-truth"
    data = make_bbc(folder, truth_folder, faults=VARIANTS[name], seed=seed)
    recipe = folder / "recipe.toml"
    shipped = files("flows").joinpath("recipes/text.toml").read_text("utf-8")
    title = f"BBC news, {'with planted faults' if VARIANTS[name] else 'as it is'}"
    shipped = shipped.replace('"news.jsonl"', f'"{data.name}"').replace("News articles", title)
    recipe.write_text(shipped, "utf-8")
    plan = load_recipe(recipe, [f"seed={seed}"], Training)
    store = Store(workspace)
    engine = Engine(plan.signals, store, workers, log=lambda line: log(f"{name}: {line}"))
    with store.lock():
        outcome = improve(plan, store, engine, log=engine.log)
        truth = json.loads((truth_folder / "truth.json").read_text("utf-8"))
        planted = found_and_planted(outcome, truth, engine, store)
        number = commit(outcome, store, planted)
    facts = summarize(store, number)
    text = "\n".join([title, "-" * len(title), *_table(planted), facts["text"]])
    return {**facts, "planted": planted, "text": text}


def found_and_planted(
    outcome: Outcome, truth: dict[str, Any], engine: Engine, store: Store
) -> list[dict[str, Any]]:
    """Return one line a fault: what was planted and what the accepted rounds found of it.

    `label_noise` drops many off-topic rows, whose labels make no sense, before `anomalies` sees them. So that
    all of them count, they are scored by `anomalies` on the rows that `duplicates` left in round 1.
    """
    first = {s.stage.name: s for s in outcome.rounds[0].steps}
    outliers = run_stage(first["duplicates"].after, first["anomalies"].stage, engine, store)
    steps = [s for r in outcome.rounds if r.accepted for s in r.steps if s.stage.name != "anomalies"]
    edits = pa.concat_tables([s.findings.edits for s in (*steps, outliers)])
    scored = [s for name, s in first.items() if name != "anomalies"]
    scores = pa.concat_tables([s.findings.scores for s in (*scored, outliers)])
    lines = score(truth, edits, scores)
    for line in lines:
        if line["fault"] == "off-topic rows":
            line["how"] += "; on the rows that duplicates left, before label_noise dropped any"
    return lines


def _table(planted: Sequence[dict[str, Any]]) -> list[str]:
    def cell(value: Any) -> str:
        return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)

    lines = [f"{'fault':34} {'planted':>8} {'found':>6} {'precision':>9} {'recall':>7} {'AP':>6}"]
    for p in planted:
        keys = ("planted", "found", "precision", "recall", "average_precision")
        n, found, precision, recall, average = (cell(p.get(k)) for k in keys)
        lines.append(f"{p['fault']:34} {n:>8} {found:>6} {precision:>9} {recall:>7} {average:>6}")
    return lines
