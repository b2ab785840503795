"""The demo: bundled data as it is, and with stated, seeded faults; what was planted beside what was found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa

from finetune.loop import Outcome, improve
from finetune.record import commit, summarize
from finetune.settings import Training
from pipeline.demo import score
from pipeline.demo.planted import score_planted
from pipeline.recipe import RecipeError, load_recipe
from pipeline.run import run_stage
from pipeline.signals.engine import Engine
from pipeline.store import Store

VARIANTS = {"faulty": True, "as-is": False}
DEMOS = {  # modality -> where its data is made, and what it is
    "text": ("pipeline.demo.bbc", "make_bbc", "BBC news"),
    "image": ("pipeline.demo.digits", "make", "Handwritten digits"),
    "tabular": ("pipeline.demo.cancer", "make", "Breast cancer measurements"),
    "sft": ("pipeline.demo.pairs", "make", "Generated instruction pairs"),
}


def run_demo(
    workspace: Path, modality: str, variant: str, seed: int, workers: int, log: Callable[[str], None]
) -> dict[str, Any]:
    """Make the data of a modality, run its shipped recipe on it, and say what was found.

    `variant` is faulty, as-is or both.
    """
    if modality not in DEMOS:
        raise RecipeError(f"--modality {modality}: choose {', '.join(DEMOS)}")
    if variant not in (*VARIANTS, "both"):
        raise RecipeError(f"--variant {variant}: choose faulty, as-is or both")
    chosen = [name for name in VARIANTS if variant in (name, "both")]
    results = {name: _one(workspace, modality, name, seed, workers, log) for name in chosen}
    text = "\n\n".join(r["text"] for r in results.values())
    last = list(results)[-1]
    text += f"\n\nopen:  {results[last]['report']}\nnext:  assay audit YOUR_DATA.csv"
    return {"text": text, "variants": results}


def _one(
    workspace: Path, modality: str, name: str, seed: int, workers: int, log: Callable[[str], None]
) -> dict[str, Any]:
    module, maker, title = DEMOS[modality]
    folder, truth_folder = (workspace / "demo" / f"{modality}-{name}{end}" for end in ("", "-truth"))
    data = getattr(import_module(module), maker)(folder, truth_folder, faults=VARIANTS[name], seed=seed)
    title = f"{title}, {'with planted faults' if VARIANTS[name] else 'as it is'}"
    recipe = folder.with_suffix(".toml")  # beside the data, which may be a folder of files
    shipped = files("flows").joinpath(f"recipes/{modality}.toml").read_text("utf-8")
    for key, value in (("path", data.relative_to(recipe.parent).as_posix()), ("title", title)):
        shipped = re.sub(rf'^{key} = ".*?"', f'{key} = "{value}"', shipped, count=1, flags=re.MULTILINE)
    recipe.write_text(shipped, "utf-8")
    plan = load_recipe(recipe, [f"seed={seed}"], Training)
    store = Store(workspace)
    engine = Engine(plan.signals, store, workers, log=lambda line: log(f"{name}: {line}"))
    with store.lock():
        outcome = improve(plan, store, engine, log=engine.log)
        truth = json.loads((truth_folder / "truth.json").read_text("utf-8"))
        planted = (
            found_and_planted(outcome, truth, engine, store) if modality == "text" else found(outcome, truth)
        )
        number = commit(outcome, store, planted)
    facts = summarize(store, number)
    text = "\n".join([title, "-" * len(title), *_table(planted), facts["text"]])
    return {**facts, "planted": planted, "text": text}


def found(outcome: Outcome, truth: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one line a fault: what was planted and what the accepted rounds found of it."""
    steps = [s for r in outcome.rounds if r.accepted for s in r.steps]
    first = outcome.rounds[0].steps
    return score_planted(truth, pa.concat_tables([s.findings.edits for s in steps]),
                         pa.concat_tables([s.findings.scores for s in first]))


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
