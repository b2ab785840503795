"""Recipes with a slip in them: what was written, and what the error must name as meant."""

from __future__ import annotations

import os
from pathlib import Path

from hostile import Case, Make, file

GOOD = """\
title = "Reviews"
seed = 0

[data]
path = "d.csv"
text = "text"
label = "y"
test_fraction = 0.2
validation_fraction = 0.1

[[stages]]
use = "clean"
[stages.text]
markup = true
whitespace = true

[[stages]]
use = "duplicates"
threshold = 0.55

[[stages]]
use = "label_noise"
action = "drop"
act_from = 0.03

[[stages]]
use = "augment"

[signals.embeddings]
encoder = "minilm"
max_tokens = 256

[train]
method = "probe"
learning_rate = 1e-4
epochs = 3
batch_rows = 32
warmup_fraction = 0.1

[loop]
rounds = 2
replicates = 20
harmful = "reject"
"""

# what stands in GOOD, the slip, and what was meant
TYPOS: tuple[tuple[str, str, str], ...] = (
    ("title =", "titel =", "title"),
    ("seed =", "sede =", "seed"),
    ("[data]", "[date]", "data"),
    ("[loop]", "[loops]", "loop"),
    ("[train]", "[training]", "train"),
    ("[signals.", "[signal.", "signals"),
    ("path =", "pth =", "path"),
    ("text = ", "txt = ", "text"),
    ("text = ", "text_column = ", "text"),
    ("label =", "lable =", "label"),
    ("label =", "Label =", "label"),
    ("label =", "label_column =", "label"),
    ("label =", "labels =", "label"),
    ("test_fraction", "test-fraction", "test_fraction"),
    ("test_fraction", "test_fracton", "test_fraction"),
    ("validation_fraction", "val_fraction", "validation_fraction"),
    ("markup", "mark_up", "markup"),
    ("whitespace", "whitspace", "whitespace"),
    ("threshold", "treshold", "threshold"),
    ("threshold", "thresh", "threshold"),
    ("act_from", "act_form", "act_from"),
    ('"clean"', '"cleen"', "clean"),
    ('"duplicates"', '"duplicate"', "duplicates"),
    ('"label_noise"', '"labelnoise"', "label_noise"),
    ('"augment"', '"augmentation"', "augment"),
    ('"drop"', '"dorp"', "drop"),
    ("embeddings", "embedding", "embeddings"),
    ("encoder", "encodr", "encoder"),
    ("max_tokens", "maxtokens", "max_tokens"),
    ("method", "metod", "method"),
    ('"probe"', '"prob"', "probe"),
    ("learning_rate", "lr", "learning_rate"),
    ("epochs", "num_epochs", "epochs"),
    ("batch_rows", "batch_size", "batch_rows"),
    ("warmup_fraction", "warmup", "warmup_fraction"),
    ("rounds = 2", "round = 2", "rounds"),
    ("rounds = 2", "epochs = 2", "train.epochs"),
    ("replicates", "replicate", "replicates"),
    ("harmful", "harmfull", "harmful"),
    ('"reject"', '"rejcet"', "reject"),
    ("act_from = 0.03", "rounds = 3", "loop.rounds"),
    ("label = ", "seed = 1 # ", "seed"),
)


def suggested(line: str, wanted: str) -> bool:
    """Return whether an error line asks whether `wanted` was meant."""
    return f"did you mean {wanted}?" in line or f"did you mean {wanted}," in line


def change(old: str, new: str) -> str:
    assert old in GOOD, old
    return GOOD.replace(old, new, 1)


def broken(name: str, text: bytes | str, *says: str, errors: int = 1) -> Case:
    return Case(f"recipe: {name}", file("r.toml", text), says, 2, options=(), command="run", errors=errors)


def odd(name: str, make: Make, *says: str) -> Case:
    return Case(f"recipe: {name}", make, says, 2, options=(), command="run")


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "r.toml")
    return "r.toml"


def directory(folder: Path) -> str:
    (folder / "r.toml").mkdir()
    return "r.toml"


def cases() -> list[Case]:
    """Return recipes that are refused; every one names the line where there is one."""
    five = GOOD.replace("label =", "lable =").replace("threshold", "treshold").replace("epochs =", "epoch =")
    five = five.replace("rounds = 2", "rounds = 0").replace('"drop"', "3")
    return [
        broken(
            "five mistakes at once", five, "lable", "treshold", "epoch", "loop.rounds", "action", errors=5
        ),
        *types(),
        *missing(),
        *toml(),
        odd("a pipe", pipe, "regular file"),
        odd("a folder", directory, "regular file"),
        odd("/dev/zero", lambda folder: "/dev/zero", "regular file"),
        odd("not there", lambda folder: "r.toml", "r.toml"),
        odd("a name too long", lambda folder: "x" * 300 + ".toml", "too long"),
        broken("two megabytes", "# x\n" * 500_000, "2,000,000 bytes"),
    ]


def types() -> list[Case]:
    return [
        broken(
            "a word for a number",
            change("threshold = 0.55", 'threshold = "high"'),
            "r.toml:19",
            "threshold",
            "'high'",
        ),
        broken("a number for a name", change('label = "y"', "label = 5"), "r.toml:7", "data.label", "not 5"),
        broken("a list for a name", change('text = "text"', 'text = ["a", "b"]'), "r.toml:6", "data.text"),
        broken("a table for a number", change("rounds = 2", "rounds = {n = 2}"), "loop.rounds"),
        broken(
            "a fraction of 2", change("test_fraction = 0.2", "test_fraction = 2"), "r.toml:8", "less than 1"
        ),
        broken("a negative fraction", change("test_fraction = 0.2", "test_fraction = -1"), "r.toml:8"),
        broken("not a number", change("threshold = 0.55", "threshold = nan"), "r.toml:19", "threshold"),
        broken("half a round", change("rounds = 2", "rounds = 2.5"), "loop.rounds", "2.5"),
        broken("a number for the data", change("[data]", "data = 5\n[dat]"), "data", "table", errors=2),
        broken("a list for the data", change("[data]", "[[data]]"), "r.toml:4", "data", "table"),
        broken(
            "a number for the stages", "stages = 3\n" + GOOD.split("[[stages]]")[0], "r.toml:1", "[[stages]]"
        ),
        broken(
            "one table for the stages",
            GOOD.split("[[stages]]")[0] + '[stages]\nuse = "clean"\n',
            "[[stages]]",
        ),
        broken(
            "words for the stages",
            'stages = ["clean"]\n' + GOOD.split("[[stages]]")[0],
            "stages[0]",
            "name a stage",
        ),
        broken("a number for the signals", "signals = 3\n" + GOOD.split("[[stages]]")[0], "signals", "table"),
        broken("a number for the training", "train = 3\n" + GOOD.split("[[stages]]")[0], "train", "table"),
        broken("a name that is long", change('"drop"', '"' + "x" * 5_000 + '"'), "action", "..."),
        broken(
            "an encoding of nowhere",
            change('text = "text"', 'text = "text"\nencoding = "gb1803"'),
            "r.toml:7",
            "data.encoding",
            "did you mean gb18030?",
        ),
        broken(
            "a modality of nowhere",
            change('text = "text"', 'text = "text"\nmodality = "txt"'),
            "did you mean text?",
        ),
    ]


def missing() -> list[Case]:
    return [
        broken("empty", "", "data", "missing"),
        broken("only comments", "# nothing\n", "data", "missing"),
        broken("no path", change('path = "d.csv"\n', ""), "data.path", "missing"),
        broken("an empty path", change('"d.csv"', '""'), "data.path"),
        broken(
            "path and sources",
            change("[[stages]]", '[[data.sources]]\nname = "a"\npath = "a"\n[[stages]]'),
            "both path",
        ),
        broken("text and columns", change('text = "text"', 'text = "text"\ncolumns = ["a"]'), "both text"),
        broken(
            "nothing left to train on", change("test_fraction = 0.2", "test_fraction = 0.95"), "no train rows"
        ),
        broken("a stage without a name", change('use = "duplicates"\n', ""), "stages[1]", "name a stage"),
        broken(
            "a source without a path", '[[data.sources]]\nname = "a"\n', "data.sources[0].path", "missing"
        ),
        broken(
            "stages out of order",
            change('"clean"', '"rebalance"').replace("[stages.text]\nmarkup = true\nwhitespace = true\n", ""),
            "order must be",
        ),
    ]


def toml() -> list[Case]:
    return [
        broken("a bracket open", change("[loop]", "[loop"), "r.toml:40", "not TOML"),
        broken("a quote open", change('"d.csv"', '"d.csv'), "r.toml:5", "not TOML"),
        broken("a key twice", change('text = "text"', 'text = "text"\ntext = "b"'), "r.toml:7", "not TOML"),
        broken("a table twice", GOOD + "[loop]\n", "not TOML"),
        broken("words without quotes", change('"text"', "text"), "r.toml:6", "not TOML"),
        broken("cut", GOOD[:60], "not TOML"),
        broken("YAML", "data:\n  path: d.csv\n", "r.toml:1", "not TOML"),
        broken("JSON", '{"data": {"path": "d.csv"}}', "r.toml:1", "not TOML"),
        broken("NUL", GOOD.encode() + b"\0", "not TOML"),
        broken("latin-1", GOOD.replace("Reviews", "R\u00e9sum\u00e9s").encode("latin-1"), "byte ", "UTF-8"),
        broken("UTF-16", GOOD.encode("utf-16"), "byte ", "UTF-8"),
        broken("nested 5,000 deep", "x = " + "[" * 5_000 + "]" * 5_000, "nested too deeply"),
        broken("a NUL in a path", change('"d.csv"', '"d\\u0000.csv"'), "path"),
    ]
