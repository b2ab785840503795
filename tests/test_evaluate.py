import json

import numpy as np
import pytest

from finetune import metrics
from finetune.evaluate import Evaluation, evaluate
from pipeline.dataset import Dataset, Roles
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable

ROLES = Roles(content=("text",), label="y")


class Fixed:
    """A model that says of each row what it was told to."""

    method = "probe"

    def __init__(self, classes, probs_of):
        self.classes, self.probs_of = tuple(classes), probs_of

    def describe(self):
        return "fixed"

    def predict(self, data, engine):
        return np.array([self.probs_of[i] for i in data.ids])


def problem(n=300, classes="abc", seed=0, texts=None):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(classes), n)
    logits = rng.normal(size=(n, len(classes))) + 1.5 * np.eye(len(classes))[truth]
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ids = [f"r{i:04d}" for i in range(n)]
    texts = texts or [f"word{i} and word{i % 7}" for i in range(n)]
    rows = {"row_id": ids, "text": texts, "y": [classes[k] for k in truth], "split": ["test"] * n}
    return Dataset.of(rows, ROLES, "text"), Fixed(classes, dict(zip(ids, probs, strict=True))), truth, probs


def test_metrics_are_scikit_learns():
    from sklearn import metrics as sk

    data, model, truth, probs = problem()
    got = {k: v["value"] for k, v in evaluate(model, data, "test", Engine(), n_boot=20).metrics.items()}
    said = probs.argmax(axis=1)
    want = {
        "accuracy": sk.accuracy_score(truth, said),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, said),
        "macro_f1": sk.f1_score(truth, said, average="macro"),
        "weighted_f1": sk.f1_score(truth, said, average="weighted"),
        "macro_precision": sk.precision_score(truth, said, average="macro"),
        "weighted_recall": sk.recall_score(truth, said, average="weighted"),
        "roc_auc": sk.roc_auc_score(truth, probs, multi_class="ovr", average="macro"),
        "log_loss": sk.log_loss(truth, probs),
    }
    for name, value in want.items():
        assert got[name] == pytest.approx(value, abs=1e-6), name


def test_a_weighting_is_the_rows_repeated():
    _, _, truth, probs = problem(60)
    counts = np.random.default_rng(1).integers(0, 4, 60)
    weighted, repeated = counts[None, :].astype(np.float32), np.repeat(np.arange(60), counts)
    ones = np.ones((1, len(repeated)), dtype=np.float32)
    for metric in (metrics.roc_auc, metrics.log_loss, metrics.calibration_error):
        expected = metric(truth[repeated], probs[repeated], ones)
        assert metric(truth, probs, weighted) == pytest.approx(expected, abs=1e-6)
    said = probs.argmax(axis=1)
    one = metrics.from_counts(metrics.counts(truth, said, 3, weighted))
    two = metrics.from_counts(metrics.counts(truth[repeated], said[repeated], 3, ones))
    assert all(one[k] == pytest.approx(two[k]) for k in one)


def test_ties_in_the_scores_count_half():
    from sklearn.metrics import roc_auc_score

    truth = np.array([0, 1, 0, 1, 1, 0])
    score = np.array([0.5, 0.5, 0.1, 0.9, 0.5, 0.5])
    got = metrics.roc_auc(truth, np.column_stack([1 - score, score]), np.ones((1, 6)))
    assert got[0] == pytest.approx(roc_auc_score(truth, score))


def test_calibration_error_is_small_when_the_model_keeps_its_word():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1.0, 20_000)
    truth = (rng.random(20_000) > p).astype(int)
    honest, boasting = np.column_stack([p, 1 - p]), np.tile([0.99, 0.01], (20_000, 1))
    ones = np.ones((1, 20_000))
    assert metrics.calibration_error(truth, honest, ones)[0] < 0.02
    assert metrics.calibration_error(truth, boasting, ones)[0] == pytest.approx(
        0.99 - (truth == 0).mean(), abs=1e-6
    )


def test_every_interval_holds_its_value_and_most_hold_the_truth():
    covered = 0
    for seed in range(100):
        data, model, _, _ = problem(120, seed=seed)
        found = evaluate(model, data, "test", Engine(), slices=(), n_boot=200, seed=seed).metrics
        assert all(m["low"] <= m["value"] <= m["high"] for m in found.values())
        covered += found["accuracy"]["low"] <= 0.766 <= found["accuracy"]["high"]
    assert covered >= 87  # 95 expected; 87 or fewer has probability 0.002


def test_copies_do_not_narrow_the_interval():
    once, model, _, _ = problem(60)
    ids, texts = list(once.ids), once.table["text"].to_pylist()
    rows = {"row_id": [f"{i}{c}" for c in "abcd" for i in ids], "text": texts * 4, "y": list(once.labels) * 4,
            "split": ["test"] * 240}  # fmt: skip
    copies = Dataset.of(rows, ROLES, "text")
    many = Fixed("abc", {f"{i}{c}": model.probs_of[i] for c in "abcd" for i in ids})
    widths = []
    for data, of in ((once, model), (copies, many)):
        accuracy = evaluate(of, data, "test", Engine(), slices=()).metrics["accuracy"]
        widths.append(accuracy["high"] - accuracy["low"])
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


def test_a_label_the_model_never_saw_is_always_missed():
    data, model, truth, _ = problem(60)
    blind = Fixed("ab", {i: p[:2] / p[:2].sum() for i, p in model.probs_of.items()})
    found = evaluate(blind, data, "test", Engine(), slices=(), n_boot=20)
    assert found.confusion["classes"] == ["a", "b", "c"]
    line = next(c for c in found.per_class if c["class"] == "c")
    assert (line["support"], line["recall"]["value"], line["precision"]["value"]) == (
        (truth == 2).sum(),
        0.0,
        None,
    )
    assert sum(map(sum, found.confusion["counts"])) == 60


def test_one_class_alone_has_no_roc_and_says_why():
    data, model, _, _ = problem(60)
    only = data.where(np.array([v == "a" for v in data.labels]))
    found = evaluate(model, only, "test", Engine(), slices=(), n_boot=20).metrics["roc_auc"]
    assert found["value"] is None
    assert "one class" in found["why"]


def test_all_right_gets_the_exact_interval():
    data, _, truth, _ = problem(59)
    sure = Fixed("abc", dict(zip(data.ids, np.eye(3)[truth], strict=True)))
    accuracy = evaluate(sure, data, "test", Engine(), slices=(), n_boot=20).metrics["accuracy"]
    assert (accuracy["value"], accuracy["high"]) == (1.0, 1.0)
    assert accuracy["low"] == pytest.approx(1 - 0.0606, abs=1e-3)


def test_unlabelled_and_made_rows_are_not_judged():
    data, model, _, _ = problem(30)
    rows = data.table.to_pylist()
    rows[0]["y"] = None
    rows[1]["parents"] = ["r0002"]
    other = Dataset.of({k: [r[k] for r in rows] for k in rows[0]}, ROLES, "text")
    found = evaluate(model, other, "test", Engine(), slices=(), n_boot=20)
    assert found.n == 28
    with pytest.raises(NotApplicable, match="validation"):
        evaluate(model, other, "validation", Engine())


def test_a_planted_weak_group_is_found_by_name():
    texts = [f"w{i}" if i < 60 else " ".join(["w"] * (20 + i % 5)) for i in range(300)]
    data, _, truth, _ = problem(300, texts=texts)
    probs = np.eye(3)[truth] * 0.9 + 1 / 30
    probs[:40] = np.roll(probs[:40], 1, axis=1)
    rows = {c: data.table[c].to_pylist() for c in ("row_id", "text", "y")}
    both = Dataset.of({**rows, "split": ["train", "test"] * 150}, ROLES, "text")
    found = evaluate(Fixed("abc", dict(zip(data.ids, probs, strict=True))), both, "test", Engine(), n_boot=20)
    assert found.weak
    assert any(s.slice.startswith(("n_words<=", "length_chars<=")) for s in found.weak)
    assert [s.slice for s in found.slices[: len(found.weak)]] == [s.slice for s in found.weak]


def test_an_evaluation_survives_json():
    data, model, _, _ = problem(60)
    found = evaluate(model, data, "test", Engine(), n_boot=20)
    text = json.dumps(found.to_json(), allow_nan=False)
    again = Evaluation.from_json(json.loads(text), found.predictions)
    assert again.to_json() == found.to_json()
    assert [s.because for s in again.slices] == [s.because for s in found.slices]
    assert evaluate(model, data, "test", Engine(), n_boot=20).to_json() == found.to_json()
