"""Pictures to vectors with a vision network. A picture's vector is a function of that picture alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipeline.cpu import fixed_threads, multiplies_bf16, physical_cores
from pipeline.modalities.image import networks
from pipeline.modalities.image.cells import bodies, in_threads
from pipeline.modalities.image.decode import Unreadable, decode
from pipeline.progress import advance

_BATCH = 32  # pictures a batch, always that many: the last is filled with grey ones
_DECODED = 16 * _BATCH  # pictures held decoded at once


class Encoding(BaseModel, frozen=True):
    """Settings of the encoder. Only a Hub name may use the network."""

    model_config = ConfigDict(extra="ignore")  # the signal's settings about texts mean nothing here

    encoder: str | None = Field(None, description="efficientnet, a folder with a vision model, or a Hub name")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where the CPU has it")


def encode(content: pa.Table, options: Mapping[str, Any] | Encoding) -> np.ndarray:
    """Return unit vectors, (n, d) float32: the mean of the network's last feature map. No picture: zeros.

    Pictures are squeezed to the network's square, not cropped, so that nothing at the border is lost. Every
    batch has one fixed shape and the number of threads is fixed, so company and order change no bit of a
    vector (on one machine and one set of versions). bf16 multiplies in bf16: cosine to fp32 at least 0.999.
    Runs on the CPU. EfficientNet-Lite0: 0.4 GFLOP a picture, its batch norms folded into the convolutions.

    Raises `Missing` when torch or a package is missing, `ValueError` where there is no such model.
    """
    settings = options if isinstance(options, Encoding) else Encoding(**options)
    network = networks.load(settings.encoder or networks.EFFICIENTNET)
    import torch

    bf16 = settings.precision == "bf16" or (settings.precision == "auto" and multiplies_bf16())
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
    files = bodies(content)
    vectors = np.zeros((len(files), network.size), np.float32)
    with fixed_threads(physical_cores()), torch.inference_mode(), autocast:
        for start in range(0, len(files), _DECODED):
            pixels = in_threads(lambda body: _pixels(body, network.side_px), files[start : start + _DECODED])
            rows = [start + k for k, found in enumerate(pixels) if found is not None]
            found = [p for p in pixels if p is not None]
            for first in range(0, len(found), _BATCH):
                part = found[first : first + _BATCH]
                pooled = network.features(_batch(part, network))
                unit = torch.nn.functional.normalize(pooled.float(), dim=1)
                vectors[rows[first : first + _BATCH]] = unit[: len(part)].numpy()
            advance("embeddings", min(start + _DECODED, len(files)), len(files))
    return vectors


def _pixels(body: bytes, side_px: int) -> np.ndarray | None:
    """Return a picture as (side, side, 3) uint8; None where there is none."""
    try:
        return squeezed(decode(body, least_px=side_px), side_px)
    except Unreadable:
        return None


def squeezed(pixels: np.ndarray, side_px: int) -> np.ndarray:
    """Return the pixels as a square: means of old pixels where it shrinks, cubic where it grows."""
    from pipeline.modalities.image.pixels import opencv

    cv2 = opencv()
    shrinks = min(pixels.shape[:2]) >= side_px
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(pixels, (side_px, side_px), interpolation=how)


def _batch(pixels: list[np.ndarray], network: networks.Network) -> Any:
    """Return (batch, 3, side, side) float32, channels last in memory."""
    import torch

    full = np.full((_BATCH, network.side_px, network.side_px, 3), 127, np.uint8)
    full[: len(pixels)] = pixels
    scaled = (torch.from_numpy(full).float() - torch.tensor(network.mean)) / torch.tensor(network.spread)
    return scaled.permute(0, 3, 1, 2)
