"""What is watched while a network trains: the best epoch so far, and how far the training is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.progress import advance

if TYPE_CHECKING:
    import torch
    from transformers import TrainerCallback


def steps_told() -> TrainerCallback:
    """Return a callback that says how many optimizer steps are done."""
    from transformers import TrainerCallback

    class StepsTold(TrainerCallback):
        """A side channel: it changes nothing."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Say it; the last step is said at the end, since early stopping may come first."""
            advance("fine-tuning", min(state.global_step, state.max_steps - 1), state.max_steps)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Say that it is over."""
            advance("fine-tuning", state.max_steps, state.max_steps)

    return StepsTold()


def best_epoch(patience: int | None) -> TrainerCallback:
    """Return a callback that remembers the trained weights of the epoch with the lowest validation loss."""
    from transformers import TrainerCallback

    class BestEpoch(TrainerCallback):
        """In memory: a copy of what is trained, no checkpoint on disk."""

        loss, waited = float("inf"), 0
        weights: dict[str, torch.Tensor]

        def on_evaluate(
            self, args: Any, state: Any, control: Any, model: Any = None, metrics: Any = None, **_: Any
        ) -> None:
            """Keep or count."""
            if metrics["eval_loss"] < self.loss:
                self.loss, self.waited = metrics["eval_loss"], 0
                self.weights = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
            else:
                self.waited += 1
                control.should_training_stop = patience is not None and self.waited >= patience

        def restore(self, model: Any) -> None:
            """Put the best weights back, if any epoch was validated."""
            if self.loss < float("inf"):
                named = dict(model.named_parameters())
                for name, value in self.weights.items():
                    named[name].data.copy_(value)

    return BestEpoch()
