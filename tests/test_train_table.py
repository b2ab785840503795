import json
import random

import numpy as np
import pyarrow as pa
import pytest

from finetune.settings import Training
from finetune.table_rows import arrays, bins, fit_columns
from finetune.train import fit, load
from pipeline.dataset import Dataset, Roles
from pipeline.modalities import modality
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable

METHODS = ("full", "boosting")
ROLES = Roles(content=("colour", "flag", "x", "y"), label="label")
TYPES = {"x": pa.float64(), "y": pa.int64(), "colour": pa.large_string(), "flag": pa.bool_()}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def table_rows(n=240, seed=0, labels=("high", "low", "mid")):
    """Only colour and x together say the label: each column alone is little help."""
    rng = random.Random(seed)
    out = []
    for i in range(n):
        x, colour = rng.uniform(-1, 1), rng.choice(["red", "green", "blue"])
        label = labels[2 % len(labels)] if colour == "blue" else labels[int((x > 0) == (colour == "red"))]
        split = ("train", "train", "train", "train", "validation", "test")[i % 6]
        cells = {"x": None if i % 40 == 7 else x, "y": rng.randrange(1000), "colour": colour, "flag": x > 0.9}
        out.append({"row_id": f"t{i:04d}", **cells, "label": label, "split": split, "weight": 1.0,
                    "parents": []})  # fmt: skip
    return out


def table(rows, roles=ROLES):
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    types = {**TYPES, "parents": pa.large_list(pa.large_string())}
    return Dataset.of(pa.table({k: pa.array(v, types.get(k)) for k, v in columns.items()}), roles, "tabular")


def settings(method, **more):
    given = {"epochs": 15, "batch_rows": 32, "precision": "fp32", "trees": 60, **more}
    return Training(method=method, **given)


def files(folder):
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.suffix == ".safetensors"}


def right(model, data):
    held = data.where(data.splits == "test")
    return (np.array(model.classes)[model.predict(held, Engine()).argmax(axis=1)] == held.labels).mean()


@pytest.mark.parametrize("labels", [("high", "low", "mid"), (0, 1)], ids=["three classes", "two classes"])
@pytest.mark.parametrize("method", METHODS)
def test_it_learns_what_no_column_says_alone(method, labels, tmp_path):
    data = table(table_rows(720, labels=labels))
    assert right(fit(data, settings(method), Engine(), 0, tmp_path / "m"), data) > 0.85


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bytes_and_a_saved_model_says_the_same(method, tmp_path):
    data, training = table(table_rows()), settings(method, epochs=3)
    seeds = ((7, "a"), (7, "b"), (8, "c"))
    one, two, other = (fit(data, training, Engine(), seed, tmp_path / name) for seed, name in seeds)
    assert files(one.folder) == files(two.folder) != files(other.folder)
    said = one.predict(data, Engine())
    assert (load(one.folder).predict(data, Engine()) == said).all()
    np.testing.assert_allclose(said.sum(axis=1), 1.0)
    assert {p.suffix for p in one.folder.iterdir()} == {".json", ".safetensors"}
    name = {"full": "tabm", "boosting": "trees"}[method]
    assert one.describe().startswith(f"{method} of {name} on 160 rows")


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_rows_and_columns_does_not_matter(method, tmp_path):
    rows = table_rows()
    shuffled = random.Random(1).sample(rows, len(rows))
    other = Roles(content=("y", "x", "flag", "colour"), label="label")
    training = settings(method, epochs=2)
    one = fit(table(rows), training, Engine(), 0, tmp_path / "a")
    two = fit(table(shuffled, other), training, Engine(), 0, tmp_path / "b")
    assert files(one.folder) == files(two.folder)


def test_a_weight_of_two_is_the_row_twice(tmp_path):
    rows = [r for r in table_rows(90) if r["split"] == "train"]
    heavy = [{**r, "weight": 2.0 if i < 20 else 1.0} for i, r in enumerate(rows)]
    twice = [*rows, *({**r, "row_id": f"{r['row_id']}x", "parents": [r["row_id"]]} for r in rows[:20])]
    (tmp_path / "still").mkdir()
    still = {"model_type": "assay_tabm", "dropout": 0.0, "hidden": 32}
    (tmp_path / "still" / "config.json").write_text(json.dumps(still))
    new = settings("full", model=str(tmp_path / "still"), epochs=1)
    first = fit(table(rows), new, Engine(), 0, tmp_path / "first")
    assert json.loads((first.folder / "config.json").read_text())["hidden"] == 32
    training = settings("full", model=str(first.folder), batch_rows=256, epochs=3)  # keeps its columns' state
    held = table(rows)
    one, two, plain = (fit(table(given), training, Engine(), 0, tmp_path / name).predict(held, Engine())
                       for name, given in (("a", heavy), ("b", twice), ("c", rows)))  # fmt: skip
    np.testing.assert_allclose(one, two, atol=1e-4)
    assert np.abs(one - plain).max() > 1e-3


def test_only_labelled_train_rows_teach(tmp_path):
    rows = table_rows()
    odd = [{**r, "label": "low", "x": 99.0, "colour": "pink"} if r["split"] == "test" else r for r in rows]
    extra = [{**rows[0], "row_id": "z1", "label": None}, {**rows[1], "row_id": "z2", "weight": 0.0}]
    for method in METHODS:
        one = fit(table(rows), settings(method, epochs=2), Engine(), 0, tmp_path / f"{method}1")
        two = fit(table(odd + extra), settings(method, epochs=2), Engine(), 0, tmp_path / f"{method}2")
        assert files(one.folder) == files(two.folder)


@pytest.mark.parametrize("method", METHODS)
def test_unknown_and_missing_cells_are_predicted_and_missing_columns_named(method, tmp_path):
    rows = table_rows()
    model = fit(table(rows), settings(method, epochs=2), Engine(), 0, tmp_path / "m")
    odd = [{**r, "colour": "mauve" if i % 2 else None, "x": None, "y": None, "flag": None}
           for i, r in enumerate(rows[:12])]  # fmt: skip
    assert np.isfinite(model.predict(table(odd), Engine())).all()
    short = table(rows, Roles(content=("colour", "y"), label="label"))
    with pytest.raises(ValueError, match="no column 'x'; the model was trained on it"):
        model.predict(short, Engine())


@pytest.mark.parametrize("labels", [("high", "low", "mid"), (0, 1)], ids=["three classes", "two classes"])
def test_our_trees_answer_as_scikit_learn_does(labels):
    from sklearn.ensemble import HistGradientBoostingClassifier

    from finetune.boosting import Boosted, from_scikit, matrix

    data = table(table_rows(600, labels=labels))
    state = fit_columns(data.content)
    x, is_category = matrix(data.content, state)
    assert np.isnan(x).any() and is_category.sum() == 2
    theirs = HistGradientBoostingClassifier(max_iter=30, categorical_features=is_category, random_state=0)
    theirs.fit(x, data.labels.astype(str))
    ours = Boosted(state, from_scikit(theirs), len(labels))
    new = x.copy()
    new[::3, 0] = np.nan
    new[::5, 3] = np.nan
    np.testing.assert_allclose(ours.probabilities(new), theirs.predict_proba(new), atol=1e-12)


def test_numbers_enter_between_quantiles_and_nothing_is_learnt_of_other_rows():
    content = pa.table({"n": [0.0, 0.0, 0.0, 10.0, None], "w": ["a", "b", None, "a", "a"]})
    state = fit_columns(content)
    assert state["categories"] == {"w": ["", "a", "b"]}
    low, width = bins(state)
    assert low.shape == width.shape == (1, 1)
    found = arrays(pa.table({"n": [5.0, None], "w": ["c", " b "]}), state)
    assert np.isnan(found.numbers[1, 0]) and found.categories[:, 0].tolist() == [0, 3]
    assert (found.numbers[0, 0] - low[0, 0]) / width[0, 0] == pytest.approx(0.5)


def test_training_goes_on_from_a_saved_table_model(tmp_path):
    data = table(table_rows(360))
    first = fit(data, settings("full", epochs=6), Engine(), 0, tmp_path / "a")
    training = settings("full", epochs=1, model=str(tmp_path / "a"), learning_rate=1e-5)
    again = fit(data, training, Engine(), 0, tmp_path / "b")
    np.testing.assert_allclose(first.predict(data, Engine()), again.predict(data, Engine()), atol=0.05)
    assert files(first.folder) != files(again.folder)


def test_what_does_not_fit_a_table_is_said(tmp_path):
    data = table(table_rows(60))
    with pytest.raises(NotApplicable, match="method 'partial' is not for tabular rows"):
        fit(data, Training(method="partial"), Engine(), 0, tmp_path / "m")
    with pytest.raises(ValueError, match="is not for tables, which take 'tabm'"):
        fit(data, Training(method="full", model="minilm"), Engine(), 0, tmp_path / "m")
    model = fit(data, settings("boosting"), Engine(), 0, tmp_path / "m")
    text = Dataset.of({"row_id": ["a"], "text": ["x"]}, Roles(content=("text",)), "text")
    with pytest.raises(ValueError, match="a model of tabular rows, the data is text"):
        model.predict(text, Engine())


def test_the_probe_of_a_table_names_its_own_encoder(tmp_path):
    model = fit(table(table_rows()), Training(), Engine(), 0, tmp_path / "m")
    assert model.about["model"] == next(iter(modality("tabular").encoders))
    assert {p.name for p in (tmp_path / "m").iterdir()} == {
        "assay_dataset.json", "head.safetensors", "preprocess.json"}  # fmt: skip
