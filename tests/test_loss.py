import numpy as np
import pytest

from finetune.linear import fit_linear, softmax
from finetune.loss import targets, weighted_trainer

ROWS, FEATURES, CLASSES = 16, 6, 3


def step(
    batch_rows: int, accumulation: int, weights: np.ndarray, ours: bool = True
) -> tuple[np.ndarray, float]:
    """One step of plain SGD on all 16 rows; returns how the weights moved, and the loss that was logged."""
    import torch
    from transformers import Trainer, TrainingArguments

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.linear = torch.nn.Linear(FEATURES, CLASSES)

        def forward(
            self, x, labels=None, **kwargs
        ):  # ** as in transformers' classifiers: "accepts loss kwargs"
            logits = self.linear(x)
            loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
            return {"loss": loss, "logits": logits}

    rng = np.random.default_rng(0)
    x, codes = rng.normal(size=(ROWS, FEATURES)).astype(np.float32), rng.integers(0, CLASSES, ROWS)
    t = targets(codes, CLASSES, weights).astype(np.float32)
    rows = [{"x": x[i], "labels": t[i] if ours else int(codes[i])} for i in range(ROWS)]
    arguments = TrainingArguments(
        output_dir="unused", per_device_train_batch_size=batch_rows, gradient_accumulation_steps=accumulation,
        optim="sgd", max_steps=1, learning_rate=0.1, lr_scheduler_type="constant", max_grad_norm=0,
        use_cpu=True, report_to=[],
        remove_unused_columns=False, disable_tqdm=True, save_strategy="no", logging_steps=1,
        train_sampling_strategy="sequential", dataloader_pin_memory=False)  # fmt: skip
    net = Net()
    before = net.linear.weight.detach().clone()
    trainer = (weighted_trainer() if ours else Trainer)(model=net, args=arguments, train_dataset=rows)
    trainer.train()
    loss = next(line["loss"] for line in trainer.state.log_history if "loss" in line)
    return (net.linear.weight.detach() - before).numpy(), loss


EQUAL, UNEQUAL = np.ones(ROWS), np.random.default_rng(1).uniform(0.1, 5.0, ROWS)


@pytest.mark.parametrize("weights", [EQUAL, UNEQUAL], ids=["equal weights", "unequal weights"])
@pytest.mark.parametrize(("batch_rows", "accumulation"), [(8, 2), (4, 4), (5, 4)])
def test_accumulated_batches_step_like_one_batch(batch_rows, accumulation, weights):
    whole, whole_loss = step(16, 1, weights)
    split, split_loss = step(batch_rows, accumulation, weights)
    assert np.abs(whole).max() > 1e-3
    np.testing.assert_allclose(split, whole, atol=1e-6)
    assert split_loss == pytest.approx(whole_loss, abs=1e-5)


def test_the_trainers_own_loss_fails_the_same_check():
    whole, _ = step(16, 1, EQUAL, ours=False)
    split, _ = step(8, 2, EQUAL, ours=False)
    np.testing.assert_allclose(
        split, 2 * whole, atol=1e-6
    )  # twice the step: when this fails the fault is mended


def test_equal_weights_step_like_plain_cross_entropy():
    np.testing.assert_allclose(step(16, 1, EQUAL)[0], step(16, 1, EQUAL, ours=False)[0], atol=1e-6)


def test_a_row_of_weight_two_is_the_row_twice():
    codes = np.array([0, 1, 1])
    once = targets(codes, 2, np.array([2.0, 1.0, 1.0]), label_smoothing=0.1, balanced=True)
    twice = targets(codes[[0, 0, 1, 2]], 2, np.ones(4), label_smoothing=0.1, balanced=True)
    np.testing.assert_allclose(once[0], twice[0] + twice[1])
    np.testing.assert_allclose(once[1:], twice[2:])


def test_balanced_classes_weigh_the_same_together():
    t = targets(np.array([0, 0, 0, 1]), 2, np.array([1.0, 1.0, 2.0, 1.0]), balanced=True)
    assert t[:3].sum() == pytest.approx(t[3].sum())
    assert t.sum() == pytest.approx(5.0)


def test_the_probe_is_scikit_learns_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x, codes, weights = rng.normal(size=(120, 5)), rng.integers(0, 3, 120), rng.uniform(0.2, 3.0, 120)
    ours = softmax(x, fit_linear(x, targets(codes, 3, weights), c=2.0, tolerance=1e-8))
    theirs = (
        LogisticRegression(C=2.0, tol=1e-10, max_iter=2000)
        .fit(x, codes, sample_weight=weights)
        .predict_proba(x)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
