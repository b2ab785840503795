"""Put the main figures beside those of peers into the README, from the JSON files of the benchmarks.

python benchmarks/figures.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "README.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
Line = tuple[str, str, str, str]  # what, ours, the peer's, benchmark


def read(name: str) -> dict[str, Any]:
    return json.loads((HERE / f"{name}.json").read_text("utf-8"))


def images() -> list[Line]:
    figures = read("images")
    photos, clothes = figures["faults"]["photos"], figures["faults"]["fashion_mnist"]
    kinds = [(kind.replace("_", " "), of) for kind, of in photos["faults"].items()]
    precisions = [", ".join(f"{kind} {of[who]['average_precision']:.3f}" for kind, of in kinds)
                  for who in ("assay", "cleanvision")]  # fmt: skip
    alarms = [f"{sum(photos['false_alarms'][who].values())} and {sum(clothes['false_alarms'][who].values())}"
              for who in ("assay", "cleanvision")]  # fmt: skip
    copies = "; ".join(f"{name} {of['recall_all']:.3f} / {of['precision']:.3f}" for name, of in (
        ("photos", figures["copies"]["photos"]), ("Fashion-MNIST", figures["copies"]["fashion_mnist"]),
        ("CIFAR-10", figures["copies"]["cifar10"])))  # fmt: skip
    speed = figures["speed"]
    seconds = {who: f"{speed[who]['wall_seconds']:.1f} s ({speed[who]['cpu_seconds']:.1f} s CPU)"
               for who in ("audit", "cleanvision", "hashes", "imagehash")}  # fmt: skip
    return [
        (f"faults planted into {photos['pictures']} photos, average precision", precisions[0],
         f"cleanvision: {precisions[1]}", "images"),
        (f"false alarms on those photos and on {clothes['pictures']} of Fashion-MNIST, untouched", alarms[0],
         f"cleanvision: {alarms[1]}", "images"),
        ("near copies of pictures, recall / precision", copies, "–", "images"),
        ("all checks and copies of 1,000 JPEGs, 512 px", seconds["audit"],
         f"cleanvision: {seconds['cleanvision']}", "images"),
        ("perceptual hashes of the same (six of 256 bits; theirs one of 64)", seconds["hashes"],
         f"imagehash: {seconds['imagehash']}", "images"),
    ]


def tables() -> list[Line]:
    figures, adult = read("tables"), read("adult")["methods"]
    adult_cells = next(of for name, of in figures["planted"].items() if name.startswith("adult"))
    cells = (("wrong cells of the beers table (in view when rules were written), F1", figures["cells"]),
             ("wrong cells planted into adult, F1", adult_cells))  # fmt: skip
    lines = [(what, f"{of['assay']['f1']:.3f}", f"format rules alone: {of['format rules alone']['f1']:.3f}",
              "tables") for what, of in cells]  # fmt: skip
    accuracy = {name: f"{of['accuracy']['mean']:.3f}" for name, of in adult.items()}
    ours = ", ".join(f"{name.removeprefix('assay ')} {value}" for name, value in accuracy.items()
                     if name.startswith("assay"))  # fmt: skip
    peer = f"HistGradientBoosting: {accuracy['scikit-learn, defaults']}"
    return [*lines, ("adult, test accuracy", ours, peer, "adult")]


def pairs() -> list[Line]:
    figures, generation = read("sft"), read("generation")
    formats = [of for name, of in figures["toolformer"]["kinds"].items() if "contradiction" not in name]
    lowest = [min(of[key] for of in formats) for key in ("precision", "recall")]
    made = figures["generated"]["kinds"]
    found = made["contradictions"], made["contradictions in other words"]
    c = generation["comparison"]
    loss = f"{c['curated']:.3f}, difference {c['difference']:+.3f} [{c['low']:+.3f}, {c['high']:+.3f}]"
    return [
        ("faults planted into instruction pairs, the lowest precision / recall of a kind",
         f"{lowest[0]:.2f} / {lowest[1]:.2f}", "–", "sft"),
        ("contradicting answers, recall; of questions in other words",
         f"{found[0]['recall']:.2f}; {found[1]['recall']:.2f}", "–", "sft"),
        ("held-out loss after curation with a reviewer, tiny model, nats a byte of the answers",
         f"{loss}, {c['verdict']}", f"raw: {c['raw']:.3f}", "generation"),
    ]  # fmt: skip


def labels() -> list[Line]:
    figures, budget = read("labels"), read("budget")
    lines = []
    rates = [[of[who] for of in figures["lists"].values()] for who in ("assay", "cleanlab")]
    means = [" / ".join(f"{sum(r[key] for r in of) / len(of):.3f}"
                        for key in ("average_precision", "precision", "recall")) for of in rates]  # fmt: skip
    lines.append(("wrong lists of classes, average precision / precision / recall", means[0],
                  f"cleanlab, same probabilities: {means[1]}", "labels"))
    for name, of in budget["sets"].items():
        five = of["budgets"]["5"]
        lines.append((f"5 train rows a class chosen of {of['train_rows']:,}, {name}: test accuracy",
                      f"{five['facility location']['accuracy']:.3f}",
                      f"drawn by class: {five['stratified']['accuracy']:.3f}", "budget"))  # fmt: skip
    return lines


def block() -> str:
    lines = [*images(), *tables(), *pairs(), *labels()]
    rows = [f"| {what} | {ours} | {peer} | `{name}` |" for what, ours, peer, name in lines]
    return "\n".join(["| what | Assay | beside it | benchmark |", "| --- | --- | --- | --- |", *rows])


def main() -> None:
    text = PAGE.read_text("utf-8")
    head, rest = text.split(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{block()}\n{END}{rest.split(END)[1]}", "utf-8")


if __name__ == "__main__":
    main()
