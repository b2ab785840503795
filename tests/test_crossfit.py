import numpy as np
import pytest
from tiny import KINDS, dataset, rows, save_tiny_encoder

from finetune.crossfit import cross_fit, fold_codes
from finetune.replicates import replicate_predictions
from finetune.settings import Training
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_tiny_encoder(tmp_path_factory.mktemp("tiny") / "encoder")


@pytest.fixture
def engine(encoder):
    embeddings = {"encoder": str(encoder), "max_tokens": 32, "precision": "fp32"}
    return Engine({"embeddings": embeddings, "pred_probs": {"folds": 3}})


def test_made_rows_stay_with_their_ancestors():
    plain = rows(30)
    kids = [{**r, "row_id": f"kid{i}", "parents": [r["row_id"]]} for i, r in enumerate(plain)]
    mixed = [
        {**plain[0], "row_id": f"mix{i}", "parents": ["r000", r["row_id"]]} for i, r in enumerate(plain[1:])
    ]
    data = dataset(plain + kids + mixed)
    folds, split = fold_codes(data, 3, seed=0)
    at = data.position
    assert len(set(folds)) == 3
    assert all(
        folds[at[f"kid{i}"]] == folds[at[r["row_id"]]] and not split[at[f"kid{i}"]]
        for i, r in enumerate(plain)
    )
    for i, r in enumerate(plain[1:]):
        assert split[at[f"mix{i}"]] == (folds[at["r000"]] != folds[at[r["row_id"]]])


def test_cross_fitted_probabilities_stand_in_for_the_signal_until_a_label_changes(engine):
    plain = rows(90)
    kids = [
        {**r, "row_id": f"kid-{r['row_id']}", "parents": [r["row_id"]]}
        for r in plain
        if r["split"] == "train"
    ][:10]
    data = dataset(plain + kids)
    given = cross_fit(data, Training(), engine, seed=0)
    assert given.table.num_rows == 90
    engine.bring(given)
    found = engine.signals(data)["pred_probs"]
    assert engine.signals(data).origins["pred_probs"].startswith("cross-fit")
    said = np.array(found.classes)[found.probs.argmax(axis=1)]
    assert (said == data.roots.labels).mean() > 0.8
    np.testing.assert_allclose(found.probs.sum(axis=1), 1.0)
    changed = dataset([{**r, "y": "note"} if i == 0 else r for i, r in enumerate(plain)])
    assert not given.fits(changed)


def test_a_rows_own_copies_do_not_vouch_for_it(engine):
    plain = rows(90)
    wrong = next(r for r in plain if r["split"] == "train" and r["y"] == "ball")
    lied = [{**r, "y": "note"} if r is wrong else r for r in plain]
    kids = [{**wrong, "y": "note", "row_id": f"kid{i}", "parents": [wrong["row_id"]]} for i in range(8)]
    alone, helped = (cross_fit(dataset(r), Training(), engine, 0).table for r in (lied, lied + kids))
    at = alone["row_id"].to_pylist().index(wrong["row_id"])
    for table in (alone, helped):
        assert np.argmax(table["probs"][at].as_py()) == KINDS.index("ball")


def test_replicates_differ_from_each_other_and_not_from_themselves(engine):
    data = dataset(rows(90))
    one = replicate_predictions(data, Training(), engine, "test", 6)
    two = replicate_predictions(data, Training(), engine, "test", 6)
    assert (one.predicted == two.predicted).all()
    assert one.predicted.shape == (6, 15)
    assert len({tuple(p) for p in one.predicted}) > 1
    with pytest.raises(NotApplicable, match="nowhere"):
        replicate_predictions(data, Training(), engine, "nowhere", 2)


def test_replicates_of_a_fine_tune_are_seeds(encoder, engine):
    full = Training(method="full", model=str(encoder), epochs=1, max_tokens=32, precision="fp32")
    found = replicate_predictions(dataset(rows(36)), full, engine, "test", 2)
    assert found.predicted.shape == (2, 6)
    assert found.method == "full"
