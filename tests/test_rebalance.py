"""Rebalance: imbalanced-learn's points with lineage, cleaners on any content, and what has no in-between."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pytest
from conftest import make_table, make_text
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE
from imblearn.under_sampling import EditedNearestNeighbours, TomekLinks

from pipeline.dataset import Dataset, Roles
from pipeline.recipe import build_stage
from pipeline.run import run_stage
from pipeline.signals.engine import Signals
from pipeline.synthesis import draws


def cloud(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    groups = ((0, 120), (1, 30), (-1, 12))
    vectors = np.concatenate([rng.normal(centre, 1, (n, 3)) for centre, n in groups])
    return vectors, np.repeat([0, 1, 2], [120, 30, 12])


def points(vectors, found):
    return vectors[found.one] + found.share[:, None] * (vectors[found.other] - vectors[found.one])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("method", "sampler"), [("smote", SMOTE), ("borderline_smote", BorderlineSMOTE), ("adasyn", ADASYN)])
def test_the_points_are_those_of_imbalanced_learn(method, sampler, seed):
    vectors, codes = cloud(seed)
    for target in (1, 2):
        n = 60
        name = "n_neighbors" if method == "adasyn" else "k_neighbors"
        strategy = {target: n + int((codes == target).sum())}
        theirs = sampler(sampling_strategy=strategy, random_state=seed, **{name: 5})
        expected = theirs.fit_resample(vectors, codes)[0][len(vectors):]
        found = draws(vectors, codes, target, n, method, 5, seed)
        assert len(found.one) > 40
        np.testing.assert_allclose(points(vectors, found), expected)
        assert set(codes[found.one]) == set(codes[found.other]) == {target}


def test_a_class_of_two_rows_can_grow_and_one_of_one_row_cannot():
    vectors, codes = np.arange(10.0).reshape(5, 2), np.array([0, 0, 0, 1, 1])
    found = draws(vectors, codes, 1, 4, "smote", 5, 0)
    assert set(found.one) | set(found.other) == {3, 4} and (found.one != found.other).all()
    assert not len(draws(vectors, np.array([0, 0, 0, 0, 1]), 1, 4, "smote", 5, 0).one)


def table(seed: int = 0) -> Dataset:
    vectors, codes = cloud(seed)
    rows = {"row_id": [f"r{i:03d}" for i in range(len(codes))], "x": vectors[:, 0], "y": vectors[:, 1],
            "n": np.arange(len(codes)), "word": [("red", "blue")[i % 2] for i in range(len(codes))],
            "label": [f"c{c}" for c in codes]}
    return Dataset.of(rows, Roles(content=("n", "word", "x", "y"), label="label"), "tabular")


def test_a_made_row_lies_between_its_two_parents(engine):
    data = table()
    step = run_stage(data, build_stage("rebalance", {"method": "smote", "strength": 1.0}, "tabular"), engine)
    added = step.findings.added.to_pylist()
    assert len(added) == 90 + 108
    before = {row["row_id"]: row for row in data.table.to_pylist()}
    for row in added:
        one, other = (before[p] for p in row["parents"])
        assert one["label"] == other["label"] == row["label"] and row["split"] == "train"
        for column in ("x", "y", "n"):
            low, high = sorted((one[column], other[column]))
            assert low - 1e-9 <= row[column] <= high + 1e-9
        assert isinstance(row["n"], int) and row["word"] in (one["word"], other["word"])


@pytest.mark.parametrize(("method", "cleaner"), [("tomek", TomekLinks), ("enn", EditedNearestNeighbours)])
def test_cleaners_drop_what_imbalanced_learn_drops(method, cleaner, engine):
    data = table()
    step = run_stage(data, build_stage("rebalance", {"method": method}, "tabular"), engine)
    vectors = np.asarray(Signals(data, engine)["embeddings"], np.float64)
    theirs = cleaner(sampling_strategy=["c0", "c1"])
    theirs.fit_resample(vectors, np.array(list(data.labels)))
    kept = set(data.ids[theirs.sample_indices_])
    dropped = {row["row_id"] for row in step.findings.rows() if row["action"] == "drop"}
    assert dropped == set(data.ids) - kept and len(dropped) >= 5


def test_texts_have_no_in_between_and_it_says_what_else_there_is(engine):
    step = run_stage(make_text(), build_stage("rebalance", {"method": "smote"}, "text"), engine)
    assert step.skipped == "no text lies between two texts; use weights, over or augment"


def test_held_out_rows_are_no_parents(engine):
    data = make_table()
    step = run_stage(data, build_stage("rebalance", {"method": "smote"}, "tabular"), engine)
    train = set(data.ids[data.is_train])
    parents = pc.list_flatten(step.findings.added["parents"]).to_pylist()
    assert parents and set(parents) <= train


def test_classes_of_about_the_same_size_are_no_issue(engine):
    step = run_stage(make_table(), build_stage("rebalance", {"min_ratio": 100}, "tabular"), engine)
    assert not step.findings.rows() and not step.skipped
    assert step.findings.metrics["imbalance_ratio"] > 1 and step.findings.scores.num_rows
