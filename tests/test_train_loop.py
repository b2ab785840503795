"""The whole way, from a file to a committed run, for pictures and tables: the loop asks for no modality."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_train_table import table_rows
from tiny_images import picture_rows, save_tiny_network

from finetune.evaluate import evaluate
from finetune.loop import improve
from finetune.record import commit, summarize
from finetune.settings import Training
from finetune.train import load
from pipeline.recipe import load_recipe
from pipeline.signals.engine import Engine
from pipeline.store import Store

RECIPE = """
[data]
path = "rows.parquet"
{roles}
label = "label"
id = "row_id"
split = "split"
[[stages]]
use = "duplicates"
[[stages]]
use = "label_noise"
action = "flag"
[loop]
rounds = 1
replicates = 5
[signals.embeddings]
encoder = {encoder}
precision = "fp32"
[train]
{train}
"""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def pictures_recipe(folder, train):
    rows = picture_rows(72)
    cells = pa.array([row["image"]["bytes"] for row in rows], pa.binary())
    columns = {name: [row[name] for row in rows] for name in ("row_id", "label", "split")}
    pq.write_table(pa.table({**columns, "image": cells}), folder / "rows.parquet")
    network = str(save_tiny_network(folder / "network", "resnet"))
    given = train + f'\nmodel = "{network}"\nlearning_rate = 0.01'
    roles = 'image = "image"\nmodality = "image"'
    recipe = RECIPE.format(roles=roles, encoder=json.dumps(network), train=given)
    (folder / "recipe.toml").write_text(recipe)


def table_recipe(folder, train):
    rows = table_rows(180)
    columns = {name: [row[name] for row in rows] for name in rows[0] if name not in ("weight", "parents")}
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    roles = 'columns = ["colour", "flag", "x", "y"]\nmodality = "tabular"'
    recipe = RECIPE.format(roles=roles, encoder="", train=train).replace("encoder = \n", "")
    (folder / "recipe.toml").write_text(recipe)


@pytest.mark.parametrize(("write", "train"), [
    (pictures_recipe, 'method = "partial"\nlayers = 1\nepochs = 1\nseeds = 1'),
    (pictures_recipe, 'method = "full"\nbatch_norm = "learnt"\nepochs = 1\nseeds = 1'),
    (table_recipe, 'method = "full"\nepochs = 2\nseeds = 1'),
    (table_recipe, 'method = "boosting"\ntrees = 20\nseeds = 2'),
], ids=["pictures, partial", "pictures, full", "table, full", "table, boosting"])  # fmt: skip
def test_a_run_ends_with_a_model_that_is_judged_and_a_report(write, train, tmp_path):
    write(tmp_path, train)
    plan, store = load_recipe(tmp_path / "recipe.toml", (), Training), Store(tmp_path / "workspace")
    engine = Engine(plan.signals, store)
    number = commit(improve(plan, store, engine), store)
    facts = summarize(store, number)
    method = Training(**plan.train).method
    assert {c["method"] for c in facts["evaluation"]["comparisons"]} == {method, "probe"}
    model = load(facts["model"])
    assert model.method == method
    root = store.load(facts["root"])
    again = evaluate(model, root, "test", engine, seed=plan.seed)
    told = facts["evaluation"]["curated"]["metrics"]["accuracy"]["value"]
    assert again.metrics["accuracy"]["value"] == pytest.approx(told, abs=1e-6)
    if write is pictures_recipe:  # the table's measures are the same for most rows, and so no slices
        seen = evaluate(model, root, "train", engine, n_boot=20)
        assert {"brightness_mean", "sharpness"} & {s.slice.split("=")[0].rstrip("<>") for s in seen.slices}
    assert (store.root / "runs" / str(number) / "report.html").stat().st_size > 10_000
    assert store.find_run(improve(plan, store, engine).key) == number  # the second time nothing is new
