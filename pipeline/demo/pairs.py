"""Instruction pairs in Alpaca's format: small tasks with one right answer each, with or without faults."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.demo.pair_faults import FAULTS, wrong
from pipeline.demo.pair_tasks import Task, tasks

_SPLITS = (("test", 0.3), ("validation", 0.1))
_COPIES, _NEAR, _LEAKS, _CONTRADICTIONS = 25, 20, 15, 36


@dataclass
class Row:
    """A line of the file, and what was done to it."""

    task: Task
    split: str
    instruction: str = ""
    answer: str = ""
    fault: str = ""

    def __post_init__(self) -> None:
        self.instruction = self.instruction or self.task.instruction
        self.answer = self.answer or self.task.answer


def make(folder: Path, truth_folder: Path, *, faults: bool, seed: int = 0) -> Path:
    """Write `pairs.jsonl` (id, instruction, input, output, task, split) and, elsewhere, `truth.json`.

    30 % test, 10 % validation, the rest train. Ids are numbers in random order and rows stand in the order
    of ids, so neither says what was done to a row. With `faults`, train rows get those of `pair_faults`, and
    copies, leaks and contradictions are added. The same seed, Python and numpy give the same bytes.

    Returns the path of `pairs.jsonl`. Cost: about 1 s.
    """
    rng = random.Random(f"{seed}:pairs")
    rows = _split(tasks(seed))
    if faults:
        _spoil(rows, rng)
        rows += _more(rows, rng)
    numbers = list(range(len(rows)))
    rng.shuffle(numbers)
    ids = {id(row): f"{number:05d}" for row, number in zip(rows, numbers, strict=True)}
    rows.sort(key=lambda row: ids[id(row)])
    folder.mkdir(parents=True, exist_ok=True)
    truth_folder.mkdir(parents=True, exist_ok=True)
    lines = [{"id": ids[id(r)], "instruction": r.instruction, "input": r.task.given, "output": r.answer,
              "task": r.task.kind, "split": r.split} for r in rows]
    out = folder / "pairs.jsonl"
    out.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    truth = {"seed": seed, "faults": faults, "planted": _truth(rows, ids) if faults else []}
    (truth_folder / "truth.json").write_text(json.dumps(truth, indent=1, sort_keys=True) + "\n", "utf-8")
    return out


def _split(made: list[Task]) -> list[Row]:
    """Return the tasks, which come in random order, with the first parts held out."""
    rows, start = [], 0
    for split, share in _SPLITS:
        end = start + round(share * len(made))
        rows += [Row(task, split) for task in made[start:end]]
        start = end
    return rows + [Row(task, "train") for task in made[start:]]


def _spoil(rows: list[Row], rng: random.Random) -> None:
    """Give train rows one fault each."""
    free = [row for row in rows if row.split == "train"]
    rng.shuffle(free)
    for fault, (_, wanted, how) in FAULTS.items():
        n = 0
        for row in list(free):
            answer = how(row.task, rng) if n < wanted else None
            if answer is not None and answer != row.answer:
                row.answer, row.fault, n = answer, fault, n + 1
                free.remove(row)


def _more(rows: list[Row], rng: random.Random) -> list[Row]:
    """Return the rows to add: copies, near copies, copies of test rows, and contradictions."""
    free = [row for row in rows if row.split == "train" and not row.fault]
    test = [row for row in rows if row.split == "test"]
    rng.shuffle(free)
    out = [Row(r.task, "train", fault="exact copies") for r in _take(free, _COPIES)]
    long = [r for r in free if len(r.answer.split()) >= 10][:_NEAR]
    out += [Row(r.task, "train", r.instruction, _reworded(r.answer), "near copies") for r in long]
    out += [Row(r.task, "train", fault="copies of test rows") for r in rng.sample(test, _LEAKS)]
    taken = {id(r) for r in long}
    able = [(r, w) for r in free if id(r) not in taken and (w := wrong(r.task, rng)) and w != r.answer]
    for k, (row, answer) in enumerate(able[:_CONTRADICTIONS]):
        asked = (row.instruction, _misspelt(row.instruction, rng), row.task.again)[k % 3]
        fault = ("contradictions", "contradictions", "contradictions in other words")[k % 3]
        row.fault = fault
        out.append(Row(row.task, "train", asked, answer, fault))
    return out


def _take(free: list[Row], n: int) -> list[Row]:
    """Return n rows and take them out, so that a row is copied once."""
    taken, free[:] = free[:n], free[n:]
    return taken


def _reworded(answer: str) -> str:
    """Return an answer with one filler word more, which changes nothing it says."""
    head, _, last = answer.rpartition(" ")
    return f"{head} really {last}"


def _misspelt(prompt: str, rng: random.Random) -> str:
    """Return the prompt without its capital and with one long word's letters exchanged."""
    words = prompt.split(" ")
    long = [k for k, w in enumerate(words) if len(w) >= 6 and w.isalpha() and w.islower()]
    if long:
        k = rng.choice(long)
        word, at = words[k], rng.randint(1, len(words[k]) - 3)
        words[k] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    said = " ".join(words)
    return said[0].lower() + said[1:]


def _truth(rows: list[Row], ids: dict[int, str]) -> list[dict[str, Any]]:
    """Return what was planted, by fault; of contradictions both rows."""
    issues = {fault: issue for fault, (issue, _, _) in FAULTS.items()} | {
        "exact copies": "exact_duplicate", "near copies": "near_duplicate", "copies of test rows": "leakage",
        "contradictions": "contradiction", "contradictions in other words": "contradiction"}
    out = []
    for fault, issue in issues.items():
        planted = sorted(ids[id(row)] for row in rows if row.fault == fault)
        scored = issue if fault in FAULTS else None  # of copies and contradictions two rows score alike
        line = {"fault": fault, "issues": [issue], "rows": planted, "scored": scored}
        if issue == "template_token":  # most are taken out before the rest is scored
            line |= {"scored": None, "repair": "template token"}
        out.append(line)
    return out
