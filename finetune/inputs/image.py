"""Images: any `AutoModelForImageClassification`, and the packaged EfficientNet-Lite0."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.blocks import Unit, batch_norms, freeze_blocks, frozen_output, hold, without_units
from finetune.inputs import Item, Shortcut
from finetune.networks import efficientnet
from finetune.pictures import Pictures, items_of
from finetune.refused import Refused
from finetune.settings import Training
from pipeline.dataset import Dataset
from pipeline.stage import Missing

if TYPE_CHECKING:
    import torch

PROCESSOR = "preprocessor_config.json"


class ImageReader:
    """Images through one image processor, decoded batch by batch."""

    sampling = "random"
    predict_rows = 32

    def __init__(self, processor: Any, augmentation: str = "none") -> None:
        self.processor = processor
        self.pictures = Pictures(processor)
        self.augmentation = augmentation
        self.frozen: list[Unit] = []

    def rows(self, data: Dataset) -> list[Item]:
        """Return the cells, unread."""
        return items_of(data)

    def batches(self, rows: Sequence[Item], batch_rows: int) -> list[np.ndarray]:
        """Return batches in the order of the rows."""
        return [np.arange(s, min(s + batch_rows, len(rows))) for s in range(0, len(rows), batch_rows)]

    def collate(self, items: list[Item]) -> dict[str, torch.Tensor]:
        """Decode, resize and scale; vary those that may be varied."""
        how = [{**item, "varied": self.augmentation if item.get("varied") else "none"} for item in items]
        return {"pixel_values": self.pictures.batch(how)}

    def freeze(self, model: Any, training: Training) -> int:
        """Freeze the lower blocks for method partial; frozen parts and kept batch statistics stay in eval."""
        n_blocks = 0
        if training.method == "partial":
            self.frozen, n_blocks = freeze_blocks(model, training.layers)
        kept = batch_norms(model) if training.batch_norm == "kept" else []
        hold(model, [*(unit.module for unit in self.frozen), *kept])
        return n_blocks

    def shortcut(
        self, model: Any, rows: Sequence[Item], frozen: int, file: Path, bf16: bool
    ) -> Shortcut | None:
        """Cache what the first trained block is given."""
        import torch

        def given(start: int, end: int) -> torch.Tensor:
            return self.collate(list(rows[start:end]))["pixel_values"]

        states = frozen_output(model, self.frozen, given, len(rows), file, bf16)
        if states is None:
            return None

        def collate(items: list[Item]) -> dict[str, torch.Tensor]:
            found = torch.from_numpy(states[[item["row"] for item in items]])
            if found.ndim == 4:
                found = found.contiguous(memory_format=torch.channels_last)
            return {"pixel_values": found}

        shortcut = Shortcut(collate, partial(without_units, self.frozen))
        return shortcut if _runs(model, shortcut) else None

    def save(self, folder: Path) -> None:
        """Save the image processor."""
        self.processor.save_pretrained(folder)


class ImageInputs:
    """ResNet, ViT, MobileNet, ConvNeXT and their like from a folder or the Hub; EfficientNet-Lite0."""

    default_model = efficientnet.NAME
    rates = {"partial": 1e-3, "full": 3e-4}  # noqa: RUF012 - read only
    methods = ("partial", "full")
    foreign = frozenset({"max_tokens"})

    def sizes(self, n_rows: int) -> tuple[int, int]:
        """Return 5 epochs and batches of 32."""
        return 5, 32

    def open_model(
        self, training: Training, names: Sequence[str], train: Dataset
    ) -> tuple[Any, ImageReader]:
        """Return a pre-trained network with a new head, and its processor."""
        name = training.model or self.default_model
        if name == efficientnet.NAME:
            model: Any = efficientnet.pretrained(names)
            processor = _processor_class("MobileNetV2ImageProcessorPil")(**efficientnet.PROCESSOR)
            return model, ImageReader(processor, training.augmentation)
        head = {"num_labels": len(names), "id2label": dict(enumerate(names)),
                "label2id": {n: i for i, n in enumerate(names)}, "ignore_mismatched_sizes": True}  # fmt: skip
        return self._open(name, training.augmentation, head)

    def load_model(self, folder: Path, training: Training) -> tuple[Any, ImageReader]:
        """Return a trained classifier and its processor."""
        return self._open(str(folder), "none", {})

    def _open(self, name: str, augmentation: str, head: dict[str, Any]) -> tuple[Any, ImageReader]:
        import torch
        from transformers import AutoModelForImageClassification

        efficientnet.classes()
        if Path(name).is_dir() and not (Path(name) / "config.json").is_file():
            raise Refused(f"model {name!r}: the folder has no config.json, so it holds no saved model")
        try:
            model = AutoModelForImageClassification.from_pretrained(
                name, dtype=torch.float32, use_safetensors=True, **head
            )
        except (OSError, ValueError) as error:
            why = (str(error) or repr(error)).splitlines()[0]
            raise Refused(f"model {name!r} cannot be loaded for images: {why}") from None
        return model, ImageReader(_processor(name, model.config), augmentation)


def _processor(name: str, config: Any) -> Any:
    """Return a model's image processor; its architecture's own where the folder has none."""
    import transformers
    from transformers.models.auto import image_processing_auto

    hf: Any = transformers  # its functions have no types
    of_types: Any = image_processing_auto
    try:
        return hf.AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        if (Path(name) / PROCESSOR).is_file():
            kind = json.loads((Path(name) / PROCESSOR).read_text("utf-8")).get("image_processor_type")
            raise Refused(f"model {name!r}: cannot load its image processor {kind} ({error})") from None
        known = of_types.IMAGE_PROCESSOR_MAPPING_NAMES.get(config.model_type)
        if not known:
            raise Refused(f"model {name!r}: no {PROCESSOR} says how it reads images") from None
    names = list(known.values()) if isinstance(known, dict) else [n for n in known if n]
    pil = [n for n in names if str(n).endswith("Pil")] or names
    return _processor_class(str(pil[0]))()


def _processor_class(name: str) -> Any:
    import transformers

    try:
        return getattr(transformers, name)
    except (ImportError, ModuleNotFoundError) as error:
        raise Missing(f"images need more packages: pip install 'assay[image]' ({error})") from None


def _runs(model: Any, shortcut: Shortcut) -> bool:
    """Return whether the network takes cached activations at all: some need more than what passes through."""
    import torch

    try:
        with torch.no_grad(), shortcut.without():
            given = shortcut.collate([{"row": 0}])
            model(**{name: values.to(model.device) for name, values in given.items()})
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError):
        return False
    return True


INPUTS = ImageInputs()
