import numpy as np
import pytest

from pipeline import nearest as module
from pipeline.dataset import Dataset, Roles
from pipeline.nearest import nearest
from pipeline.signals.engine import Engine
from pipeline.signals.neighbors import NeighborGraph


def brute(vectors, is_train, k):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distance = 1 - unit.astype(np.float64) @ unit.T.astype(np.float64)
    distance[:, ~is_train] = np.inf
    np.fill_diagonal(distance, np.inf)
    index = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return index, np.take_along_axis(distance, index, axis=1)


def vectors_of(n, d=16, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def test_equals_a_full_sort(monkeypatch):
    monkeypatch.setattr(module, "TRAIN_ROWS", 64)  # several blocks
    vectors, is_train = vectors_of(700), np.arange(700) % 4 > 0
    index, distance = nearest(vectors, is_train, 10)
    wanted, far = brute(vectors, is_train, 10)
    assert (index == wanted).all()
    assert np.allclose(distance, far, atol=1e-6)
    assert (index.dtype, distance.dtype) == (np.int64, np.float32)


def test_only_train_rows_are_neighbours_and_none_is_its_own():
    is_train = np.arange(300) < 100
    index, _ = nearest(vectors_of(300), is_train, 5)
    assert is_train[index].all()
    assert (index != np.arange(300)[:, None]).all()


def test_equal_vectors_are_at_distance_zero_in_the_order_of_their_positions():
    vectors = np.repeat(vectors_of(1), 400, axis=0)
    index, distance = nearest(vectors, np.ones(400, bool), 3)
    assert (distance == 0).all()
    assert index[0].tolist() == [1, 2, 3]
    assert index[399].tolist() == [0, 1, 2]


def test_pads_where_train_rows_are_too_few():
    index, distance = nearest(vectors_of(3), np.array([True, True, False]), 4)
    assert index[0].tolist() == [1, -1, -1, -1]
    assert sorted(index[2].tolist()) == [-1, -1, 0, 1]
    assert np.isinf(distance[0, 1:]).all()
    assert (nearest(vectors_of(2), np.zeros(2, bool), 1)[0] == -1).all()
    assert nearest(vectors_of(0), np.zeros(0, bool), 2)[0].shape == (0, 2)


def test_a_zero_vector_is_at_distance_one_from_all():
    vectors = vectors_of(5)
    vectors[2] = 0
    _, distance = nearest(vectors, np.ones(5, bool), 4)
    assert (distance[2] == 1).all()


def test_a_held_out_row_changes_its_own_line_only():
    vectors, is_train = vectors_of(600), np.arange(600) % 2 > 0
    index, distance = nearest(vectors, is_train, 5)
    vectors[10] = -vectors[10] * 3
    after, far = nearest(vectors, is_train, 5)
    others = np.arange(600) != 10
    assert (index[others] == after[others]).all()
    assert (distance[others] == far[others]).all()
    assert (index[10] != after[10]).any()


def test_refuses_vectors_that_are_not_finite():
    vectors = vectors_of(3)
    vectors[1, 0] = np.nan
    with pytest.raises(ValueError, match="row 1"):
        nearest(vectors, np.ones(3, bool), 1)


def test_the_signal_gives_the_same_bytes_with_more_workers_and_reads_what_it_wrote():
    vectors = vectors_of(900)
    rows = {"row_id": [f"{i:04}" for i in range(900)], "text": ["x"] * 900,
            "split": ["train", "train", "test"] * 300}
    data = Dataset.of(rows, Roles(content=("text",)), "text")
    signal = NeighborGraph(k=4)
    one, three = (signal.compute(data, {"embeddings": vectors}, Engine(workers=w)) for w in (1, 3))
    assert one.equals(three)
    read, (index, distance) = signal.read(one), nearest(vectors, data.is_train, 4)
    assert (read.index == index).all()
    assert (read.distance == distance).all()
