"""Pictures as a network takes them: decoded when they are needed, their pixels kept while room lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.inputs import Item
from pipeline.dataset import Dataset
from pipeline.ingest import InputError
from pipeline.modalities.image.decode import Unreadable, decode
from pipeline.stage import NotApplicable

if TYPE_CHECKING:
    import torch

KEPT_BYTES = 2**30  # of pixels that are decoded once for all epochs: 7,000 pictures of 224 x 224
SMALLEST_SHARE = 0.6  # of the area that a random crop keeps


def items_of(data: Dataset) -> list[Item]:
    """Return one item a row: its id and its image cell, not read yet.

    Raises `NotApplicable` where a row has not exactly one image.
    """
    if len(data.roles.content) != 1:
        raise NotApplicable(f"a row needs one image column, this data has {', '.join(data.roles.content)}")
    return [{"id": i, "cell": cell} for i, cell in zip(data.ids, data.content.columns[0], strict=True)]


class Pictures:
    """Decoding, the image processor's geometry, and a store of its results."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.kept: dict[str, np.ndarray] = {}
        self.room = KEPT_BYTES
        scale = float(getattr(processor, "rescale_factor", None) or 1 / 255)
        mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
        if not getattr(processor, "do_normalize", True) or mean is None or std is None:
            mean, std = (0.0,) * 3, (1.0,) * 3
        self.scale = np.asarray(scale / np.asarray(std), np.float32)
        self.shift = np.asarray(np.asarray(mean) / np.asarray(std), np.float32)

    def batch(self, items: list[Item]) -> torch.Tensor:
        """Return pixels (b, 3, height, width) float32, channels last in memory: convolutions like that."""
        import torch

        pixels = np.stack([self._varied(item) for item in items])  # (b, height, width, 3)
        x = torch.from_numpy(pixels).float().mul_(torch.from_numpy(self.scale))
        return x.sub_(torch.from_numpy(self.shift)).permute(0, 3, 1, 2)

    def pixels(self, item: Item) -> np.ndarray:
        """Return one picture (height, width, 3) uint8, resized and cut as the processor says."""
        cell = item["cell"].as_py() or {}
        key = str(cell.get("sha256"))
        if key in self.kept:
            return self.kept[key]
        picture = decoded(cell.get("bytes"), item["id"])
        asked = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
        found = self.processor(picture, input_data_format="channels_last", **asked)["pixel_values"][0]
        pixels = np.ascontiguousarray(np.asarray(found, np.uint8).transpose(1, 2, 0))
        if pixels.nbytes <= self.room:
            self.room -= pixels.nbytes
            self.kept[key] = pixels
        return pixels

    def _varied(self, item: Item) -> np.ndarray:
        pixels, how = self.pixels(item), item.get("varied", "none")
        if how == "none":
            return pixels
        import torch

        flip, share, down, right = torch.rand(4).tolist()
        if how == "crop":
            pixels = _crop(pixels, SMALLEST_SHARE + (1 - SMALLEST_SHARE) * share, down, right)
        return pixels[:, ::-1] if flip < 0.5 else pixels


def decoded(body: bytes | None, row_id: str) -> np.ndarray:
    """Return an encoded picture as (height, width, 3) uint8, upright, RGB.

    Raises `InputError` naming the row when there is none or it cannot be read.
    """
    try:
        return decode(body or b"")
    except Unreadable as error:
        raise InputError(f"row {row_id!r} has no picture to read: {error}; drop the row") from None


def _crop(pixels: np.ndarray, share: float, down: float, right: float) -> np.ndarray:
    """Return a cut with this share of the area, scaled back to the size it had."""
    from PIL import Image

    height, width = pixels.shape[:2]
    h, w = (max(1, round(side * share**0.5)) for side in (height, width))
    top, left = round(down * (height - h)), round(right * (width - w))
    cut = Image.fromarray(pixels[top : top + h, left : left + w])
    return np.asarray(cut.resize((width, height), Image.Resampling.BILINEAR))
