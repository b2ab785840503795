"""Tables: numbers and categories through TabM, with what was learnt of the columns in `preprocess.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.inputs import Item, Shortcut
from finetune.networks import tabm
from finetune.refused import Refused
from finetune.settings import Training
from finetune.table_rows import arrays, bins, fit_columns
from pipeline.dataset import Dataset

if TYPE_CHECKING:
    import torch

PREPROCESS = "preprocess.json"
STEPS = 1_000


class TableReader:
    """Rows through the state that was fitted on train rows."""

    processor: Any = None
    sampling = "random"
    predict_rows = 1024

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def rows(self, data: Dataset) -> list[Item]:
        """Return numbers and places of each row."""
        found = arrays(data.content, self.state)
        return [
            {"numbers": n, "categories": c} for n, c in zip(found.numbers, found.categories, strict=True)
        ]

    def batches(self, rows: Sequence[Item], batch_rows: int) -> list[np.ndarray]:
        """Return batches in the order of the rows."""
        return [np.arange(s, min(s + batch_rows, len(rows))) for s in range(0, len(rows), batch_rows)]

    def collate(self, items: list[Item]) -> dict[str, torch.Tensor]:
        """Stack."""
        import torch

        names = ("numbers", "categories")
        return {name: torch.from_numpy(np.stack([item[name] for item in items])) for name in names}

    def freeze(self, model: Any, training: Training) -> int:
        """Freeze nothing: there is nothing pre-trained."""
        return 0

    def shortcut(
        self, model: Any, rows: Sequence[Item], frozen: int, file: Path, bf16: bool
    ) -> Shortcut | None:
        """Return none: nothing is frozen."""
        return None

    def save(self, folder: Path) -> None:
        """Write what was learnt of the columns."""
        text = json.dumps(self.state, indent=1, sort_keys=True, ensure_ascii=False)
        (folder / PREPROCESS).write_text(text + "\n", "utf-8")


class TableInputs:
    """TabM, new, or going on from a folder that Assay saved."""

    default_model = tabm.NAME
    rates = {"full": 3e-3}  # noqa: RUF012 - read only
    methods = ("full",)
    foreign = frozenset({"max_tokens", "augmentation", "batch_norm"})

    def sizes(self, n_rows: int) -> tuple[int, int]:
        """Return sizes that make about 1,000 steps, in batches of 16 to 256 rows, 12 to 100 epochs.

        >>> INPUTS.sizes(120), INPUTS.sizes(20_000)
        ((100, 16), (13, 256))
        """
        batch_rows = min(256, max(16, n_rows // 16))
        return min(100, max(12, round(STEPS * batch_rows / max(n_rows, 1)))), batch_rows

    def open_model(
        self, training: Training, names: Sequence[str], train: Dataset
    ) -> tuple[Any, TableReader]:
        """Return a network for these classes.

        A folder with `preprocess.json` gives its weights (the head's only for as many classes) and columns;
        one with a `config.json` alone gives its sizes. Raises `ValueError` for any other model.
        """
        head = {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}
        folder = Path(training.model or tabm.NAME)
        config, network = tabm.classes()
        if training.model == tabm.NAME:
            return self._new(config(**head), train)
        found = _config(folder)
        if (folder / PREPROCESS).is_file():
            model = network.from_pretrained(
                folder, use_safetensors=True, num_labels=len(names), ignore_mismatched_sizes=True, **head
            )
            return model, TableReader(_state(folder))
        sizes = ("members", "hidden", "depth", "embedding", "dropout")
        return self._new(config(**{k: found[k] for k in sizes if k in found}, **head), train)

    def load_model(self, folder: Path, training: Training) -> tuple[Any, TableReader]:
        """Return a trained network and the state of its columns."""
        model = tabm.classes()[1].from_pretrained(folder, use_safetensors=True)
        return model, TableReader(_state(folder))

    def _new(self, config: Any, train: Dataset) -> tuple[Any, TableReader]:
        import torch

        state = fit_columns(train.content)
        low, width = bins(state)
        config.numbers, config.bins = low.shape
        config.categories = [len(values) for _, values in sorted(state["categories"].items())]
        model = tabm.classes()[1](config)
        model.low.copy_(torch.from_numpy(low))
        model.width.copy_(torch.from_numpy(width))
        return model, TableReader(state)


def _config(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        found = {}
    if found.get("model_type") != tabm.MODEL_TYPE:
        raise Refused(f"model {str(folder)!r} is not for tables, which take {tabm.NAME!r} or its folder")
    return found


def _state(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((folder / PREPROCESS).read_text("utf-8"))
    return state


INPUTS = TableInputs()
