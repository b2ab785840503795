from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.dataset import Dataset, Roles
from pipeline.modalities import Shingles
from pipeline.signals import pairs
from pipeline.signals.engine import Signals
from pipeline.signals.pairs import clusters, near_pairs


def shingles(sets):
    arrays = [np.array(sorted(s), np.uint64) for s in sets]
    return Shingles(np.cumsum([0, *map(len, arrays)]), np.concatenate([*arrays, np.zeros(0, np.uint64)]))


def jaccard(a, b):
    return len(a & b) / len(a | b) if a | b else 0.0


def random_sets(n, size, seed):
    """Random sets, every second one an edited copy of the one before it."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(n):
        if i % 2:
            kept = {x for x in out[-1] if rng.random() > i / n / 3}
            out.append(kept | set(rng.integers(1 << 60, size=int(size * i / n / 6)).tolist()))
        else:
            out.append(set(rng.integers(1 << 60, size=rng.integers(2, size)).tolist()))
    return out


def as_dict(found):
    return {(int(a), int(b)): float(s) for a, b, s in zip(*found, strict=True)}


@pytest.mark.parametrize("size", [8, 200])
def test_finds_what_comparing_every_pair_finds(size):
    sets = random_sets(400, size, seed=size)
    exact = {(i, j): jaccard(sets[i], sets[j]) for i in range(400) for j in range(i + 1, 400)}
    found = as_dict(near_pairs(shingles(sets), 0.5))
    wanted = {pair: s for pair, s in exact.items() if s >= 0.5}
    assert len(wanted) > 100
    assert all(exact[pair] == s for pair, s in found.items())
    assert len(found.keys() & wanted.keys()) >= 0.99 * len(wanted)
    assert found.keys() <= wanted.keys()


def test_pairs_are_sorted_and_left_comes_first():
    found = near_pairs(shingles(random_sets(200, 50, seed=1)), 0.4)
    assert (found.left < found.right).all()
    assert list(as_dict(found)) == sorted(as_dict(found))
    assert len(as_dict(found)) == len(found.left) > 50


def test_equal_rows_cost_one_pair_each():
    found = near_pairs(shingles([{1, 2, 3}] * 500 + [{1, 2, 3, 4}]), 0.4)
    assert len(found.left) == 500
    assert set(found.left) == {0}
    assert found.similarity.tolist() == [1.0] * 499 + [0.75]


def test_rows_without_shingles_pair_with_nothing():
    assert as_dict(near_pairs(shingles([set(), set(), {1}, {1}]), 0.4)) == {(2, 3): 1.0}
    assert len(near_pairs(shingles([set()] * 3), 0.4).left) == 0
    assert len(near_pairs(shingles([]), 0.4).left) == 0


def test_held_out_rows_never_pair_with_each_other_and_each_has_its_own_pairs():
    one, near = {1, 2, 3, 4}, {1, 2, 3, 4, 5}
    train = np.array([False, False, True, True, False])
    found = as_dict(near_pairs(shingles([near, near, one, one, one]), 0.4, train))
    assert found == {(0, 2): 0.8, (1, 2): 0.8, (2, 3): 1.0, (2, 4): 1.0}


def without(found, row):
    return {pair: similarity for pair, similarity in found.items() if row not in pair}


def boilerplate(n, seed=0):
    """Sets with a large common part; rows 2k and 2k + 1 share the rest as well, but for one member."""
    rng = np.random.default_rng(seed)
    own = rng.integers(1 << 60, size=(n // 2, 10))
    return [set(range(30)) | set(own[i // 2].tolist()) | {int(1e15) + i} for i in range(n)]


def test_boilerplate_neither_hides_copies_nor_costs_a_square_of_pairs():
    sets = boilerplate(1000)
    found = as_dict(near_pairs(shingles(sets), 0.4))
    assert sum((2 * k, 2 * k + 1) in found for k in range(500)) >= 498
    assert len(found) < 1000 * 999 / 2 / 4


def test_a_held_out_row_changes_nobody_elses_pairs():
    sets = boilerplate(400) + random_sets(100, 50, seed=2)
    train = np.arange(500) % 3 > 0
    before = as_dict(near_pairs(shingles(sets), 0.4, train))
    for changed in (0, 201, 450):
        other = [*sets[:changed], {7, 8}, *sets[changed + 1 :]]
        assert not train[changed]
        after = as_dict(near_pairs(shingles(other), 0.4, train))
        assert without(before, changed) == without(after, changed)


def test_clusters_are_named_by_their_first_row():
    assert clusters(6, np.array([4, 1]), np.array([5, 4])).tolist() == [0, 1, 2, 3, 1, 1]
    assert clusters(2, np.zeros(0, int), np.zeros(0, int)).tolist() == [0, 1]


def test_the_signal_reads_what_it_wrote(monkeypatch):
    sets = {"a": {1, 2}, "b": {1, 2, 3}, "c": {1, 2}, "d": {9}}

    def compared(content, floor, is_train):
        return near_pairs(shingles([sets[t] for t in content["text"].to_pylist()]), floor, is_train)

    fake = SimpleNamespace(pairs=compared)
    monkeypatch.setattr(pairs, "modality", lambda name: fake)
    rows = {"row_id": ["4", "3", "2", "1"], "text": ["a", "b", "c", "d"],
            "split": ["test", "train", "test", "train"]}
    found = Signals(Dataset.of(rows, Roles(content=("text",)), "text"))["pairs"]
    assert as_dict(found) == {(1, 2): 2 / 3, (2, 3): 2 / 3}
    assert found.left.dtype == np.int64
