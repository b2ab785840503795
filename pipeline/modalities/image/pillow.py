"""The reader of picture files: its formats and the largest picture."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from pipeline.stage import Missing

MOST_PIXELS = 50_000_000  # a picture with more is refused before it is decoded; 200 MB in memory as RGBA
_PLUGINS = {"JPEG": "Jpeg", "PNG": "Png", "GIF": "Gif", "BMP": "Bmp", "WEBP": "WebP", "TIFF": "Tiff"}
FORMATS = tuple(_PLUGINS)  # nothing else is tried on a file


@cache
def pillow() -> Any:
    """Return `PIL.Image` with the readers of our formats, so that no thread has to import one."""
    try:
        for name in (*_PLUGINS.values(), "Mpo"):  # Mpo: JPEGs of cameras that hold several pictures
            importlib.import_module(f"PIL.{name}ImagePlugin")
        return importlib.import_module("PIL.Image")
    except ImportError:
        raise Missing('pictures need pillow: pip install "assay[image]"') from None
