"""Repairs of a picture's file: upright pixels, a usual colour mode, no private metadata."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from pipeline.hashing import image_cell
from pipeline.modalities.image.decode import Unreadable, decode, depth_bits, layers, opened, orientation
from pipeline.modalities.image.options import ImageClean

_GREY_MODES = ("1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_USUAL_MODES = ("RGB", "L", "RGBA")
_JPEG_QUALITY = 95
_PRIVATE = {"exif": "EXIF", "xmp": "XMP", "comment": "a comment", "photoshop": "Photoshop data"}
_GPS = 0x8825  # EXIF tag


def repair(cell: Any, options: ImageClean) -> tuple[Any, list[str]]:
    """Return the repaired cell and what was wrong, in words; the same cell and [] where nothing is.

    A JPEG becomes a JPEG of quality 95 (4:4:4), anything else a PNG, which loses nothing. The colour profile
    is kept where the mode is. Doing it twice changes nothing more.
    """
    body = cell.get("bytes") if isinstance(cell, Mapping) else None
    if not body:
        return cell, []
    try:
        picture = opened(body)
        reasons = _reasons(picture, options)
        if not reasons:
            return cell, []
        return image_cell(_written(body, picture, options)), reasons
    except Unreadable:
        return cell, []


def _reasons(picture: Any, options: ImageClean) -> list[str]:
    out = []
    if options.orientation and (turn := orientation(picture)) != 1:
        out.append(f"EXIF orientation {turn} put into the pixels")
    if options.mode and (odd := _odd_mode(picture)):
        layered = "transparency" in picture.info or picture.mode in ("RGBA", "LA", "La", "PA", "RGBa")
        white = ", transparent parts on white" if layered else ""
        out.append(f"{odd} to {'grey' if picture.mode in _GREY_MODES else 'RGB'}{white}")
    if options.strip_metadata and (held := _metadata(picture)):
        out.append(f"{' and '.join(held)} removed")
    return out


def _odd_mode(picture: Any) -> str:
    """Return what is unusual about how the pixels are stored, "" for nothing."""
    if getattr(picture, "is_animated", False):
        return f"first of {picture.n_frames} frames"
    if picture.mode == "F" or picture.mode.startswith("I"):
        bits = depth_bits(picture)
        held = "fractional grey" if picture.mode == "F" else f"{16 if bits else 32}-bit grey"
        return f"{held} that fills {bits} bits" if bits not in (None, 16) else held
    if picture.mode not in _USUAL_MODES:
        return {"P": "palette", "1": "1-bit black and white"}.get(picture.mode, f"mode {picture.mode}")
    return "transparent colour" if "transparency" in picture.info else ""


def _metadata(picture: Any) -> list[str]:
    """Return what a file says besides its pixels, in words."""
    tags = picture.getexif()
    held = ["GPS position"] if _GPS in tags else []
    held += [name for key, name in _PRIVATE.items() if picture.info.get(key)]
    if tags and "EXIF" not in held:
        held.append("EXIF")
    return held


def _written(body: bytes, picture: Any, options: ImageClean) -> bytes:
    """Encode the upright pixels; EXIF stays, without its orientation, unless metadata is stripped."""
    from PIL import Image

    if picture.mode == "RGBA" and not _odd_mode(picture):  # decode lays what is transparent on white
        fixed = Image.fromarray(layers(body))
    else:
        fixed = Image.fromarray(decode(body))
        fixed = fixed.convert("L") if picture.mode in _GREY_MODES else fixed
    kept: dict[str, Any] = {}
    if not options.strip_metadata and (tags := picture.getexif()):
        tags.pop(0x0112, None)
        kept["exif"] = tags.tobytes()
    if picture.mode == fixed.mode and picture.info.get("icc_profile"):
        kept["icc_profile"] = picture.info["icc_profile"]
    out = io.BytesIO()
    if picture.format in ("JPEG", "MPO"):
        fixed.save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0, **kept)
    else:
        fixed.save(out, "PNG", **kept)
    return out.getvalue()
