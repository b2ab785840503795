"""Small pictures for tests: encoded files of any format, datasets and folders of them."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline.dataset import Dataset, Roles
from pipeline.hashing import IMAGE, image_cell

COLOURS = {"red": (200, 40, 40), "blue": (40, 40, 200)}


def pixels(colour: str, seed: int, side: int = 24) -> np.ndarray:
    """A noisy gradient in a colour, (side, side, 3) uint8."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0.4, 1.2, side)[:, None, None]
    noise = rng.normal(0, 12, (side, side, 3))
    return np.clip(slope * np.array(COLOURS[colour]) + noise, 0, 255).astype("u1")


def encoded(picture: np.ndarray | Image.Image, kind: str = "PNG", **options) -> bytes:
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def photo(seed: int = 0, colour: str = "red", kind: str = "PNG", side: int = 24, **options) -> bytes:
    return encoded(pixels(colour, seed, side), kind, **options)


def make_pictures(n: int = 12, seed: int = 0, side: int = 24) -> Dataset:
    """n different pictures, one copy, one row without a picture, and a second column of pictures."""
    rng, rows = random.Random(seed), []
    for k in range(n):
        colour = rng.choice(sorted(COLOURS))
        cell = image_cell(photo(seed * 1000 + k, colour, rng.choice(["PNG", "JPEG"]), side))
        rows.append({"row_id": f"p{k:02d}", "image": cell, "label": colour, "back": None,
                     "split": rng.choice(["train", "train", "test"])})  # fmt: skip
    rows.append({**rows[0], "row_id": "p-copy", "split": "train"})
    rows.append({**rows[1], "row_id": "p-none", "image": None, "back": rows[2]["image"]})
    columns = {c: pa.array([r[c] for r in rows], IMAGE if c in ("image", "back") else pa.large_string())
               for c in rows[0]}  # fmt: skip
    return Dataset.of(pa.table(columns), Roles(content=("image",), label="label"), "image")


def write_folder(folder: Path, layout: str = "label", n: int = 4, kind: str = "PNG") -> Path:
    """Write n pictures of each colour: `label` = red/0.png, `split` = train/red/0.png and test/red/0.png."""
    for at, colour in enumerate(sorted(COLOURS)):
        for k in range(n):
            split = {"label": "", "flat": ""}.get(layout, "test" if k % 4 == 3 else "train")
            inside = "" if layout == "flat" else colour
            name = f"{colour}-{k}" if layout == "flat" else str(k)
            path = folder / split / inside / f"{name}.{kind.lower()}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo(100 * at + k, colour, kind))
    return folder
