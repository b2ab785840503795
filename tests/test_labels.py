from __future__ import annotations

import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import FIXTURES, WORDS, make_text_sets, make_text_votes, sentence
from tiny import save_tiny_encoder

from finetune.choose import with_strength
from finetune.compare import compare
from finetune.evaluate import evaluate
from finetune.labels import present, to_judge
from finetune.linear import fit_linear, probabilities
from finetune.loss import set_targets, weighted_loss
from finetune.replicates import replicate_predictions
from finetune.settings import Training
from finetune.train import fit, load
from pipeline.apply import apply
from pipeline.dataset import Dataset, Roles
from pipeline.doubts import doubts_of
from pipeline.ingest import InputError, RoleNames, Source, ingest
from pipeline.label_types import votes_column
from pipeline.labels import labels_of, shape_of
from pipeline.review.decisions import label_cell, label_text
from pipeline.run import run_stage
from pipeline.signals.engine import Engine, Signals
from pipeline.signals.pred_probs import PredProbs
from pipeline.slices import mask
from pipeline.stage import NotApplicable
from pipeline.stages.anomalies import Anomalies
from pipeline.stages.augment import Augment
from pipeline.stages.duplicates import Duplicates
from pipeline.stages.label_noise import LabelNoise
from pipeline.stages.quality import Quality
from pipeline.store import Store

CSV = "text,tags,a1,a2,a3\none two three,b; a,p,q,p\nfour five six,b,p,,q\nseven eight nine,,q,q,q\n"
ROLES = Roles(content=("text",), label="y")


def read(tmp_path, name="rows.csv", body=CSV, **roles):
    (tmp_path / name).write_text(body)
    found = ingest([Source("", str(tmp_path / name))], RoleNames(content=("text",), **roles))
    return found.dataset, found


def by_text(data):
    return dict(zip(data.table["text"].to_pylist(), data.labels, strict=True))


class TestIngest:
    def test_a_delimiter_cuts_labels_into_sorted_lists_and_leaves_empty_ones_missing(self, tmp_path):
        data, found = read(tmp_path, label="tags", label_delimiter=";")
        cells = {"one two three": ["a", "b"], "four five six": ["b"], "seven eight nine": None}
        assert by_text(data) == cells
        assert shape_of(data) == "set" and any("1 empty label" in note for note in found.notes)

    def test_without_a_delimiter_nothing_is_cut(self, tmp_path):
        data, _ = read(tmp_path, label="tags")
        assert by_text(data)["one two three"] == "b; a" and shape_of(data) == "single"

    def test_annotators_become_votes_and_a_missing_vote_counts_for_nobody(self, tmp_path):
        data, found = read(tmp_path, annotators=("a1", "a2", "a3"))
        assert by_text(data)["one two three"] == {"p": 2.0, "q": 1.0}
        assert by_text(data)["four five six"] == {"p": 1.0, "q": 1.0}
        assert data.roles.annotators == ("a1", "a2", "a3") and data.roles.label == "label"
        assert "label: column 'label', the votes of 3 annotators for 2 classes" in found.guesses

    @pytest.mark.parametrize(("roles", "why"), [
        ({"annotators": ("a1", "a9")}, "no annotator column 'a9' .there are 'a1', 'a2'"),
        ({"annotators": ("a1", "a2"), "label": "tags"}, "both a label column 'tags' and annotator"),
        ({"annotators": ("a1",)}, "one annotator column"),
    ])
    def test_says_what_is_wrong_with_the_annotators(self, tmp_path, roles, why):
        with pytest.raises(InputError, match=why):
            read(tmp_path, **roles)

    def test_three_columns_of_the_same_classes_are_no_guess_for_a_label(self, tmp_path):
        lines = [f"some words {i},{'pqr'[i % 3]},{'pqr'[i % 3]},{'qrp'[i % 3]}" for i in range(30)]
        found = read(tmp_path, body="\n".join(["text,ann,bob,eve", *lines]))[1]
        assert found.dataset.roles.label is None
        assert any("--annotator-columns ann,bob,eve" in guess for guess in found.guesses)
        yes = [line.replace("p", "no").replace("q", "yes").replace("r", "no") for line in lines]
        assert read(tmp_path, body="\n".join(["text,ann,bob,eve", *yes]))[0].roles.label == "eve"

    def test_mappings_of_json_are_votes_in_one_order(self, tmp_path):
        votes = {"x y": {"b": 2, "a": 1}, "z w": {"a": 3}, "v u": {}}
        rows = [{"text": text, "y": y} for text, y in votes.items()]
        data, _ = read(tmp_path, "rows.jsonl", "\n".join(map(json.dumps, rows)), label="y")
        assert by_text(data) == {"x y": {"a": 1.0, "b": 2.0}, "z w": {"a": 3.0, "b": 0.0}, "v u": None}

    def test_negative_votes_are_refused(self, tmp_path):
        rows = [{"text": "x y", "y": {"b": -2, "a": 1}}]
        with pytest.raises(InputError, match="-2 votes for 'b'"):
            read(tmp_path, "rows.jsonl", json.dumps(rows[0]), label="y")

    def test_a_delimiter_on_lists_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="needs no delimiter"):
            read(tmp_path, "r.jsonl", json.dumps({"text": "x", "y": ["a"]}), label="y", label_delimiter=";")

    @pytest.mark.parametrize("kind", ["text-sets", "text-votes"])
    def test_labels_survive_the_store_parquet_and_the_fingerprint(self, tmp_path, kind):
        data, store = FIXTURES[kind](), Store(tmp_path)
        again = store.load(store.save(data))
        assert again.fingerprint == data.fingerprint and list(again.labels) == list(data.labels)
        pq.write_table(data.table, tmp_path / "t.parquet")
        back = Dataset.of(pq.read_table(tmp_path / "t.parquet"), data.roles, data.modality)
        assert back.fingerprint == data.fingerprint

    def test_the_order_of_classes_in_a_list_changes_nothing(self, tmp_path):
        bodies = [json.dumps({"text": "x y", "y": y}) for y in (["a", "b"], ["b", "a", "a"])]
        cells = [list(read(tmp_path, f"{k}.jsonl", b, label="y")[0].labels) for k, b in enumerate(bodies)]
        assert cells[0] == cells[1] == [["a", "b"]]


class TestNumbers:
    def test_votes_are_shares_with_agreement_and_majority(self):
        y = votes_column([["p", "q"], ["p", None], ["q", None]])
        data = Dataset.of({"row_id": ["i", "j"], "text": ["", ""], "y": y}, ROLES, "text")
        found = labels_of(data)
        assert found.classes == ("p", "q") and found.codes.tolist() == [0, 1]
        assert found.agreement.round(3).tolist() == [0.667, 1.0] and found.n_votes.tolist() == [3, 1]

    def test_an_empty_list_is_a_label_and_null_is_none(self):
        table = {"row_id": ["i", "j"], "text": ["", ""], "y": pa.array([[], None], pa.list_(pa.string()))}
        assert labels_of(Dataset.of(table, ROLES, "text"), ["a"]).known.tolist() == [True, False]

    def test_cells_that_are_no_labels_are_refused_with_their_type(self):
        y = pa.array([[{"a": 1}]])
        with pytest.raises(NotApplicable, match="label cells are large_list<item: struct"):
            labels_of(Dataset.of({"row_id": ["i"], "text": [""], "y": y}, ROLES, "text"))

    def test_a_tie_is_no_issue_is_learnt_from_and_not_judged(self):
        q = np.array([[0.2, 0.8], [0.7, 0.3]] * 20)
        cells = [{"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 0.0}] * 20
        rows = {"row_id": [f"r{i:02d}" for i in range(40)], "t": ["x"] * 40, "y": cells}
        data = Dataset.of(rows, Roles(content=("t",), label="y"), "text")
        found = doubts_of(data, PredProbs(q, ["a", "b"], np.zeros(40, np.int64)), 0.2)
        assert (found.gap <= 0).all() and not found.confident.any()
        assert present(data).all() and to_judge(data).tolist() == [False, True] * 20

    def test_reviewers_type_one_class_a_list_or_votes(self):
        sets, votes = pa.large_list(pa.large_string()), pa.struct({"a": pa.float64(), "b": pa.float64()})
        assert label_cell("b", sets) == ["b"] and label_cell('["b", "a"]', sets) == ["a", "b"]
        assert label_cell("b", votes) == {"a": 0.0, "b": 1.0}
        assert label_cell(label_text({"a": 2.0, "b": 1.0}), votes) == {"a": 2.0, "b": 1.0}
        with pytest.raises(ValueError, match="'c' is no class"):
            label_cell("c", votes)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Texts of one or two topics; in 24 of 240 train rows a topic is left out or one too many is named."""
    rng, rows, wrong = random.Random(3), [], set()
    for i in range(330):
        topics = sorted(rng.sample(list(WORDS), 1 + (i % 3 == 0)))
        split = "train" if i < 240 else "validation" if i < 270 else "test"
        named = list(topics)
        if split == "train" and i % 10 == 0:
            other = rng.choice([t for t in WORDS if t not in topics])
            named = sorted([*topics, other]) if i % 20 else topics[:-1]
            wrong.add(f"r{i:03d}")
        text = " ".join(sentence(t, rng, 16) for t in topics)
        rows.append({"row_id": f"r{i:03d}", "text": text, "y": named, "split": split, "true": topics})
    data = Dataset.of(pa.Table.from_pylist(rows), ROLES, "text")
    return data, wrong, Engine(cache=Store(tmp_path_factory.mktemp("planted")))


class TestLists:
    def test_wrong_lists_are_found_and_put_right(self, planted):
        data, wrong, engine = planted
        step = run_stage(data, LabelNoise(action="relabel"), engine)
        found = {e["row_id"]: e for e in step.findings.rows()}
        assert len(set(found) & wrong) >= 0.9 * len(wrong) and len(set(found) - wrong) <= 3
        true = dict(zip(data.ids, data.table["true"].to_pylist(), strict=True))
        right = [found[i]["value"] == true[i] for i in wrong & set(found) if found[i]["action"] == "set"]
        assert np.mean(right) >= 0.8 and len(right) >= 15
        assert any("is not named and has probability 0.9" in e["because"] for e in found.values())

    def test_a_row_of_two_rare_classes_is_one_finding_of_the_rarest(self):
        rows = {"row_id": [f"r{i}" for i in range(6)], "text": ["some words here"] * 6,
                "y": [["a"]] * 3 + [["a", "b"], ["b", "c"], []]}
        found = Quality(min_label_rows=3).find(Dataset.of(rows, ROLES, "text"), Signals(Dataset.of(
            rows, ROLES, "text")))
        rare = {e["row_id"]: e["because"] for e in found.rows() if e["issue"] == "rare_label"}
        assert set(rare) == {"r3", "r4"} and 'label "c" is on 1 train row' in rare["r4"]

    def test_rare_classes_get_children_in_whatever_list_they_stand(self, engine):
        data = make_text_sets()
        step = run_stage(data, Augment(), engine)
        assert {"film"} <= {c for i in step.findings.added["label"].to_pylist() for c in i}

    def test_a_slice_is_every_row_that_names_the_class(self):
        data = make_text_sets()
        inside = mask("label=film", data)
        assert inside.tolist() == ["film" in cell for cell in data.labels] and inside.sum() > 20

    def test_the_probe_is_the_same_as_a_binary_model_a_class(self):
        from sklearn.linear_model import LogisticRegression

        rng = np.random.default_rng(0)
        x, weights = rng.normal(size=(80, 5)), rng.uniform(0.5, 2, 80)
        named = (x[:, :3] + rng.normal(size=(80, 3)) > 0).astype(float)
        ours = probabilities(x, fit_linear(x, set_targets(named, weights), 2.0, 1e-8, sets=True), True)
        for k in range(3):
            theirs = LogisticRegression(C=2.0, tol=1e-8).fit(x, named[:, k], sample_weight=weights)
            np.testing.assert_allclose(ours[:, k], theirs.predict_proba(x)[:, 1], atol=1e-4)

    def test_the_loss_is_the_weighted_mean_of_binary_cross_entropies(self):
        import torch

        logits, named = torch.tensor([[1.0, -2.0], [0.5, 3.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
        t = torch.tensor(set_targets(named, np.array([1.0, 3.0])))
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, torch.tensor(named).float(), reduction="none").mean(dim=1)
        loss = weighted_loss({"logits": logits}, t)
        assert float(loss) == pytest.approx(float((each * torch.tensor([1.0, 3.0])).sum() / 4), abs=1e-6)

    def test_a_probe_learns_is_judged_and_compared(self, planted, tmp_path):
        data, wrong, engine = planted
        training = with_strength(data, Training(), engine)
        model = fit(data, training, engine, 0, tmp_path / "model")
        probs = load(model.folder).predict(data, engine)
        assert probs.sum(axis=1).max() > 1.1
        assert np.array_equal(probs, model.predict(data, engine))
        done = evaluate(model, data, "test", engine, n_boot=100)
        assert done.metrics["macro_f1"]["value"] > 0.9 > done.metrics["accuracy"]["value"] * 0.5
        assert done.metrics["average_precision"]["low"] <= done.metrics["average_precision"]["value"]
        assert {c["class"] for c in done.per_class} == set(WORDS) and not done.confusion
        clean = data.where(~np.isin(data.ids, list(wrong)))
        both = [replicate_predictions(d, training, engine, "test", 4) for d in (data, clean)]
        found = compare(*both, n_boot=100)
        assert found.metric == "macro_f1" and found.curated >= found.raw - 0.02 and found.rows == 60

    def test_the_metrics_are_scikit_learns(self, planted, tmp_path):
        from sklearn.metrics import accuracy_score, average_precision_score, f1_score

        data, _, engine = planted
        model = fit(data, Training(c=0.01), engine, 0, tmp_path / "model")
        m = evaluate(model, data, "test", engine, n_boot=20).metrics
        test = data.where(data.splits == "test")
        probs, truth = model.predict(test, engine), labels_of(test, model.classes).targets
        said = probs >= 0.5
        for name in ("micro", "macro", "weighted"):
            assert m[f"{name}_f1"]["value"] == pytest.approx(f1_score(truth, said, average=name), abs=1e-6)
        assert m["accuracy"]["value"] == pytest.approx(accuracy_score(truth, said), abs=1e-6)
        expected = average_precision_score(truth, probs)
        assert m["average_precision"]["value"] == pytest.approx(expected, abs=1e-6)

    def test_a_network_answers_each_class_for_itself(self, planted, tmp_path):
        data, _, engine = planted
        encoder = save_tiny_encoder(tmp_path / "tiny")
        training = Training(method="full", model=str(encoder), epochs=1, max_tokens=16)
        model = fit(data.where(np.arange(330) % 4 == 0), training, engine, 0, tmp_path / "model")
        config = json.loads((tmp_path / "model" / "config.json").read_text())
        assert config["problem_type"] == "multi_label_classification"
        probs = load(model.folder).predict(data.where(data.splits == "test"), engine)
        assert probs.shape == (60, 3) and np.abs(probs.sum(axis=1) - 1).max() > 0.05


class TestVotes:
    def test_careless_annotators_are_told_from_careful_ones(self, engine):
        found = LabelNoise(action="flag").find(make_text_votes(), Signals(make_text_votes(), engine))
        quality = {name: facts["quality"] for name, facts in found.metrics["annotators"].items()}
        assert quality["eve"] < min(quality["ann"], quality["bob"])

    def test_a_new_consensus_keeps_the_number_of_votes(self, engine):
        data = make_text_votes()
        step = run_stage(data, LabelNoise(action="relabel", act_from=0, margin=0), engine)
        sets = [e for e in step.findings.rows() if e["action"] == "set"]
        assert sets
        for edit in sets:
            assert sum(edit["value"].values()) == sum(edit["before"].values()) == max(edit["value"].values())

    def test_expected_agreement_does_not_read_the_rows_own_votes(self):
        data = make_text_votes()
        probs = Signals(data, Engine())["pred_probs"]
        doubts = doubts_of(data, probs, 0.2)
        assert np.allclose(doubts.scores["ambiguous"], (probs.probs[doubts.rows] ** 2).sum(axis=1))

    def test_copies_with_the_same_winner_do_not_conflict(self, engine):
        y = votes_column([["p", "p", "q"], ["p", "p", "q"], ["p", "q", "q"]])
        text = ["the very same words stand here"] * 3
        data = Dataset.of({"row_id": ["i", "j", "k"], "text": text, "y": y}, ROLES, "text")
        found = run_stage(data, Duplicates(), engine).findings.rows()
        rivals = {e["row_id"]: e["related"] for e in found if e["issue"] == "conflicting_labels"}
        assert rivals == {"i": ["k"], "j": ["k"], "k": ["i", "j"]}

    def test_a_probe_learns_shares_and_is_judged_by_the_majority(self, engine, tmp_path):
        data = make_text_votes()
        model = fit(data, Training(c=10.0), engine, 0, tmp_path / "model")
        m = evaluate(model, data, "test", engine, n_boot=50).metrics
        assert m["accuracy"]["value"] > 0.7 and 0 < m["soft_log_loss"]["value"] < 2
        test = data.where((data.splits == "test") & to_judge(data))
        shares, probs = labels_of(test, model.classes).targets, model.predict(test, engine)
        agree = shares[np.arange(test.n_rows), probs.argmax(axis=1)].mean()
        assert m["vote_agreement"]["value"] == pytest.approx(agree, abs=1e-6)
        apply(data, Anomalies().find(data, Signals(data, engine)))


def test_an_audit_takes_probabilities_of_lists_that_the_user_brings():
    import pandas as pd

    import pipeline as assay

    rng = np.random.default_rng(0)
    named = rng.random((60, 3)) < 0.5
    lists = [[c for c, n in zip("abc", row, strict=True) if n] for row in named]
    frame = pd.DataFrame({"text": [f"some words about thing number {i}" for i in range(60)], "y": lists})
    probs = np.where(named, 0.9, 0.1)
    probs[7, 1] = 1 - probs[7, 1]
    done = assay.audit(frame, label="y", pred_probs=probs, embeddings=rng.normal(size=(60, 4)))
    noise = next(step for step in done.steps if step.stage.name == "label_noise")
    assert [e["row_id"] for e in noise.findings.rows()] == ["7"]


@pytest.mark.parametrize(("labels", "continuous"), [
    ([f"{k / 7:.2f}" for k in range(120)], True), ([k * 1.37 for k in range(120)], True),
    ([3 * k for k in range(120)], True), ([k % 40 for k in range(120)], False),
    ([1 + k % 9 / 2 for k in range(120)], False), ([f"{k:03d}" for k in range(120)], False),
    ([f"class {k}" for k in range(120)], False)])
def test_labels_that_are_measurements_are_named_once_and_learnt_from_by_nobody(labels, continuous):
    rows = {"row_id": [f"{k:03d}" for k in range(120)], "x": [k % 11 / 3 for k in range(120)], "y": labels}
    data = Dataset.of(rows, Roles(content=("x",), label="y"), "tabular")
    edits = run_stage(data, Quality()).findings.rows()
    if not continuous:
        assert "continuous_label" not in {e["issue"] for e in edits}
    else:
        assert [(e["row_id"], e["issue"], e["column"]) for e in edits] == [(None, "continuous_label", "y")]
        step = run_stage(data, LabelNoise())
        assert step.skipped.startswith("label 'y' holds 120 different numbers on 120 train rows: regression")
