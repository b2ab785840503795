"""`assay plan RECIPE`: what a run would do and what of it is there already; nothing is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune.inputs import inputs, resolved, trainable
from finetune.loop import run_key
from finetune.settings import Training
from pipeline.commit import MANIFEST
from pipeline.dataset import Dataset
from pipeline.hashing import content_keys
from pipeline.ingest.source import files_of
from pipeline.keys import why_computed
from pipeline.modalities import modality
from pipeline.recipe import Recipe, load_recipe, with_options
from pipeline.review.veto import NO_VETOES
from pipeline.run import step_key
from pipeline.signals import signals as known_signals
from pipeline.signals.engine import Engine
from pipeline.source import ingest_key
from pipeline.stage import Stage, stages
from pipeline.store import Store
from pipeline.words import how_many


def plan_run(recipe: Path, workspace: Path, overrides: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return the plan as facts and as lines. Raises `RecipeError`, `InputError`."""
    plan = load_recipe(recipe, overrides, Training)
    store = Store(workspace) if workspace.is_dir() else None
    root = _root(plan, store)
    wanted = list(plan.stages or [stage() for stage in stages().values()])
    facts: dict[str, Any] = {
        "recipe": str(recipe), "title": plan.title, "seed": plan.seed, "data": _data(plan, root),
        "stages": _stages(plan, wanted, root, store), "train": _train(plan, root),
        "rounds": plan.loop.rounds, "replicates": plan.loop.replicates,
        "run": store.find_run(run_key(plan, root)) if store and root else None,
    }  # fmt: skip
    return facts, "\n".join(_lines(facts))


def _train(plan: Recipe, root: Dataset | None) -> dict[str, Any]:
    """Return the training's settings, with the modality's own where it is known and they are not given."""
    training = Training(**plan.train)
    modality = root.modality if root else plan.data.modality
    if modality not in trainable() or training.method in ("probe", "boosting"):
        return training.used()
    n_rows = int(root.is_train.sum()) if root else 0
    return resolved(training, modality, n_rows).used(inputs(modality).foreign)


def _root(plan: Recipe, store: Store | None) -> Dataset | None:
    """Return the data as it was read before, None when it was not, or its files changed since."""
    if store is None:
        return None
    folder = store.root / "artifacts" / ingest_key(plan.data, plan.seed).digest
    return store.load(store.manifest(folder)["facts"]["root"]) if (folder / MANIFEST).exists() else None


def _data(plan: Recipe, root: Dataset | None) -> dict[str, Any]:
    """Return what is known of the data without parsing it: files, and rows where it was read before."""
    paths = [s.path for s in plan.data.sources] or [str(plan.data.path)]
    sizes = [file.path.stat().st_size for path in paths for file in files_of(path)[0]]
    facts: dict[str, Any] = {"paths": paths, "files": len(sizes), "bytes": sum(sizes)}
    facts["read"] = root is not None
    if root is not None:
        counts = {s: int((root.splits == s).sum()) for s in ("train", "validation", "test")}
        facts |= {"rows": root.n_rows, "splits": counts, "modality": root.modality,
                  "content": list(root.roles.content), "label": root.roles.label,
                  "fingerprint": root.fingerprint}  # fmt: skip
    return facts


def _stages(
    plan: Recipe, wanted: Sequence[Stage], root: Dataset | None, store: Store | None
) -> list[dict[str, Any]]:
    """Return the first round's stages: settings, signals, and what the store holds.

    A stage's key needs the rows that the stage before left, so what comes after a stage that is yet to run,
    or of data that is yet to be read, is unknown (None), not absent.
    """
    out, data, vetoes = [], root, NO_VETOES
    for stage in wanted:
        read = stage.needs if data is None else stage.signals_for(modality(data.modality))
        needs = _all_needs(read)
        facts: dict[str, Any] = {
            "stage": stage.name, "settings": stage.model_dump(mode="json", exclude_none=True),
            "done": False if store is None else None, "signals": dict.fromkeys(needs),
        }  # fmt: skip
        if store is not None and data is not None:
            engine = Engine(plan.signals, store)
            key = step_key(data, with_options(stage, data.modality), engine, vetoes)
            step = store.load_step(key.digest)
            missing = {name: _missing_rows(name, data, engine, store) for name in needs}
            facts |= {"done": step is not None, "rows_in": data.n_rows, "signals": missing}
            facts["because"] = None if step else why_computed(store.root / "steps", key)
            vetoes = vetoes.and_of(step[0]) if step and stage.touches == "human" else vetoes
            data = None if step is None else _after(step[1]["after"], data, store)
        out.append(facts)
    return out


def _after(fingerprint: str, data: Dataset, store: Store) -> Dataset:
    return data if fingerprint == data.fingerprint else store.load(fingerprint)


def _all_needs(needs: Sequence[str]) -> list[str]:
    """Return the signals and those they are made of, each once, the made-of first."""
    out: list[str] = []
    for name in needs:
        out += [n for n in (*_all_needs(known_signals()[name].needs), name) if n not in out]
    return out


def _missing_rows(name: str, data: Dataset, engine: Engine, store: Store) -> int:
    """Return for how many rows a signal is yet to be computed; 0 when it is all there."""
    asked, roots = engine.signals(data), data.roots
    if engine.signal(name).kind == "global":
        there = (store.root / "signals" / name / asked.key(name) / MANIFEST).exists()
        return 0 if there else roots.n_rows
    known = store.load_rows(name, asked.row_key(engine.signal(name)))
    have = set() if known is None else set(known["content"].to_pylist())
    return len(set(content_keys(roots.content)) - have)


def _lines(facts: dict[str, Any]) -> list[str]:
    data, train = facts["data"], facts["train"]
    title, size = f" ({facts['title']})" if facts["title"] else "", f"{data['bytes'] / 1e6:,.3f} MB"
    lines = [
        f"recipe   {facts['recipe']}{title}",
        f"data     {', '.join(data['paths'])}: {how_many(data['files'], 'file')}, {size}",
    ]
    if data["read"]:
        parts = ", ".join(f"{n:,} {split}" for split, n in data["splits"].items() if n)
        lines.append(f"         {data['rows']:,} rows of {data['modality']} ({parts}), label {data['label']}")
    else:
        lines.append("         not read yet: rows, modality and splits are known once it is")
    unknown = "depends on what the stages before leave" if data["read"] else "known once the data is read"
    for i, stage in enumerate(facts["stages"]):
        settings = ", ".join(f"{k}={v}" for k, v in stage["settings"].items() if v != [])
        head = "stages" if not i else ""
        told = f"; {settings}" if settings else ""
        lines.append(f"{head:9}{stage['stage']}: {_state(stage, unknown)}{told}")
        for name, missing in stage["signals"].items():
            lines.append(f"           needs {name}: {_signal(missing, stage['done'], unknown)}")
    told = ", ".join(f"{k}={v}" for k, v in train.items() if v is not None and k != "method")
    lines.append(f"train    {train['method']}: {told}")
    lines.append(
        f"rounds   {facts['rounds']}, each judged by {facts['replicates']} probes a side; "
        "the test split is scored once, at the end"
    )
    if facts["run"] is not None:
        lines.append(f"run {facts['run']} is this run already: nothing would be computed")
    return lines


def _state(stage: dict[str, Any], unknown: str) -> str:
    if stage["done"]:
        return "done before"
    if stage.get("because"):
        return f"to run ({stage['because']})"
    return "to run" if stage["done"] is False else unknown


def _signal(missing: int | None, done: bool | None, unknown: str) -> str:
    if missing is None:
        return "to compute" if done is False else unknown
    return "cached" if not missing else f"to compute for {missing:,} rows"
