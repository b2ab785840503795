"""The settings of stages that only images have: `[stages.image]` in a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Operation = Literal["flip", "rotate", "scale", "crop", "brightness", "colour", "blur", "cutout", "noise"]


class ImageClean(BaseModel, frozen=True, extra="forbid"):
    """What `clean` repairs in a picture."""

    orientation: bool = Field(True, description="turn the pixels as the EXIF orientation says, and drop it")
    mode: bool = Field(True, description="CMYK, 16-bit, palette and other odd modes to 8-bit RGB or grey")
    strip_metadata: bool = Field(False, description="remove EXIF, GPS position, XMP and comments")


class ImageQuality(BaseModel, frozen=True, extra="forbid"):
    """The bounds that `quality` puts on a picture; the issues have cleanvision's names."""

    min_bright_fraction: float = Field(
        0.35, ge=0, le=1, description="dark below: brightness that 99 % of the pixels stay under")
    max_dim_fraction: float = Field(
        0.6, ge=0, le=1, description="light above: brightness that 95 % of the pixels exceed")
    min_sharpness: float = Field(1.2, ge=0, description="blurry below; see the measure")
    min_entropy_bits: float = Field(2.0, ge=0, le=8, description="low_information below")
    max_aspect_ratio: float = Field(3.0, ge=1, description="odd_aspect_ratio above: long side / short side")
    max_size_ratio: float = Field(
        2.5, ge=1, description="odd_size: times larger or smaller than the usual side of the train pictures")
    min_colour_share: float = Field(
        0.7, ge=0, le=1, description="a grey picture is an issue where so many train pictures have colour")


class ImageAugment(BaseModel, frozen=True, extra="forbid"):
    """How `augment` varies a picture. Each child gets `operations_each` of the operations, drawn for it."""

    operations: tuple[Operation, ...] = Field(
        ("flip", "rotate", "scale", "crop", "brightness", "colour", "blur", "cutout", "noise"), min_length=1)
    operations_each: int = Field(2, ge=1, le=9, description="operations applied to one child")
    strength: float = Field(1.0, gt=0, le=2, description="1: gentle; parameters grow in proportion")
