import json
import random

import numpy as np
import pytest
from pydantic import ValidationError
from tiny import KINDS, dataset, rows, save_tiny_encoder

from finetune.features import features
from finetune.settings import Training
from finetune.train import fit, load
from pipeline.given import Given
from pipeline.signals.engine import Engine, Signals
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


def settings(method, encoder, **more):
    return Training(
        method=method, model=str(encoder), epochs=2, max_tokens=32, batch_rows=16, precision="fp32", **more
    )


def weights_of(folder):
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.suffix == ".safetensors"}


@pytest.mark.parametrize("method", ["probe", "partial", "full"])
def test_the_same_seed_gives_the_same_bytes(method, encoder, engine, tmp_path):
    data, training = dataset(rows(60)), settings(method, encoder, layers=1)
    one, two = (fit(data, training, engine, 7, tmp_path / name) for name in ("one", "two"))
    assert weights_of(one.folder) == weights_of(two.folder) != {}
    assert (one.predict(data, engine) == two.predict(data, engine)).all()
    if method != "probe":
        assert weights_of(fit(data, training, engine, 8, tmp_path / "other").folder) != weights_of(one.folder)


@pytest.mark.parametrize("method", ["probe", "partial", "full"])
def test_a_saved_model_knows_its_data_and_predicts_as_before(method, encoder, engine, tmp_path):
    data = dataset(rows(60))
    model = fit(data, settings(method, encoder, layers=1), engine, 0, tmp_path / "m")
    again = load(tmp_path / "m")
    assert (again.predict(data, engine) == model.predict(data, engine)).all()
    assert again.classes == KINDS
    about = json.loads((tmp_path / "m" / "assay_dataset.json").read_text())
    assert about["fingerprint"] == data.fingerprint
    assert about["rows"]["train"] == 42
    assert again.describe().startswith(f"{method} of encoder on 42 rows")
    np.testing.assert_allclose(model.predict(data, engine).sum(axis=1), 1.0)


def test_the_probe_learns_and_needs_nothing_but_its_folder(encoder, engine, tmp_path):
    data = dataset(rows(240))
    own = tmp_path / "encoder"
    save_tiny_encoder(own)
    here = Engine({"embeddings": {"encoder": str(own), "max_tokens": 32, "precision": "fp32"}})
    model = fit(data, Training(c=1000.0), here, 0, tmp_path / "m")
    said = model.predict(data, here)
    held = data.splits == "test"
    assert (np.array(KINDS)[said.argmax(axis=1)] == data.labels)[held].mean() > 0.8
    own.rename(tmp_path / "gone")
    np.testing.assert_allclose(load(tmp_path / "m").predict(data, Engine()), said, atol=1e-6)


def test_a_tuned_folder_opens_like_any_other_model(encoder, engine, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    fit(dataset(rows(60)), settings("full", encoder), engine, 0, tmp_path / "m")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "m")
    assert model.config.id2label == dict(enumerate(KINDS))
    assert model.config.label2id == {k: i for i, k in enumerate(KINDS)}
    assert AutoTokenizer.from_pretrained(tmp_path / "m")("ball1 coin2")["input_ids"]
    files = {p.name for p in (tmp_path / "m").iterdir()}
    assert files >= {"assay_dataset.json", "config.json", "model.safetensors", "tokenizer.json"}
    assert not [name for name in files if name.startswith(".") or "states" in name]


def test_partial_moves_the_last_layers_only_and_saves_all(encoder, engine, tmp_path):
    from safetensors.torch import load_file

    fit(dataset(rows(60)), settings("partial", encoder, layers=1), engine, 0, tmp_path / "m")
    before, after = load_file(encoder / "model.safetensors"), load_file(tmp_path / "m" / "model.safetensors")
    moved = {k for k, v in before.items() if not (after[f"bert.{k}"] == v).all()}
    assert moved
    assert all(k.startswith(("encoder.layer.2.", "pooler.")) for k in moved)
    assert len(after) == len(before) + 2  # the head


def test_cached_states_give_the_same_logits_and_the_check_bites(encoder, tmp_path):
    from transformers import AutoModelForSequenceClassification

    from finetune.inputs.text import TextReader
    from finetune.lower import compute_states, freeze_lower
    from finetune.texts import encode, load_tokenizer
    from finetune.tune import same_logits

    tokenizer = load_tokenizer(str(encoder))
    model = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=3)
    encoded = encode(tokenizer, [r["text"] for r in rows(40)], 32)
    frozen = freeze_lower(model, 1)
    states = compute_states(model, tokenizer, encoded, frozen, tmp_path / "states", bf16=False)
    assert frozen == 2
    reader = TextReader(tokenizer, 32)
    cached = reader.cached(model, states, frozen)
    assert same_logits(model, reader.collate, cached, encoded[:8], bf16=False)
    states.states[:] += 1.0 * np.arange(32)
    assert not same_logits(model, reader.collate, cached, encoded[:8], bf16=False)


def test_cached_and_plain_partial_training_end_at_the_same_weights(encoder, engine, tmp_path, monkeypatch):
    from safetensors.numpy import load_file

    data, training = dataset(rows(60)), settings("partial", encoder, layers=1)
    fit(data, training, engine, 0, tmp_path / "cached")
    monkeypatch.setattr("finetune.lower.CACHE_BYTES", 0)
    fit(data, training, engine, 0, tmp_path / "plain")
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("cached", "plain"))
    for key in one:
        np.testing.assert_allclose(one[key], two[key], atol=1e-4)


def test_the_epoch_with_the_best_validation_loss_is_kept(encoder, engine, tmp_path):
    turned = {
        "ball": "coin",
        "coin": "note",
        "note": "ball",
    }  # wrong validation labels: learning makes it worse
    data = dataset([{**r, "y": turned[r["y"]] if r["split"] == "validation" else r["y"]} for r in rows(60)])
    training = settings("full", encoder).model_copy(update={"epochs": 6, "learning_rate": 0.01})
    model = fit(data, training, engine, 0, tmp_path / "m")
    losses = [line["eval_loss"] for line in model.about["history"] if "eval_loss" in line]
    assert len(losses) == 6
    assert losses[-1] > min(losses)  # so that keeping the last epoch would fail below
    held = data.where(data.splits == "validation")
    p = model.predict(held, engine)[np.arange(held.n_rows), [KINDS.index(v) for v in held.labels]]
    assert -np.log(p).mean() == pytest.approx(min(losses), abs=1e-3)
    short = fit(data, training.model_copy(update={"early_stopping": 1}), engine, 0, tmp_path / "short")
    assert len([line for line in short.about["history"] if "eval_loss" in line]) < 6


@pytest.mark.parametrize("method", ["probe", "full"])
def test_only_labelled_weighted_train_rows_teach(method, encoder, engine, tmp_path):
    plain = rows(60)
    odd = [dict(r) for r in plain]
    for r in odd:
        if r["split"] == "test":
            r.update(y="ball", text="coin1 coin2")
    extra = [
        {**plain[0], "row_id": "x1", "y": None},
        {**plain[1], "row_id": "x2", "y": "note", "weight": 0.0},
    ]
    training = settings(method, encoder)
    one = fit(dataset(plain), training, engine, 0, tmp_path / "one")
    two = fit(dataset(odd + extra), training, engine, 0, tmp_path / "two")
    assert weights_of(one.folder) == weights_of(two.folder)


def test_a_made_copy_counts_like_weight_two(engine, tmp_path):
    plain = rows(60)
    heavy = [{**r, "weight": 2.0 if i == 0 else 1.0} for i, r in enumerate(plain)]
    copied = [*plain, {**plain[0], "row_id": "copy", "parents": [plain[0]["row_id"]]}]
    held = dataset(plain)
    one, two, base = (fit(dataset(r), Training(), engine, 0, tmp_path / n).predict(held, engine)
                      for r, n in ((heavy, "a"), (copied, "b"), (plain, "c")))  # fmt: skip
    np.testing.assert_allclose(one, two, atol=1e-6)
    assert np.abs(one - base).max() > 1e-4


def test_made_rows_have_embeddings_of_their_own_content(engine):
    plain = rows(12)
    made = [{**plain[0], "row_id": "kid", "text": "coin1 coin2 coin3", "parents": ["r000"]},
            {**plain[0], "row_id": "same", "parents": ["r000"]}]  # fmt: skip
    data = dataset(plain + made)
    x = features(data, engine)
    alone = Signals(dataset([{**made[0], "parents": []}]), engine)["embeddings"]
    assert (x[data.position["kid"]] == alone[0]).all()
    assert (x[data.position["same"]] == x[data.position["r000"]]).all()


def test_given_embeddings_are_not_mixed_with_computed_ones(engine):
    import pyarrow as pa

    plain = rows(12)
    data = dataset([*plain, {**plain[0], "row_id": "kid", "text": "coin1", "parents": ["r000"]}])
    vectors = pa.array([[float(i), 1.0] for i in range(12)], pa.list_(pa.float32(), 2))
    engine.bring(
        Given("embeddings", pa.table({"row_id": [r["row_id"] for r in plain], "vector": vectors}), "brought")
    )
    assert features(data.roots, engine).shape == (12, 2)
    with pytest.raises(NotApplicable, match="1 rows made by a stage"):
        features(data, engine)


def test_labels_it_cannot_learn_are_said_and_not_guessed(engine, tmp_path):
    one_class = [{**r, "y": "ball"} for r in rows(12)]
    measured = [{**r, "y": i + 0.5} for i, r in enumerate(rows(60))]
    for bad, why in (
        (one_class, "1 class"),
        (measured, "fractional numbers"),
    ):
        with pytest.raises(NotApplicable, match=why):
            fit(dataset(bad), Training(), engine, 0, tmp_path)


def test_numbers_as_labels_come_back_as_numbers(engine, tmp_path):
    data = dataset([{**r, "y": KINDS.index(r["y"]) * 5} for r in rows(60)])
    fit(data, Training(), engine, 0, tmp_path)
    assert load(tmp_path).classes == (0, 5, 10)


def test_training_leaves_the_global_generators_alone(encoder, engine, tmp_path):
    import torch

    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    fit(dataset(rows(30)), settings("full", encoder), engine, 5, tmp_path)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before  # noqa: NPY002


def test_a_setting_that_is_none_is_refused_with_the_one_that_was_meant():
    with pytest.raises(ValidationError, match="did you mean lr_scheduler_type"):
        Training(args={"lr_scheduler_typ": "cosine"})
    with pytest.raises(ValidationError, match="batch_rows; use that"):
        Training(args={"per_device_train_batch_size": 4})
    with pytest.raises(ValidationError, match="set by Assay"):
        Training(args={"report_to": "wandb"})
    with pytest.raises(ValidationError):
        Training(epoch=3)


def test_an_argument_passed_through_has_its_effect(encoder, engine, tmp_path):
    data = dataset(rows(30))
    plain = fit(data, settings("full", encoder), engine, 0, tmp_path / "one")
    still = fit(data, settings("full", encoder, args={"max_steps": 1}), engine, 0, tmp_path / "two")
    assert weights_of(plain.folder) != weights_of(still.folder)


def test_a_folder_without_a_model_is_named(engine, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no config\.json"):
        fit(
            dataset(rows(30)),
            Training(method="full", model=str(tmp_path / "empty")),
            engine,
            0,
            tmp_path / "m",
        )
    with pytest.raises(ValueError, match="no model that Assay trained"):
        load(tmp_path / "empty")


@pytest.mark.parametrize("method", ["partial", "full"])
def test_transformers_itself_loads_the_folder_and_predicts_the_same(method, encoder, engine, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    long = " ".join(["ball1"] * 100)  # cut at max_tokens by both
    data = dataset([{**r, "text": r["text"] + long * (i % 9 == 0)} for i, r in enumerate(rows(60))])
    model = fit(data, settings(method, encoder, layers=1), engine, 0, tmp_path / "m")
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "m")
    assert network.config.id2label == dict(enumerate(KINDS))
    assert network.config.label2id == {kind: i for i, kind in enumerate(KINDS)}
    assert AutoTokenizer.from_pretrained(tmp_path / "m").model_max_length == 32
    classify = pipeline("text-classification", model=str(tmp_path / "m"), truncation=True, top_k=None)
    said = [{one["label"]: one["score"] for one in row} for row in classify(data.frame["text"].tolist())]
    theirs = np.array([[row[kind] for kind in KINDS] for row in said])
    np.testing.assert_allclose(theirs, model.predict(data, engine), atol=1e-5)


def test_the_folder_tells_what_happened_and_no_clock(encoder, engine, tmp_path):
    from transformers import TrainerState

    fit(dataset(rows(60)), settings("full", encoder), engine, 0, tmp_path / "m")
    state = TrainerState.load_from_json(str(tmp_path / "m" / "trainer_state.json"))
    losses = [line["eval_loss"] for line in state.log_history if "eval_loss" in line]
    results = json.loads((tmp_path / "m" / "all_results.json").read_text())
    assert results["epoch"] == 2.0 and results["eval_loss"] == min(losses) and results["train_loss"] > 0
    fit(dataset(rows(60)), settings("full", encoder), engine, 0, tmp_path / "again")
    for name in ("trainer_state.json", "all_results.json", "assay_dataset.json"):
        assert (tmp_path / "m" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
