"""What happened in training, in the files that `transformers` users look for; no clock enters them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import TrainerState

STATE, RESULTS = "trainer_state.json", "all_results.json"
TIMED = ("_runtime", "_per_second")  # what differs from run to run of the same training


def save_history(state: TrainerState, best_loss: float, folder: Path) -> list[dict[str, float]]:
    """Write `trainer_state.json` and `all_results.json`, return losses and rates by epoch.

    `eval_loss` in the results is `best_loss`, that of the weights that were kept; infinite where none was
    validated, and then left out.
    """
    state.log_history = [
        {k: v for k, v in line.items() if not k.endswith(TIMED)} for line in state.log_history
    ]
    state.save_to_json(str(folder / STATE))
    kept = ("epoch", "loss", "eval_loss", "grad_norm", "learning_rate")
    lines = [line for line in state.log_history if "loss" in line or "eval_loss" in line]
    history = [{k: round(float(v), 6) for k, v in line.items() if k in kept} for line in lines]
    results = {k: v for line in state.log_history if "train_loss" in line for k, v in line.items()}
    if best_loss < float("inf"):
        results["eval_loss"] = best_loss
    (folder / RESULTS).write_text(json.dumps(results, indent=4, sort_keys=True) + "\n", "utf-8")
    return history
