"""Plant faults in instruction pairs, find them, and write precision and recall of each kind to sft.json.

From the repository's root:

    ASSAY_TRUTH=/data python benchmarks/sft.py            about 5 minutes on two cores
    ASSAY_TRUTH=/data python benchmarks/sft.py --quick    without paraphrases, which need embeddings

Three sets. `generated`: the demo's pairs, seed 1 (patterns and thresholds were chosen on seed 7).
`toolformer`: 600 of the odd rows of gpteacher_toolformer (the even ones were for choosing), with the faults
planted into rows as they come; what is named among its own rows counts as wrong. `preference`: generated
pairs of answers with swapped, identical and opposing rows. `contaminated`: a benchmark file of 40 rows.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dataset import Dataset, Roles
from pipeline.demo.pair_faults import FAULTS
from pipeline.demo.pair_tasks import Task, tasks
from pipeline.demo.pairs import make
from pipeline.demo.planted import score_planted
from pipeline.ingest import Source, ingest
from pipeline.modalities.sft.turns import TURNS
from pipeline.recipe import build_stage
from pipeline.run import curate
from pipeline.signals.engine import Engine

HERE = Path(__file__).parent
JSON = HERE / "sft.json"
SEED = 1
PARAPHRASES = "--quick" not in sys.argv


def found(data: Dataset, truth: dict[str, Any], **duplicates: Any) -> dict[str, Any]:
    """Return what the detectors find of what was planted, kind by kind."""
    started = time.monotonic()
    own = {"sft": {"paraphrases": PARAPHRASES}} if data.modality == "sft" else {}
    own |= duplicates
    stages = [build_stage("quality", {}, data.modality),
              build_stage("duplicates", own, data.modality)]
    steps = curate(data, stages, Engine())
    edits = pa.concat_tables([s.findings.edits for s in steps])
    scores = pa.concat_tables([s.findings.scores for s in steps])
    kinds = {line.pop("fault"): line for line in score_planted(truth, edits, scores)}
    return {"rows": data.n_rows, "seconds": round(time.monotonic() - started, 1), "kinds": kinds,
            "skipped": [s.skipped for s in steps if s.skipped]}


def generated(folder: Path) -> dict[str, Any]:
    """The demo's pairs with their faults."""
    path = make(folder / "data", folder / "truth", faults=True, seed=SEED)
    truth = json.loads((folder / "truth" / "truth.json").read_text("utf-8"))
    return found(ingest([Source("", str(path))]).dataset, truth)


def contaminated(folder: Path) -> dict[str, Any]:
    """The same pairs without faults, and a benchmark that holds 20 of their prompts and 20 of their answers.

    Train rows whose answer is the text of one of the 20 answers, another function's too, count as planted.
    """
    path = make(folder / "plain", folder / "plain-truth", faults=False, seed=SEED)
    data = ingest([Source("", str(path))]).dataset
    rows = [r for r in data.table.to_pylist() if r["split"] == "train"]
    prompts = [r for r in rows if r["task"] == "docs"][:20]
    answers = [r for r in rows if r["task"] == "docs" and len(r["messages"][-1]["content"].split()) >= 12]
    answers = [r for r in answers if r not in prompts][:20]
    bench = folder / "bench.jsonl"
    asked = [{"instruction": r["messages"][0]["content"], "output": "Nobody knows."} for r in prompts]
    said = [{"instruction": f"Task {k}", "output": f"{r['messages'][-1]['content']} That is all of it."}
            for k, r in enumerate(answers)]
    bench.write_text("".join(json.dumps(row) + "\n" for row in [*asked, *said]), "utf-8")
    texts = {r["messages"][-1]["content"] for r in answers}
    held = {r["row_id"] for r in prompts}
    held |= {r["row_id"] for r in rows if r["messages"][-1]["content"] in texts}
    line = {"fault": "rows of a benchmark", "issues": ["contaminated"], "scored": None, "rows": sorted(held)}
    return found(data, {"planted": [line]}, benchmark=str(bench), sft={"paraphrases": False})


def toolformer(root: Path) -> dict[str, Any]:
    """Real rows with one fault each in some; formats are asked for in the prompts of the rows they break."""
    table = pq.read_table(root / "gpteacher_toolformer" / "toolformer.parquet")
    rows = table.select(["instruction", "input", "response"]).to_pylist()[1::2]
    rng = random.Random(SEED + 1)  # the sample of SEED showed that "natural language" is no wish for one
    rows = rng.sample(rows, 600)
    free = list(range(len(rows)))
    rng.shuffle(free)
    planted: list[dict[str, Any]] = []
    for fault, (issue, _, how) in FAULTS.items():
        chosen: list[int] = []
        while len(chosen) < 25:
            k = free.pop()
            row = rows[k]
            task = Task("real", row["instruction"], row["input"], row["response"], "")
            answer = _unformatted(row, rng) if issue == "format_violation" else how(task, rng)
            if answer is not None and answer != row["response"]:
                row["response"] = answer
                chosen.append(k)
        planted.append(_line(fault, issue, chosen))
    chosen = []
    for k in free:
        wrong = _contradicted(rows[k]["response"], rng)
        if wrong and len(chosen) < 60:
            rows.append({**rows[k], "response": wrong})
            chosen += [k, len(rows) - 1]
    planted.append(_line("contradictions", "contradiction", chosen))
    return found(_alpaca(rows), {"planted": planted})


def _unformatted(row: dict[str, Any], rng: random.Random) -> str:
    """Ask for a format that the answer, which stays, does not have."""
    ask = rng.choice(("Return the result as a JSON object.", "List five reasons.", "Put it in a code block."))
    row["instruction"] = f"{row['instruction']} {ask}"
    row["input"] = ""
    return "- one reason\n- another one" if ask.startswith("List") else row["response"].strip() + " "


def _contradicted(answer: str, rng: random.Random) -> str | None:
    """Return the answer with another number or with a denial, or None where it has neither place."""
    words = answer.split(" ")
    numbers = [k for k, word in enumerate(words) if word.isdigit()]
    if numbers:
        k = rng.choice(numbers)
        words[k] = str(int(words[k]) + rng.randint(1, 9))
        return " ".join(words)
    return answer.replace(" is ", " is not ", 1) if " is " in answer else None


def _alpaca(rows: list[dict[str, Any]]) -> Dataset:
    turns = [[{"role": "user", "content": r["instruction"]},
              *([{"role": "input", "content": r["input"]}] if r["input"] else []),
              {"role": "assistant", "content": r["response"]}] for r in rows]
    ids = [f"{k:05d}" for k in range(len(rows))]
    return Dataset.of(pa.table({"row_id": ids, "messages": pa.array(turns, TURNS)}),
                      Roles(content=("messages",)), "sft")


def preference() -> dict[str, Any]:
    """Right answers against refusals, wrong or loud ones; 5 % swapped, some identical, some opposed."""
    rng, rows = random.Random(SEED), []
    kinds: dict[str, list[int]] = {"swapped": [], "identical": [], "opposed": []}
    made = [t for t in tasks(SEED) if t.kind in ("docs", "http", "calendar", "length", "parity")][:600]
    faults = ("refusals", "answers cut short", "prompts said again", "answers in a loop")
    spoil = [FAULTS[fault][2] for fault in faults]
    for k, task in enumerate(made):
        bad = next(b for b in (f(task, rng) for f in rng.sample(spoil, 4)) if b)
        won, lost = task.answer, bad
        if k % 20 == 0:
            won, lost = lost, won
            kinds["swapped"].append(k)
        elif k % 20 == 1:
            lost = won
            kinds["identical"].append(k)
        rows.append((task.instruction, won, lost))
    for k in range(2, 600, 20):
        prompt, won, lost = rows[k]
        kinds["opposed"] += [k, len(rows)]
        rows.append((prompt, lost, won))
    cells = {name: pa.array([[{"role": role, "content": row[j]}] for row in rows], TURNS)
             for j, (name, role) in enumerate((("prompt", "user"), ("chosen", "assistant"),
                                               ("rejected", "assistant")))}
    data = Dataset.of(pa.table({"row_id": [f"{k:05d}" for k in range(len(rows))], **cells}),
                      Roles(content=tuple(cells)), "preference")
    # the second row of an opposed pair is a swapped pair too
    planted = [_line("swapped pairs", "swapped_pair", [*kinds["swapped"], *range(600, len(rows))]),
               _line("identical pairs", "identical_pair", kinds["identical"]),
               _line("opposed preferences", "contradiction", kinds["opposed"])]
    return found(data, {"planted": planted})


def _line(fault: str, issue: str, rows: list[int]) -> dict[str, Any]:
    return {"fault": fault, "issues": [issue], "rows": [f"{k:05d}" for k in rows], "scored": None}


def main() -> None:
    root = os.environ.get("ASSAY_TRUTH")
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="assay-sft-") as scratch:
        figures["generated"] = generated(Path(scratch))
        figures["contaminated"] = contaminated(Path(scratch))
    figures["preference"] = preference()
    figures["toolformer"] = toolformer(Path(root)) if root else "not measured: ASSAY_TRUTH is not set"
    from pipeline import __version__
    from pipeline.report.environment import versions

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True,
                            check=True).stdout.strip()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")
    figures |= {"command": "python benchmarks/sft.py" + ("" if PARAPHRASES else " --quick"), "seed": SEED,
                "commit": commit, "machine": f"{os.cpu_count()} cores of {cpu}",
                "versions": versions(__version__), "numpy": np.__version__}
    JSON.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", "utf-8")
    for name in ("generated", "contaminated", "toolformer", "preference"):
        part = figures[name]
        for fault, line in part["kinds"].items() if isinstance(part, dict) else ():
            cells = [f"{line[k]:.3f}" if line[k] is not None else "-" for k in ("precision", "recall")]
            print(f"{name:12} {fault:32} planted {line['planted']:3} found {line['found']:3} "
                  f"precision {cells[0]} recall {cells[1]}")


if __name__ == "__main__":
    main()
