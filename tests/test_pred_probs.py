import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from pipeline import linear
from pipeline.crossfit import cross_fit, fold_of
from pipeline.dataset import Dataset, Roles
from pipeline.signals import pred_probs
from pipeline.signals.engine import Engine
from pipeline.signals.pred_probs import OutOfFoldProbabilities
from pipeline.stage import NotApplicable

N = 240
CLASSES = np.array(["a", "b", "c"])


def planted(seed=0, noise=0.15):
    """Dense and sparse views of three separable classes, and labels with some changed."""
    rng = np.random.default_rng(seed)
    truth = np.arange(N) % 3
    dense = np.eye(3)[truth] + rng.normal(0, 0.3, (N, 3))
    often = np.arange(30)[None] % 3 == truth[:, None]
    sparse = csr_matrix((rng.random((N, 30)) < 0.1 + 0.5 * often).astype(np.float32))
    given = np.where(rng.random(N) < noise, (truth + rng.integers(1, 3, N)) % 3, truth)
    return dense, sparse, truth, given


def fit(views, labels, is_train=None, folds=None, weights=None, c=(1.0,), **settings):
    n = len(labels)
    is_train = np.ones(n, bool) if is_train is None else is_train
    folds = np.arange(n) * 7 % 5 if folds is None else folds
    weights = np.ones(n) if weights is None else weights
    c = dict.fromkeys(views, c)
    return cross_fit(views, np.asarray(labels), is_train, folds, weights, 3, c, **settings)


def dataset(labels, split=None, **columns):
    ids = [f"{i:04}" for i in range(len(labels))]
    rows = {"row_id": ids, "text": ["x"] * len(labels), "y": labels, **columns}
    if split is not None:
        rows["split"] = split
    roles = Roles(content=("text",), label="y", group="g" if "g" in columns else None)
    return Dataset.of(rows, roles, "text")


@pytest.fixture
def compute(monkeypatch):
    def run(data, dense, sparse, workers=1, **settings):
        fake = SimpleNamespace(views=lambda content, is_train: {"words": sparse})
        monkeypatch.setattr(pred_probs, "modality", lambda name: fake)
        signal = OutOfFoldProbabilities(**settings)
        return signal.compute(data, {"embeddings": dense.astype(np.float32)}, Engine(workers=workers))

    return run


def test_changed_labels_are_the_improbable_ones():
    dense, sparse, truth, given = planted()
    found = fit({"dense": dense, "sparse": sparse}, given, c=(0.3, 3.0))
    assert np.allclose(found.probs.sum(axis=1), 1)
    assert (found.probs.argmax(axis=1) == truth).mean() > 0.97
    wrong = given != truth
    assert found.suspects[wrong].mean() > 0.8
    assert found.suspects[~wrong].mean() < 0.05
    doubted = found.probs.max(axis=1) > 2 * found.probs[np.arange(N), given]
    assert doubted[wrong].mean() > 0.9
    assert doubted[~wrong].mean() < 0.05


def test_a_row_does_not_teach_its_own_model():
    _, _, _, given = planted()
    own = fit({"id": csr_matrix(np.eye(N))}, given, c=(100.0,), passes=1, balance=0.0)
    assert own.probs[np.arange(N), given].mean() < 0.4  # a third by chance; nearly 1 if the row had been seen


def test_the_sparse_model_is_liblinears(monkeypatch):
    monkeypatch.setattr(linear, "MOST_EPOCHS", 100)
    _, sparse, _, given = planted()
    cost = np.where(np.arange(N) % 2, 3.0, 0.5)
    wanted = np.stack([
        LogisticRegression(solver="liblinear", dual=True, tol=1e-8, max_iter=9999)
        .fit(sparse, given == k, sample_weight=cost).predict_proba(sparse)[:, 1]
        for k in range(3)], axis=1)
    found = linear.one_against_rest(sparse, given, cost, 3, sparse)
    assert np.abs(found - wanted / wanted.sum(axis=1, keepdims=True)).max() < 1e-2


def test_rows_of_one_group_do_not_teach_each_other():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(N // 4), 4)
    labels = rng.integers(0, 3, N // 4)[group]
    view = {"group": csr_matrix(np.eye(N // 4)[group])}
    together = fit(view, labels, folds=fold_of(map(str, group), 5), passes=1)
    apart = fit(view, labels, folds=np.arange(N) % 5, passes=1)
    assert together.probs[np.arange(N), labels].mean() < 0.45
    assert apart.probs[np.arange(N), labels].mean() > 0.9


def test_a_view_that_predicts_nothing_gets_no_weight():
    dense, sparse, _, given = planted()
    noise = np.random.default_rng(9).normal(size=(N, 5))
    mix = fit({"dense": dense, "noise": noise, "sparse": sparse}, given).mix
    assert mix["noise"] < 0.05
    assert sum(mix.values()) == pytest.approx(1)


def test_held_out_rows_change_nothing_but_their_own_line():
    dense, sparse, _, given = planted()
    is_train = np.arange(N) % 4 > 0
    before = fit({"dense": dense, "sparse": sparse}, given, is_train)
    given[0], dense[0] = (given[0] + 1) % 3, -dense[0]
    after = fit({"dense": dense, "sparse": sparse}, given, is_train)
    assert (before.probs[1:] == after.probs[1:]).all()
    assert (before.probs[0] != after.probs[0]).any()


def test_rows_without_a_label_are_predicted_and_teach_nothing():
    dense, sparse, truth, given = planted()
    given[:30] = -1
    found = fit({"dense": dense, "sparse": sparse}, given)
    assert (found.probs[:30].argmax(axis=1) == truth[:30]).mean() > 0.9
    other = fit({"dense": dense, "sparse": sparse}, given, weights=np.r_[np.full(30, 9.0), np.ones(N - 30)])
    assert (found.probs == other.probs).all()


def test_a_row_of_weight_zero_teaches_nothing():
    dense, _, _, given = planted()
    weights = np.r_[np.zeros(30), np.ones(N - 30)]
    other = np.r_[(given[:30] + 1) % 3, given[30:]]
    one, two = (fit({"dense": dense}, labels, weights=weights).probs for labels in (given, other))
    assert (one == two).all()


def test_a_class_that_a_fold_lacks_has_probability_zero_there():
    dense, sparse, truth, _ = planted()
    folds = np.where(truth == 2, 0, np.arange(N) // 3 % 5)  # all of class 2 in fold 0
    found = fit({"dense": dense, "sparse": sparse}, truth, folds=folds, passes=1)
    assert (found.probs[folds == 0][:, 2] == 0).all()
    assert np.allclose(found.probs.sum(axis=1), 1)
    assert np.isfinite(found.probs).all()


def test_at_most_half_of_a_class_is_left_out():
    dense, sparse, truth, _ = planted()
    labels = np.where(truth == 2, (np.arange(N) // 3) % 2, truth)  # the third class never has its own label
    labels[:3] = 2
    found = fit({"dense": dense, "sparse": sparse}, labels)
    for k in range(3):
        assert found.suspects[labels == k].sum() <= (labels == k).sum() // 2


def test_the_table_reads_back_with_views_weights_and_class_names(compute):
    dense, sparse, truth, given = planted()
    data = dataset(CLASSES[given].tolist(), split=["train", "train", "train", "test"] * (N // 4))
    table = compute(data, dense, sparse)
    read = OutOfFoldProbabilities().read(table)
    assert read.classes == ["a", "b", "c"]
    assert sorted(read.views) == sorted(read.weights) == ["embeddings", "words"]
    assert np.allclose(sum(read.weights[v] * read.views[v] for v in read.views), read.probs)
    assert (read.codes(data.labels) == given).all()
    assert (read.codes(["c", None, "zzz"]) == [2, -1, -1]).all()
    assert (read.probs.argmax(axis=1) == truth).mean() > 0.95


def test_two_workers_give_the_bytes_of_one(compute):
    dense, sparse, _, given = planted()
    data = dataset(CLASSES[given].tolist())
    assert compute(data, dense, sparse, 1).equals(compute(data, dense, sparse, 2))


def test_a_table_with_only_probabilities_and_classes_is_read():
    probs = pa.array([[0.25, 0.75]], pa.list_(pa.float32()))
    table = pa.table({"row_id": ["r"], "probs": probs, "classes": ['["n", 1]']})
    read = OutOfFoldProbabilities().read(table)
    assert read.probs.tolist() == [[0.25, 0.75]]
    assert read.classes == ["n", 1]
    assert (read.fold.tolist(), read.views, read.weights) == ([-1], {}, {})


def test_the_fold_is_that_of_the_group(compute):
    dense, sparse, _, given = planted()
    groups = [str(i // 6) for i in range(N - 1)] + [None]
    table = compute(dataset(CLASSES[given].tolist(), g=groups), dense, sparse, passes=1)
    fold = OutOfFoldProbabilities().read(table).fold
    assert (fold[: N - 6].reshape(-1, 6) == fold[: N - 6 : 6, None]).all()
    assert len(set(fold.tolist())) == 5


def test_classes_come_from_train_rows_only(compute):
    dense, sparse, _, given = planted()
    labels = [*CLASSES[given].tolist()[:-1], "only here"]
    table = compute(dataset(labels, split=["train"] * (N - 1) + ["test"]), dense, sparse)
    assert json.loads(table["classes"][0].as_py()) == ["a", "b", "c"]


@pytest.mark.parametrize(("labels", "why"), [
    ([["a", "b"]] * N, "240 train rows of 240; 2 are needed, and 2 without"),
    (["a"] * N, "1 distinct label"),
    ([None] * N, "0 distinct labels"),
    (["a"] * (N - 1) + ["rare"], "class 'rare' has 1 train row"),
])
def test_says_why_it_does_not_apply(compute, labels, why):
    with pytest.raises(NotApplicable, match=why):
        compute(dataset(labels), np.zeros((N, 2)), csr_matrix((N, 1)))


def test_needs_a_label_column_and_more_than_one_fold(compute):
    data = Dataset.of({"row_id": ["a"], "text": ["x"]}, Roles(content=("text",)), "text")
    with pytest.raises(NotApplicable, match="no label column"):
        compute(data, np.zeros((1, 2)), csr_matrix((1, 1)))
    with pytest.raises(NotApplicable, match="too few groups"):
        compute(dataset(["a", "b"] * (N // 2), g=["same"] * N), np.zeros((N, 2)), csr_matrix((N, 1)))
