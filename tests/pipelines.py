"""Random pipelines: a small text dataset, random stages with random settings, committed as a run of a
workspace."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
from conftest import GLUE, WORDS

from pipeline.apply import make_children
from pipeline.dataset import Dataset, Roles
from pipeline.files import write_parquet
from pipeline.findings import Edit, Findings
from pipeline.history import applied_facts
from pipeline.ledger import LEDGER, ledger_table
from pipeline.outputs import write_data
from pipeline.run import Step, curate
from pipeline.stage import Missing, Stage
from pipeline.store import Store


class Whim(Stage):
    """Proposes what chance proposes: every verb, on any train row, twice on some rows and cells."""

    name = "whim"
    actions = ("flag", "drop", "set", "add")
    seed: int
    n: int = 8
    needs_a_package: bool = False

    def find(self, data, signals):
        if self.needs_a_package:
            raise Missing("whimsy is not installed")
        rng = random.Random(self.seed)
        train = [row for row in data.table.to_pylist() if row["split"] == "train"]
        edits, children, taken = [], [], set()
        for row in rng.sample(train, min(self.n, len(train))):
            verb, other = rng.choice(self.actions), rng.choice(train)["row_id"]
            if row["row_id"] in taken or (verb == "add" and not row["text"]):
                continue
            taken.add(row["row_id"])
            about = {"issue": rng.choice(["odd", "even"]), "score": rng.random(), "because": "a whim"}
            if verb == "set":
                column = rng.choice(["text", "label"])
                value = (row[column] or "") + rng.choice("xyz")
                edits.append(
                    Edit(row["row_id"], action="set", column=column, before=row[column], value=value, **about)
                )
            elif verb == "add":
                children.append({"parents": [row["row_id"]], "text": f"{row['text']} again {self.seed}"})
            else:
                edits.append(Edit(row["row_id"], action=verb, related=[other], **about))
        dropped = {e.row_id for e in edits if e.action == "drop"}
        children = [c for c in children if c["parents"][0] not in dropped]
        added = make_children(data, children, self.name, str(self.seed)) if children else None
        for row in [] if added is None else added.to_pylist():
            edits.append(Edit(row["row_id"], "made", 0.5, "add", "a whim", related=row["parents"]))
        return Findings.of(self.name, edits, added=added)


def random_rows(seed: int, n: int = 40) -> Dataset:
    rng = random.Random(seed)
    topics = sorted(WORDS)
    rows = []
    for k in range(n):
        topic = rng.choice(topics)
        text = " ".join(rng.choice(WORDS[topic].split() + GLUE) for _ in range(rng.randrange(3, 12)))
        text = rng.choice(
            [text, text, f"<p>{text}</p>", f" {text}  ", rows[-1]["text"] if rows else text, ""]
        )
        split = rng.choice(["train"] * 4 + ["validation", "test"])
        rows.append({"row_id": f"r{k:03d}", "text": text, "label": topic, "split": split})
    return Dataset.of(pa.Table.from_pylist(rows), Roles(content=("text",), label="label"), "text")


def commit_run(store: Store, data: Dataset, stages: list[Stage], engine=None) -> tuple[int, list[Step]]:
    """Curate and commit a run, as `assay run` does, without training."""
    store.save(data)
    steps = curate(data, stages, engine, store)
    applied = [(1, step) for step in steps]

    def write(folder: Path, number: int) -> dict:
        write_parquet(folder / LEDGER, ledger_table([(1, True, steps)], {}))
        write_data(folder, steps[-1].after)
        return {"made_by": "run", "root": data.fingerprint, "curated": steps[-1].after.fingerprint,
                "applied": applied_facts(applied)}  # fmt: skip

    return store.save_run(f"key-{len(store.runs())}", write, steps[-1].after.fingerprint), steps
