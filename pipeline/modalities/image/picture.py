"""A row as a small JPEG and as a line of words."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from pipeline.modalities.image.decode import Unreadable, decode, opened, size_px

_QUALITY = 80


def thumbnail(cells: Mapping[str, Any], side_px: int) -> bytes | None:
    """Return the first picture of a row as a JPEG of at most `side_px` a side; None where there is none."""
    from PIL import Image

    files = (cell.get("bytes") for cell in cells.values() if isinstance(cell, Mapping))
    body = next((file for file in files if file), None)
    if body is None:
        return None
    try:
        picture = Image.fromarray(decode(body, least_px=side_px))
    except Unreadable:
        return None
    picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def describe(cell: Any) -> str:
    """Return the size, format and weight of one cell in words.

    >>> describe(None)
    'no picture'
    """
    body = cell.get("bytes") if isinstance(cell, Mapping) else None
    if not body:
        return "no picture"
    weight = f"{len(body) / 1000:.0f} kB" if len(body) >= 1000 else f"{len(body)} bytes"
    try:
        width, height = size_px(body)
        return f"{width} x {height} px, {opened(body).format}, {weight}"
    except Unreadable as error:
        return f"unreadable ({error}), {weight}"
