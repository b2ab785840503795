"""Commit a finished run: ledger, curated dataset, model, evaluation, report; read it back in a few lines."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finetune.compare import effect
from finetune.feedback import next_stages
from finetune.loop import Outcome, Round, wanted_stages
from finetune.weak import findings
from pipeline.files import write_parquet
from pipeline.findings import Findings
from pipeline.history import applied_facts
from pipeline.ledger import LEDGER, ledger_table
from pipeline.outputs import write_tables
from pipeline.run import Step
from pipeline.store import Store
from pipeline.words import how_many

HEADLINES = {"macro_f1": "macro-F1", "accuracy": "accuracy", "loss_per_token": "nats per token",
             "perplexity": "perplexity", "rouge_l": "ROUGE-L", "exact_match": "exact match"}  # fmt: skip


def commit(outcome: Outcome, store: Store, planted: Sequence[dict[str, Any]] = ()) -> int:
    """Write the run's folder and move HEAD to it; a run that is already there is not written again."""
    rounds = [(r.number, r.accepted, r.steps) for r in outcome.rounds]

    def write(folder: Path, number: int) -> dict[str, Any]:
        from pipeline.report import write as write_report

        for _, step in outcome.applied:
            store.save_step(step.key, step.findings, step.facts)
        write_parquet(folder / LEDGER, ledger_table(rounds, _said_by_evaluation(outcome)))
        write_tables(folder, outcome.opened.dataset, outcome.curated, [step for _, step in outcome.applied])
        shutil.copytree(outcome.model_folder, folder / "model", copy_function=_link)
        (folder / "evaluation.json").write_text(
            json.dumps(outcome.final, indent=1, sort_keys=True, allow_nan=False), "utf-8"
        )
        record = run_record(outcome, store, number, planted)
        write_report(record, folder)
        return {"made_by": "run", "applied": applied_facts(outcome.applied),
                "root": outcome.opened.dataset.fingerprint, "curated": store.save(outcome.curated),
                "recipe": outcome.recipe.digest_without_rounds, "rounds": len(outcome.rounds),
                "steps": [s["stage"] for s in record["steps"]], "lines": _lines(outcome),
                "stages": _stage_lines(outcome)}  # fmt: skip

    return store.save_run(outcome.key, write, outcome.curated.fingerprint)


def summarize(store: Store, number: int) -> dict[str, Any]:
    """Return a committed run's facts, with `text`.

    The text says what changed, what it earned, where the report is, how to go on.
    """
    facts = store.run_facts(number)["facts"]
    folder = store.root / "runs" / str(number)
    text = [*facts["lines"], f"report: {folder / 'report.html'}", f"model: {folder / 'model'}",
            f"dataset: {folder / 'dataset.parquet'}",
            f"next: assay why ROW --run {number} -w {store.root}   (a row's whole life)"]  # fmt: skip
    if (newest := store.runs()[-1]) != number:
        text.append(f"run {newest} is newer; assay restore {number} makes this one the newest again")
    return {"run": number, "report": str(folder / "report.html"), "model": str(folder / "model"),
            "dataset": str(folder / "dataset.parquet"), "ledger": str(folder / LEDGER), "root": facts["root"],
            "curated": facts["curated"], "rounds": facts["rounds"], "stages": facts["stages"],
            "text": "\n".join(text),
            "evaluation": json.loads((folder / "evaluation.json").read_text("utf-8"))}  # fmt: skip


def run_record(
    outcome: Outcome, store: Store, number: int, planted: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Return all that the report shows of a run, as plain values."""
    from pipeline import __version__
    from pipeline.report.environment import machine, methods, versions
    from pipeline.report.record import READ_BY_EMBEDDINGS, dataset_record

    root, curated = outcome.opened.dataset, outcome.curated
    found = [(step.stage.name, step.findings) for _, step in outcome.applied]
    found += [("evaluation", of_round) for of_round in _said_by_evaluation(outcome).values()][-1:]
    steps = [
        {"round": n, **_facts(s), "seconds": round(s.seconds, 2), "cached": s.cached}
        for n, s in outcome.applied
    ]
    final = outcome.final
    limits = {**READ_BY_EMBEDDINGS}
    if outcome.training.method != "probe":
        limits["the model in training"] = outcome.training.max_tokens
    return {
        "kind": "run", "title": outcome.recipe.title or f"run {number}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": outcome.recipe.seed, "versions": versions(__version__), "command": "assay run RECIPE",
        "method": final["curated"]["model"], "modality": root.modality,
        "recipe_digest": outcome.recipe.digest,
        "workspace": str(store.root), "root": root.fingerprint, "curated": curated.fingerprint,
        "rows_in": root.n_rows, "rows_out": curated.n_rows, "guesses": outcome.opened.guesses,
        "notes": outcome.opened.notes, "quarantine": outcome.opened.quarantine, "steps": steps,
        "dataset": dataset_record(root, curated, found, limits), "points": _points(outcome, store),
        "machine": machine(), "methods": methods(s["stage"] for s in steps),
        "next_changes": _next_changes(outcome), "rounds": [_round(r) for r in outcome.rounds],
        "evaluation": {"raw": final["raw"], "curated": final["curated"], "split": final["split"],
                       "comparison": final["comparisons"][0], "comparisons": final["comparisons"]},
        "planted": list(planted),
        "next": [{"what": "one more round", "command": "assay improve RECIPE"},
                 {"what": "a row's whole life", "command": "assay why ROW"},
                 {"what": "every edit", "command": f"runs/{number}/{LEDGER}"}],
    }  # fmt: skip


def _points(outcome: Outcome, store: Store) -> dict[str, Any] | None:
    """Return the map of the rows, from embeddings that round 1 left in the store."""
    from pipeline.report.points import embedding_map
    from pipeline.signals.engine import Engine

    engine = Engine(outcome.recipe.signals, store)
    return embedding_map(outcome.rounds[0].steps, engine) if outcome.rounds else None


def _next_changes(outcome: Outcome) -> list[str]:
    """Return what the last evaluation would change in a further round."""
    judged = outcome.rounds[-1].judged if outcome.rounds else None
    return next_stages(wanted_stages(outcome.recipe), judged.evaluation)[1] if judged else []


def _said_by_evaluation(outcome: Outcome) -> dict[int, Findings]:
    """Return, by round, the findings of its evaluation on validation: the weak slices."""
    return {r.number: findings(r.judged.evaluation) for r in outcome.rounds if r.judged}


def _facts(step: Step) -> dict[str, Any]:
    facts = step.facts
    keys = ("stage", "rebuilt", "skipped", "rows_in", "dropped", "changed", "added", "flagged",
            "columns_flagged", "rows_out", "issues", "metrics", "settings")  # fmt: skip
    return {k: facts[k] for k in keys}


def _round(turn: Round) -> dict[str, Any]:
    return {
        "round": turn.number,
        "changes": turn.changes,
        "accepted": turn.accepted,
        "because": turn.because,
        "verdict": turn.comparison["verdict"],
        "comparison": turn.comparison,
        "curated": turn.curated.fingerprint,
    }


def _stage_lines(outcome: Outcome) -> list[dict[str, Any]]:
    keys = ("stage", "rows_in", "dropped", "changed", "added", "flagged", "columns_flagged", "rows_out")
    return [{"round": r.number, **{k: s.facts[k] for k in keys}} for r in outcome.rounds for s in r.steps]


def _lines(outcome: Outcome) -> list[str]:
    """Say what changed by stage and what it earned."""
    root, curated = outcome.opened.dataset, outcome.curated
    rounds = how_many(len(outcome.rounds), "round")
    lines = [f"{root.n_rows:,} -> {how_many(curated.n_rows, 'row')} in {rounds}"]
    for turn in outcome.rounds:
        parts = []
        for step in turn.steps:
            f = step.facts
            done = [
                f"{'-+'[k == 'added'] if k != 'changed' else '~'}{f[k]}"
                for k in ("dropped", "added", "changed")
                if f[k]
            ]
            nothing = f"skipped ({step.skipped})" if step.skipped else "0"
            parts.append(f"{step.stage.name} {' '.join(done) or nothing}")
        lines.append(f"round {turn.number}: {', '.join(parts)}")
        lines += [f"  because of round {turn.number - 1}: {change}" for change in turn.changes]
        lines.append(f"  {turn.because}")
    final = outcome.final
    for side in ("raw", "curated"):
        m = final[side]["metrics"]
        told = ", ".join(f"{name} {_interval(m[key])}" for key, name in HEADLINES.items() if key in m)
        lines.append(f"{side:8} {final['split']}: {told}  ({final[side]['method']})")
    for c in final["comparisons"]:
        lines.append(
            f"curated - raw on {final['split']}: {effect(c)}, {_means(c)}, {c['method']}: {c['verdict']}"
        )
    return lines


def _means(c: dict[str, Any]) -> str:
    """Say which two means a difference is the one of: not those of the single fits above it."""
    of = "1 replicate" if c["replicates"] == 1 else f"means of {c['replicates']} replicates"
    return f"{of}: {c['raw']:.3f} -> {c['curated']:.3f}"


def _interval(m: dict[str, Any]) -> str:
    return f"{m['value']:.3f} [{m['low']:.3f}, {m['high']:.3f}]" if m.get("value") is not None else "-"


def _link(source: str, target: str) -> str:
    """Hard-link a read-only file of the store; copy it where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
