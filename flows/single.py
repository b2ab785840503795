"""The commands that work on one dataset: audit, one stage, finetune, evaluate."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.auditing import DETECTORS, Audit, audit_dataset
from pipeline.given import Given
from pipeline.outputs import summary, write_quarantine, write_tables
from pipeline.recipe import Data, Recipe, RecipeError, build_stage, parse_value, put, settings_of
from pipeline.run import Step, run_stage
from pipeline.signals.engine import Engine
from pipeline.source import Opened, open_plan
from pipeline.store import Store
from pipeline.words import how_many

Log = Callable[[str], None]


def audit_data(
    plan: Data, out: Path, store: Store, engine: Engine, overrides: Sequence[str], log: Log,
    redact: bool = False, recipe: Recipe | None = None,
) -> tuple[dict[str, Any], str, Audit]:  # fmt: skip
    """Run every detector, set as the recipe says, change nothing, write tables and report into `out`."""
    opened = open_said(plan, store, log)
    settings = _settings(overrides, DETECTORS, recipe)
    stages = [build_stage(name, settings[name], opened.dataset.modality) for name in DETECTORS]
    audit = audit_dataset(opened, engine, store, stages)
    page = audit.save(out, redact)
    kept = write_quarantine(out, opened.quarantine)
    lines = [_line(step) for step in audit.steps]
    lines += [f"report: {page}", f"tables: {out}/issues.parquet, {out}/findings.parquet", *kept]
    facts = {"report": str(page), "out": str(out), "quarantined": len(opened.quarantine), **audit.summary}
    return facts, "\n".join(lines), audit


def one_stage(
    name: str, plan: Data, out: Path | None, store: Store, engine: Engine, overrides: Sequence[str],
    log: Log, recipe: Recipe | None = None,
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Run one stage alone, set as the recipe says, and write its output into `out`.

    Without `out` only say what it would do.
    """
    opened = open_said(plan, store, log)
    stage = build_stage(name, _settings(overrides, (name,), recipe, name)[name], opened.dataset.modality)
    step = run_stage(opened.dataset, stage, engine, store if out else None)
    facts = {"quarantined": len(opened.quarantine), **summary(opened.dataset, [step])}
    if out is None:
        return {"dry_run": True, **facts}, f"{_line(step)}\n{_would(step)}"
    write_tables(out, opened.dataset, step.after, [step])
    kept = write_quarantine(out, opened.quarantine)
    plain = "\n".join([_line(step), *kept, f"result: {out}/dataset.parquet"])
    return {"out": str(out), **facts}, plain


def finetune_data(
    plan: Data, out: Path, workspace: Path, engine: Engine, overrides: Sequence[str], seed: int,
    recipe: Recipe | None = None,
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Fit on the train rows, set as the recipe's [train] says, and write a `save_pretrained` folder."""
    from finetune.choose import with_strength
    from finetune.settings import Training
    from finetune.train import fit
    from pipeline.recipe import validated

    opened = open_said(plan, Store(workspace), engine.log)
    training = validated(Training, {**(recipe.train if recipe else {}), **_pairs(overrides)}, "train")
    if out.exists() and any(out.iterdir()):
        raise RecipeError(f"{out}: not empty (give another folder with -o, or delete it)")
    scratch = out.with_name(f"{out.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)  # of a training that was interrupted
    if training.method == "probe":  # the one method with a penalty to choose
        training = with_strength(opened.dataset, training, engine)
    model = fit(opened.dataset, training, engine, seed, scratch)
    scratch.rename(out)
    facts = {
        "model": str(out),
        "method": training.method,
        "dataset": opened.dataset.fingerprint,
        "about": model.describe(),
    }
    return facts, f"{model.describe()}\nmodel: {out}\nnext: assay evaluate {out} {plan.path}"


def evaluate_model(
    model: Path, plan: Data, split: str, workspace: Path, engine: Engine
) -> tuple[dict[str, Any], str]:
    """Score a model folder on one split."""
    from finetune.evaluate import evaluate
    from finetune.train import load

    if not model.is_dir():
        raise RecipeError(f"{model}: no model folder (make one with: assay finetune DATA -o {model})")
    opened = open_said(plan, Store(workspace), engine.log)
    done = evaluate(load(model), opened.dataset, split, engine)
    lines = [f"{done.method} on {done.n} {split} rows: {done.model}"]
    for name, m in done.metrics.items():
        lines.append(
            f"{name:18} {m['value']:.3f}  [{m['low']:.3f}, {m['high']:.3f}]"
            if m["value"] is not None
            else f"{name:18} -      {m['why']}"
        )
    lines += [f"weak slice: {s.because}" for s in done.weak]
    return done.to_json(), "\n".join(lines)


def bring(engine: Engine, pred_probs: Path | None, embeddings: Path | None) -> None:
    """Let the user's own signal tables stand in for the computed ones."""
    from pipeline.brought import brought_table, embeddings_table, pred_probs_table

    if pred_probs is not None:
        engine.bring(
            Given(
                "pred_probs",
                pred_probs_table(brought_table(str(pred_probs)), str(pred_probs)),
                f"brought: {pred_probs}",
            )
        )
    if embeddings is not None:
        engine.bring(
            Given(
                "embeddings",
                embeddings_table(brought_table(str(embeddings)), str(embeddings)),
                f"brought: {embeddings}",
            )
        )


def open_said(plan: Data, store: Store, log: Log) -> Opened:
    """Open the data and log what the reading guessed, noted and could not read."""
    opened = open_plan(plan, 0, store)
    for line in (*opened.guesses, *opened.notes):
        log(line)
    for bad in opened.quarantine[:5]:
        log(f"quarantined {bad['file']}:{bad['line']}: {bad['reason']}")
    if len(opened.quarantine) > 5:
        log(f"... {len(opened.quarantine)} rows could not be read in all")
    return opened


def _settings(
    overrides: Sequence[str], names: Sequence[str], recipe: Recipe | None, alone: str | None = None
) -> dict[str, dict[str, Any]]:
    """Return settings by stage: the recipe's, of a stage that it has twice the last, then the overrides.

    `threshold=0.9` for the stage alone, `duplicates.threshold=0.9` for one of several.
    """
    out: dict[str, dict[str, Any]] = {name: {} for name in names}
    for stage_set in recipe.stages if recipe else ():
        if stage_set.name in out:
            out[stage_set.name] = settings_of(stage_set)
    for override in overrides:
        key, eq, text = override.partition("=")
        path = key.strip().replace("-", "_").split(".")
        if not eq:
            raise RecipeError(f"--set {override}: write KEY=VALUE")
        if path[0] in out:
            stage, *path = path
        elif alone:
            stage = alone
        else:
            raise RecipeError(f"--set {override}: name the stage first ({', '.join(names)})")
        if not all(path) or not path:
            raise RecipeError(f"--set {override}: write KEY=VALUE")
        put(out[stage], path, parse_value(text), override)
    return out


def _pairs(overrides: Sequence[str]) -> dict[str, Any]:
    return _settings(overrides, ("train",), None, "train")["train"]


def _line(step: Step) -> str:
    f = step.facts
    if step.skipped:
        return f"{step.stage.name:12} skipped: {step.skipped}"
    counts = ", ".join(
        f"{n} {issue} ({action})" for issue, by in f["issues"].items() for action, n in by.items()
    )
    rows = f"{f['rows_in']:,} -> {how_many(f['rows_out'], 'row')}"
    return f"{step.stage.name:12} {rows}: {counts or 'nothing found'}"


def _would(step: Step) -> str:
    f = step.facts
    verbs = {"drop": f["dropped"], "change": f["changed"], "add": f["added"], "flag": f["flagged"]}
    parts = [f"{verb} {how_many(n, 'row')}" for verb, n in verbs.items() if n]
    if f["columns_flagged"]:
        parts.append(f"flag {how_many(f['columns_flagged'], 'column')}")
    return f"dry run: it would {', '.join(parts) or 'do nothing'}{'; nothing was written' if parts else ''}"
