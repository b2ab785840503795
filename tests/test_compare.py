import json

import numpy as np
import pytest

from finetune.compare import compare
from finetune.replicates import Replicates, poisson_draws
from pipeline.dataset import Dataset, Roles

ROLES = Roles(content=("text",), label="y")


def runs(n_runs, n, accuracy, seed, spread=0.0):
    """R runs of a model that is right with the given probability; a share of the rows differs by run."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    easy, out = rng.random(n), []
    for _ in range(n_runs):
        u = np.where(rng.random(n) < spread, rng.random(n), easy)
        out.append(np.where(u < accuracy, truth, (truth + 1) % 3))
    names = ('"a"', '"b"', '"c"')
    ids = tuple(f"r{i}" for i in range(n))
    return Replicates(ids, tuple(names[k] for k in truth), ids, names, np.array(out), "probe")


def test_a_real_gain_is_proved_and_a_real_loss_harmful():
    raw, better = runs(10, 600, 0.80, 0, spread=0.3), runs(10, 600, 0.88, 0, spread=0.3)
    assert compare(raw, better).verdict == "proved"
    assert compare(better, raw).verdict == "harmful"
    found = compare(raw, better)
    assert found.low < found.difference < found.high
    assert set(found.also) == {"accuracy", "balanced_accuracy"}
    assert json.loads(json.dumps(found.to_json()))["replicates"] == 10


def test_the_same_model_differs_from_itself_by_nothing():
    raw = runs(5, 90, 0.8, 0)
    found = compare(raw, raw)
    assert (found.verdict, found.difference, found.disagreements) == ("not proved", 0.0, 0.0)


def test_no_difference_is_rarely_proved():
    pairs = [(runs(5, 200, 0.8, 2 * s, 0.3), runs(5, 200, 0.8, 2 * s + 1, 0.3)) for s in range(100)]
    wrong = sum(compare(raw, other, n_boot=200).verdict != "not proved" for raw, other in pairs)
    assert wrong <= 11  # 5 of 100 expected; 12 or more has probability 0.004


def test_few_runs_that_disagree_make_a_wide_interval():
    widths = []
    for n_runs in (3, 30):
        found = compare(runs(n_runs, 3000, 0.8, 0, 0.9), runs(n_runs, 3000, 0.82, 1, 0.9))
        widths.append(found.high - found.low)
    assert widths[0] > 1.5 * widths[1]


def test_class_order_does_not_matter():
    raw, better = runs(5, 90, 0.7, 0), runs(5, 90, 0.8, 0)
    turned = Replicates(better.row_ids, better.labels, better.clusters, tuple(reversed(better.classes)),
                        2 - better.predicted, "probe")  # fmt: skip
    assert compare(raw, turned) == compare(raw, better)


def test_different_rows_are_not_compared():
    with pytest.raises(ValueError, match="same rows"):
        compare(runs(2, 30, 0.8, 0), runs(2, 33, 0.8, 0))
    with pytest.raises(ValueError, match="runs"):
        compare(runs(2, 30, 0.8, 0), runs(3, 30, 0.8, 0))


def test_draws_belong_to_rows_and_not_to_their_company():
    n = 2000
    rows = {"row_id": [f"r{i}" for i in range(n)], "text": ["x"] * n, "y": ["a"] * n}
    data = Dataset.of(rows, ROLES, "text")
    draws = poisson_draws(data, 4, seed=0)
    assert draws.mean() == pytest.approx(1.0, abs=0.05)
    assert draws.var() == pytest.approx(1.0, abs=0.08)
    assert abs(np.corrcoef(draws)[np.triu_indices(4, 1)]).max() < 0.1
    some = data.where(np.arange(n) % 3 == 0)
    assert (poisson_draws(some, 4, seed=0) == draws[:, ::3]).all()
    assert (poisson_draws(data, 4, seed=1) != draws).any()


def test_a_made_row_shares_its_ancestors_draws():
    parents = [[], [], ["b"], ["a", "b"]]
    rows = {"row_id": ["a", "b", "kid", "mix"], "text": ["x"] * 4, "y": ["p"] * 4, "parents": parents}
    draws = poisson_draws(Dataset.of(rows, ROLES, "text"), 50, seed=0)
    assert (draws[:, 2] == draws[:, 1]).all()
    assert (draws[:, 3] == draws[:, :2].min(axis=1)).all()
