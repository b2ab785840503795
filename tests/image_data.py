"""Small pictures of three kinds of scene with something wrong of every kind."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
from PIL import Image, ImageFilter

from pipeline.dataset import Dataset, Roles
from pipeline.hashing import IMAGE, image_cell

SIDE_PX = 48
PLACES = ("meadow", "shore", "wall")


def scene(place: str, rng: np.random.Generator, side: int = SIDE_PX) -> np.ndarray:
    """A picture of a place, (side, side, 3) uint8: blades of grass, waves under a sky, or bricks."""
    y, x = np.mgrid[0:side, 0:side] / side
    noise = rng.normal(0, 14, (side, side, 3))
    a, b, c = rng.uniform(0, 1, 3)
    if place == "meadow":
        shape = np.sin(2 * np.pi * ((9 + 4 * a) * x + 3 * np.sin(5 * y + 6 * b))) * 50 * y
        colour = np.array([70 + 40 * c, 150, 50])
    elif place == "shore":
        shape = np.where(y > 0.35 + 0.3 * a, np.sin(2 * np.pi * (12 * y + 2 * b * x)) * 25 - 30, 50 * (1 - y))
        colour = np.array([80, 130 + 30 * c, 200])
    else:
        row = np.floor(y * (5 + 3 * a))
        joint = ((y * (5 + 3 * a)) % 1 < 0.15) | ((x * (4 + 2 * b) + 0.5 * (row % 2)) % 1 < 0.1)
        shape = np.where(joint, 70, rng.normal(0, 10, (side, side)))
        colour = np.array([180, 80 + 30 * c, 60])
    thing = (x - rng.uniform(0.2, 0.8)) ** 2 + (y - rng.uniform(0.2, 0.8)) ** 2 < rng.uniform(0.01, 0.04)
    pixels = colour + shape[..., None] + noise
    pixels[thing] = pixels[thing] * 0.4 + 0.6 * rng.uniform(0, 255, 3)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def file_of(pixels: np.ndarray | Image.Image, kind: str = "JPEG", **options) -> bytes:
    """The encoded file of a picture; a JPEG has quality 92 unless told otherwise."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.ascontiguousarray(pixels))
    out = io.BytesIO()
    picture.save(out, kind, **({"quality": 92} | options if kind == "JPEG" else options))
    return out.getvalue()


def pixels_of(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))


def turned_by_exif(pixels: np.ndarray, orientation: int = 6) -> bytes:
    """A file whose EXIF says that its pixels must be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return file_of(pixels, exif=exif.tobytes())


def image_rows(seed: int = 0) -> list[dict]:
    rng = np.random.default_rng(seed)
    rows: list[dict] = []

    def add(body: bytes | None, label: str, split: str = "train") -> bytes | None:
        cell = None if body is None else image_cell(body)
        rows.append({"row_id": f"i{len(rows):03d}", "image": cell, "label": label, "split": split,
                     "site": str(rng.choice(["a", "b"]))})
        return body

    def view(place: str, side: int = SIDE_PX) -> np.ndarray:
        return scene(place, rng, side)

    for place, n in zip(PLACES, (24, 15, 7), strict=True):
        for split, many in (("train", n), ("validation", 3), ("test", 3)):
            for _ in range(many):
                add(file_of(view(place)), place, split)
    train = [r for r in rows if r["split"] == "train"]
    first = pixels_of(train[0]["image"]["bytes"])
    add(train[0]["image"]["bytes"], "meadow")  # exact copy
    second = train[1]["image"]["bytes"]
    add(second[:2] + b"\xff\xfe\x00\x07again" + second[2:], "meadow")  # the same pixels, and a comment
    third = Image.fromarray(view("shore", 96))
    add(file_of(third), "shore")
    add(file_of(third.resize((72, 72), Image.Resampling.BICUBIC), quality=80), "shore")  # near copy
    add(train[2]["image"]["bytes"], "wall")  # copies whose labels conflict
    held_out = next(r for r in rows if r["split"] == "test")
    add(held_out["image"]["bytes"], held_out["label"])  # leak
    add(None, "meadow")
    add(file_of((first * 0.12).astype(np.uint8)), "meadow")  # dark
    add(file_of((230 + view("shore") * 0.1).astype(np.uint8)), "shore")  # light
    add(file_of(Image.fromarray(view("wall", 96)).filter(ImageFilter.GaussianBlur(4))), "wall")  # blurry
    add(file_of(view("shore", 256)), "shore")  # odd size
    add(file_of(np.hstack([view("wall")[:16], view("wall")[:16]])), "wall")  # odd aspect ratio
    add(file_of(Image.fromarray(view("meadow")).convert("L")), "meadow")  # grey
    add(file_of(np.full((SIDE_PX, SIDE_PX, 3), 120, np.uint8)), "meadow")  # blank
    add(turned_by_exif(view("shore")), "shore")
    add(file_of(Image.fromarray(view("wall")).convert("CMYK")), "wall")
    add(file_of(Image.fromarray(view("meadow")).quantize(64), "PNG"), "meadow")
    add(file_of(view("wall")), "meadow")  # wrong labels
    add(file_of(view("meadow")), "wall")
    add(file_of(view("meadow")), "shore")
    add(file_of(rng.integers(0, 255, (SIDE_PX, SIDE_PX, 3)).astype(np.uint8)), "shore")  # outlier
    add(file_of(view("shore")), "opera")  # a label nobody else has
    return rows


def table(*files: bytes | None) -> pa.Table:
    """A content table of these files."""
    return pa.table({"image": pa.array([None if f is None else image_cell(f) for f in files], IMAGE)})


def views(n: int, side: int = 64, seed: int = 7) -> list[np.ndarray]:
    """Different pictures of the three places in turn, (side, side, 3) uint8 each."""
    rng = np.random.default_rng(seed)
    return [scene(("meadow", "shore", "wall")[k % 3], rng, side) for k in range(n)]


def make_image(seed: int = 0) -> Dataset:
    rows = image_rows(seed)
    columns = {c: pa.array([r[c] for r in rows], IMAGE if c == "image" else pa.large_string())
               for c in rows[0]}  # fmt: skip
    return Dataset.of(pa.table(columns), Roles(content=("image",), label="label"), "image")
