"""Small datasets with something wrong of every kind, one for each modality, and a cache for the session."""

from __future__ import annotations

import os
import random

import pytest
from image_data import make_image
from pairs_data import make_preference, make_sft

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from pipeline.dataset import Dataset, Roles
from pipeline.signals.engine import Engine
from pipeline.store import Store

WORDS = {
    "sport": "match goal team coach league striker penalty stadium season referee cup defender injury win "
    "draw",
    "money": "bank shares profit market investor inflation quarter dividend merger trader revenue currency "
    "loan debt",
    "film": "actor director scene script festival premiere audience comedy drama award studio soundtrack "
    "sequel cast",
}
GLUE = ["the", "a", "of", "in", "on", "with", "after", "before", "while", "but", "and", "said", "that",
        "this", "its", "new", "last", "first", "over", "about"]  # fmt: skip


def sentence(topic: str, rng: random.Random, n: int = 24) -> str:
    words = WORDS[topic].split()
    return " ".join(rng.choice(words) if k % 2 else rng.choice(GLUE) for k in range(n)).capitalize() + "."


def text_rows(seed: int = 0) -> list[dict]:
    rng = random.Random(seed)
    rows = []

    def add(text, label, split="train"):
        row_id, site = f"r{len(rows):03d}", rng.choice("ab")
        rows.append({"row_id": row_id, "text": text, "label": label, "split": split, "site": site})

    for topic, n in (("sport", 40), ("money", 24), ("film", 12)):
        for _ in range(n):
            add(sentence(topic, rng), topic)
        for split in ("validation", "test"):
            for _ in range(6):
                add(sentence(topic, rng), topic, split)
    train = [r for r in rows if r["split"] == "train"]
    add(train[0]["text"], "sport")  # exact copy
    long = sentence("sport", rng, 80)
    add(long, "sport")
    add(long.replace("match", "game", 1), "sport")  # near copy
    add(train[1]["text"], "money")  # copies whose labels conflict
    held_out = next(r for r in rows if r["split"] == "test")
    add(held_out["text"], held_out["label"])  # leak
    add("", "sport")
    add("Goal.", "sport")  # too short
    add("<p>The team won the cup &amp; the league, said the coach after the match.</p>", "sport")
    add("The bankâ€™s shares fell before the merger, said the trader in the market.", "money")
    add(sentence("film", rng), "sport")  # wrong labels
    add(sentence("money", rng), "film")
    add(sentence("sport", rng), "money")
    add("zxq wvu " * 30, "sport")  # gibberish
    off_topic = "Photosynthesis converts sunlight into chemical energy within chloroplasts of green plant "
    add(off_topic + "cells.", "film")
    add(sentence("film", rng), "opera")  # a label nobody else has
    return rows


def table_rows(seed: int = 0) -> list[dict]:
    rng = random.Random(seed)
    rows = []

    def add(x, y, colour, label, split="train"):
        cells = {"x": x, "y": y, "colour": colour, "label": label, "split": split}
        rows.append({"row_id": f"t{len(rows):03d}", **cells})

    for label, n, centre in (("low", 50, -2.0), ("mid", 26, 0.0), ("high", 14, 2.5)):
        for k in range(n + 12):
            split = "train" if k < n else ("validation" if k < n + 6 else "test")
            colour = {"low": "red", "mid": "blue", "high": "green"}[label]
            add(rng.gauss(centre, 0.4), rng.gauss(-centre, 0.4), colour, label, split)
    first = rows[0]
    add(first["x"], first["y"], first["colour"], "low")  # exact copy
    add(first["x"], first["y"], first["colour"], "high")  # copies whose labels conflict
    held_out = next(r for r in rows if r["split"] == "test")
    add(held_out["x"], held_out["y"], held_out["colour"], held_out["label"])  # leak
    add(None, 2.0, " red ", "low")  # missing and untidy
    add(None, None, None, "low")
    add(2.5, -2.5, "green", "low")  # wrong labels
    add(-2.0, 2.0, "red", "high")
    add(60.0, 60.0, "red", "low")  # outlier
    add(0.1, 0.1, "blue", "never")  # a label nobody else has
    near = rows[3]
    add(near["x"], near["y"], "crimson", near["label"])  # near copy: one cell of three differs
    add(-2100.0, 2.05, "red", "low")  # a number whose decimal point the rest of the row puts elsewhere
    return rows


def make_text(seed: int = 0) -> Dataset:
    return Dataset.of(_columns(text_rows(seed)), Roles(content=("text",), label="label"), "text")


def make_table(seed: int = 0) -> Dataset:
    import pyarrow as pa

    table = pa.Table.from_pylist(table_rows(seed))
    return Dataset.of(table, Roles(content=("colour", "x", "y"), label="label"), "tabular")


def _columns(rows: list[dict]) -> dict[str, list]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def make_text_sets(seed: int = 0) -> Dataset:
    """The texts with lists of topics; one in four is about two, some lists lack one or have one too many."""
    rng, rows = random.Random(seed + 1), text_rows(seed)
    for k, row in enumerate(rows):
        row["label"] = [row["label"]]
        if k % 4 == 0 and k < 112 and row["text"]:
            other = rng.choice([t for t in WORDS if t not in row["label"]])
            row["text"] += " " + sentence(other, rng, 16)
            row["label"] = sorted([*row["label"], other])
    rows[0]["label"], rows[4]["label"], rows[1]["label"] = [], ["film"], ["film", "sport"]
    return Dataset.of(_columns(rows), Roles(content=("text",), label="label"), "text")


def make_text_votes(seed: int = 0) -> Dataset:
    """The texts with the votes of three annotators, one of them careful; some did not vote."""
    from pipeline.label_types import votes_column

    rng, rows = random.Random(seed + 2), text_rows(seed)
    names = {"ann": 0.05, "bob": 0.25, "eve": 0.5}
    for row in rows:
        true = row.pop("label")
        for name, slip in names.items():
            row[name] = rng.choice(list(WORDS)) if rng.random() < slip else true
            row[name] = None if rng.random() < 0.1 else row[name]
    columns = _columns(rows)
    columns["label"] = votes_column([columns[name] for name in names])
    roles = Roles(content=("text",), label="label", annotators=tuple(names))
    return Dataset.of(columns, roles, "text")


# The part of a name before "-" is the modality; what follows tells labels of another shape.
FIXTURES = {"text": make_text, "text-sets": make_text_sets, "text-votes": make_text_votes,
            "tabular": make_table, "sft": make_sft, "preference": make_preference,
            "image": make_image}  # fmt: skip


def modality_of(kind: str) -> str:
    return kind.partition("-")[0]


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Store:
    """Signals computed by one test serve the others."""
    return Store(tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def engine(cache) -> Engine:
    return Engine(cache=cache)


@pytest.fixture(params=sorted(FIXTURES))
def data(request) -> Dataset:
    return FIXTURES[request.param]()


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """A real Prefect server that the session's tests share; flows called in this process use it too."""
    from prefect_server import QUIET, running_server

    home = tmp_path_factory.mktemp("prefect")
    for name, value in {**QUIET, "PREFECT_HOME": str(home)}.items():
        os.environ.setdefault(name, value)  # Prefect reads them when it is imported
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with running_server(home) as server, temporary_settings(
        {PREFECT_API_URL: server.api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    ):
        yield server
