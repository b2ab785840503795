"""Honest caching: nothing stale is served, only what depends on an edit is computed again, and it is said
why."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import make_text, text_rows
from promises import count, record
from rerun_data import once, write_folder

import pipeline
from pipeline.dataset import Dataset, Roles
from pipeline.signals.engine import Engine, Signals


def setting(old, new):
    def edit(folder):
        path = folder / "recipe.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return edit


def cell(old, new):
    def edit(folder):
        path = folder / "rows.csv"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return edit


def lines(change):
    def edit(folder):
        path = folder / "rows.csv"
        head, *rows = path.read_text().splitlines()
        path.write_text("\n".join([head, *change(rows)]) + "\n")

    return edit


def nothing(folder):
    os.utime(folder / "rows.csv", (0, 0))


ROW = text_rows()[0]
# edit, what must be computed again whatever it gives: the stage that was edited; `ingest` for the input
EDITS = {
    "a title": (setting('"rerun"', '"another"'), []),
    "a time stamp": (nothing, []),
    "a threshold": (setting("0.55", "0.9"), ["duplicates"]),
    "a default written out": (setting("threshold = 0.55", 'threshold = 0.55\nexact = "drop"'), []),
    "what to do with copies": (setting("0.55", '0.55\nnear = "flag"'), ["duplicates"]),
    "a setting of text": (setting('"clean"', '"clean"\n[stages.text]\nmarkup = false'), ["clean"]),
    "a bound": (setting('use = "quality"', 'use = "quality"\n[stages.text]\nshort = "drop"'), ["quality"]),
    "a stage less": (setting('[[stages]]\nuse = "quality"\n', ""), []),
    "a stage more": (setting('= "over"', '= "over"\n[[stages]]\nuse = "rebalance"'), ["rebalance"]),
    "a sampler": (setting('"over"', '"under"'), ["rebalance"]),
    "children": (setting('"rare"', '"rare"\nper_row = 2'), ["augment"]),
    "the seed": (setting("seed = 0", "seed = 1"), ["ingest"]),
    "a byte of a text": (cell(ROW["text"], ROW["text"].replace("e", "a", 1)), ["ingest", "clean"]),
    "a label": (cell(f"{ROW['text']},sport", f"{ROW['text']},money"), ["ingest", "clean"]),
    "a split": (cell(f"{ROW['text']},sport,train", f"{ROW['text']},sport,test"), ["ingest", "clean"]),
    "a row less": (lines(lambda rows: rows[1:]), ["ingest", "clean"]),
    "a row more": (lines(lambda rows: [*rows, "zzz,quite a new row,sport,train,a"]), ["ingest", "clean"]),
    "the order of rows": (lines(lambda rows: rows[::-1]), ["ingest"]),
    "a blank line": (lines(lambda rows: [*rows, ""]), ["ingest"]),
    "another role": (setting('split = "split"\n', 'split = "split"\ngroup = "site"\n'), ["ingest", "clean"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with data, recipe and a workspace in which the recipe has run."""
    folder = tmp_path_factory.mktemp("rerun") / "base"
    done = once(write_folder(folder, text_rows()), folder / "workspace")
    assert done["ingested"] and len(done["stages"]) == 5
    return folder, done


def faults_of(first, again, fresh, expected):
    """Say what is stale and what was computed for nothing."""
    wrong = []
    if (again["after"], again["edits"]) != (fresh["after"], fresh["edits"]):
        wrong.append("stale: it is not what a new workspace gives")
    edited = [s for s in expected if s != "ingest"]
    moved = [stage for stage, before in again["inputs"] if [stage, before] not in first["inputs"]]
    if set(again["stages"]) - set(edited) - set(moved) or set(edited) - set(again["stages"]):
        wrong.append(
            f"computed {again['stages']}, of which {edited} were edited and {moved} had another input"
        )
    if again["ingested"] != ("ingest" in expected):
        wrong.append(f"read again: {again['ingested']}")
    computed = again["stages"] + ["ingest"] * again["ingested"]
    if len(again["told"]) != len(computed):
        wrong.append(f"told {again['told']} of {computed}")
    return wrong


def test_an_edit_recomputes_what_depends_on_it_and_nothing_else(base, tmp_path):
    folder, first = base
    wrong = {}
    for name, (edit, expected) in EDITS.items():
        copy = Path(shutil.copytree(folder, tmp_path / name))
        edit(copy)
        again = once(copy / "recipe.toml", copy / "workspace")
        fresh = once(copy / "recipe.toml", tmp_path / f"{name} fresh")
        if found := faults_of(first, again, fresh, expected):
            wrong[name] = found
    record("honest_caching", len(EDITS) - len(wrong), len(wrong))
    assert wrong == {}


QUIET = "\n\nQuality.find = lambda self, data, signals: Findings.of('quality')\n"
CODE_EDITS = {
    "pipeline/report/page.py": ("\n# a remark\n", []),
    "pipeline/stages/quality.py": (QUIET, ["quality"]),
    "pipeline/minhash.py": ("\n# a remark\n", ["ingest", "duplicates"]),
    "pipeline/modalities/text/markup.py": (
        "\n# a remark\n", ["ingest", "clean", "quality", "duplicates", "rebalance", "augment"],
    ),
    "pipeline/findings.py": (
        "\n# a remark\n", ["ingest", "clean", "quality", "duplicates", "rebalance", "augment"],
    ),
}  # fmt: skip


def test_edited_code_recomputes_what_stands_on_it(base, tmp_path):
    folder, first = base
    package = Path(pipeline.__file__).parent
    wrong = {}
    n = count(2, len(CODE_EDITS))
    for k, (name, (text, expected)) in enumerate(list(CODE_EDITS.items())[:n]):
        code = tmp_path / f"code{k}"
        shutil.copytree(package, code / "pipeline")
        with (code / name).open("a") as file:
            file.write(text)
        copy = Path(shutil.copytree(folder, tmp_path / f"copy{k}"))
        again, fresh = (run_with(code, copy, w) for w in (copy / "workspace", tmp_path / f"fresh{k}"))
        if found := faults_of(first, again, fresh, expected):
            wrong[name] = found
        if text == QUIET and again["edits"] >= first["edits"]:
            wrong[name] = ["the edit changed nothing"]
    record("honest_caching_code", n - len(wrong), len(wrong))
    assert wrong == {}


def run_with(code, folder, workspace):
    """Run the recipe with another copy of the package."""
    script = str(Path(__file__).with_name("rerun_data.py"))
    command = [sys.executable, script, str(folder / "recipe.toml"), str(workspace)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(code)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_says_which_part_of_the_key_has_changed(base, tmp_path):
    copy = Path(shutil.copytree(base[0], tmp_path / "copy"))
    setting("0.55", "0.9")(copy)
    told = once(copy / "recipe.toml", copy / "workspace")["told"]
    assert told[0] == "duplicates runs again: settings.threshold: 0.55 -> 0.9"
    cell(ROW["text"], "Something else altogether.")(copy)
    told = once(copy / "recipe.toml", copy / "workspace")["told"]
    assert told[0].startswith("ingest runs again: files: ") and told[1].startswith(
        "clean runs again: data: changed"
    )


@pytest.mark.parametrize("signal", ["measures", "embeddings"])
def test_one_row_of_a_hundred_costs_one_row_of_a_hundred(signal, cache):
    rng, rows = np.random.default_rng(0), make_text().table.slice(0, 100)
    texts = rows["text"].to_pylist()
    texts[int(rng.integers(100))] = f"Nobody has ever said this about {signal} before."
    for cells, expected in ((rows["text"].to_pylist(), None), (texts, [f"{signal}:1"])):
        table = rows.set_column(rows.column_names.index("text"), "text", pa.array(cells, pa.large_string()))
        engine = Engine(cache=cache)
        Signals(Dataset.of(table, Roles(content=("text",), label="label"), "text"), engine)[signal]
        assert expected is None or engine.computed == expected
