"""Pictures of rows for the page: small JPEGs, each kept once, and nothing that is not a plain JPEG.

What a modality draws is looked at segment by segment: no metadata (which may tell where a picture was
taken), no comment, nothing after the end. Whatever else the bytes may be (SVG, HTML, a page behind a JPEG's
first bytes), it is left out and counted.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

SIDE_PX, MOST_JPEG_BYTES, MOST_BYTES = 128, 16_000, 2_200_000  # of one picture, of all of them together
_START, _END, _SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive
_TABLES = (0xC4, 0xDB, 0xDD, 0xEE)  # Huffman, quantization, restart interval, Adobe's colour transform
Draw = Callable[[Mapping[str, Any], int], bytes | None]


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


class Pictures:
    """Draws rows and keeps what was drawn, under a key, once; empty where rows have no picture."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.kept: dict[str, dict[str, Any]] = {}
        self.left_out = 0  # drawn, but too big, or for want of room
        self.bytes = 0

    def of(self, cells: Mapping[str, Any]) -> str | None:
        """Return the key of the row's picture; None where it has none or there is no more room."""
        body = self.draw(cells, SIDE_PX)
        if body is None:
            return None
        key = hashlib.sha256(body).hexdigest()[:16]
        if key in self.kept:
            return key
        size = plain_jpeg(body)
        if size is None or len(body) > MOST_JPEG_BYTES or self.bytes + len(body) > MOST_BYTES:
            self.left_out += 1
            return None
        self.bytes += len(body)
        self.kept[key] = {"jpeg": base64.b64encode(body).decode("ascii"), "size_px": list(size)}
        return key

    def record(self) -> dict[str, Any] | None:
        """Return what the record keeps of the pictures, None when there are none."""
        if not self.kept and not self.left_out:
            return None
        return {"side_px": SIDE_PX, "left_out": self.left_out, "by_key": self.kept}


def shown(record: Mapping[str, Any] | None, most_bytes: int) -> dict[str, dict[str, Any]]:
    """Return the pictures that fit as `data:` addresses, those that were kept first coming first.

    Each is looked at again, since a record may have been read from a file.
    """
    out: dict[str, dict[str, Any]] = {}
    for key, entry in ((record or {}).get("by_key") or {}).items():
        size = _size_of(entry.get("jpeg"))
        if size is None or len(entry["jpeg"]) > most_bytes:
            continue
        most_bytes -= len(entry["jpeg"])
        out[key] = {"uri": f"data:image/jpeg;base64,{entry['jpeg']}", "width": size.width,
                    "height": size.height, "coarse": max(size) < SIDE_PX // 2}  # fmt: skip
    return out


def plain_jpeg(body: bytes) -> Size | None:
    """Return the size of a JPEG that holds a picture and nothing else, None for any other bytes.

    >>> print(plain_jpeg(b"<svg onload=alert(1)>"))
    None
    """
    if body[:2] != _START or body[-2:] != _END:
        return None
    at, size = 2, None
    while at + 4 <= len(body):
        if body[at] != 0xFF:
            return None
        marker, length = body[at + 1], int.from_bytes(body[at + 2 : at + 4])
        segment = body[at + 4 : at + 2 + length]
        if marker in _FRAMES and len(segment) >= 6:
            size = Size(int.from_bytes(segment[3:5]), int.from_bytes(segment[1:3]))
        elif marker == 0xE0:
            if segment[:5] != b"JFIF\0" or length != 16:  # 16 is a header without a thumbnail
                return None
        elif marker != _SCAN and marker not in _TABLES:
            return None
        at += 2 + length
        if marker == _SCAN:
            at = _after_scan(body, at)
            if body[at : at + 2] == _END:
                return size if at + 2 == len(body) and size and min(size) > 0 else None
    return None


def _after_scan(body: bytes, at: int) -> int:
    """Return where the next marker stands after a scan's data, in which FF 00 and FF D0 to D7 are data."""
    while (at := body.find(b"\xff", at)) >= 0 and at + 1 < len(body):
        if body[at + 1] != 0 and not 0xD0 <= body[at + 1] <= 0xD7:
            return at
        at += 2
    return len(body)


def _size_of(jpeg: Any) -> Size | None:
    try:
        return plain_jpeg(base64.b64decode(jpeg, validate=True))
    except (TypeError, ValueError):  # not text, or not base64
        return None
