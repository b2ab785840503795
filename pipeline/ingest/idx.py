"""idx: the files of MNIST and its kin, `train-images-idx3-ubyte` beside its labels, gzip or not.

Each picture becomes a grey PNG, so that it is a file as any other.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from pipeline.hashing import IMAGE, image_array
from pipeline.ingest.source import File, InputError, Raw

_NAME = re.compile(r"(?P<part>[\w-]+?)-(?P<what>images|labels)[-.]idx(?P<axes>\d)-ubyte(\.gz)?", re.ASCII)
UNPACKED_BYTES = 1 << 30  # of one file: a million pictures of 28 x 28 px and more
_PARTS = {"t10k": "test"}
_CHUNK = 5_000


def idx_files(files: Sequence[File]) -> dict[tuple[str, str], File]:
    """Return a folder's idx files by part ("train", "t10k") and by what they hold, "images" or "labels"."""
    found: dict[tuple[str, str], File] = {}
    for file in files:
        name = file.path.name.lower()
        if (match := _NAME.fullmatch(name)) is None:
            continue
        key = (match["part"], match["what"])
        if key in found:
            raise InputError(f"{file.name}: is there twice, as {found[key].name} too (delete one of them)")
        found[key] = file
    return found


def read_idx(path: str, found: Mapping[tuple[str, str], File], split_words: Mapping[str, str]) -> Raw:
    """Read all pictures with their labels, digits as text; parts called train or t10k are splits.

    Raises `InputError` for a part without labels, or a file whose size is not what its header says.
    """
    raws = []
    parts = sorted({part for part, _ in found})
    splits = [_PARTS.get(part) or split_words.get(part) for part in parts]
    for part, split in zip(parts, splits, strict=True):
        if missing := [w for w in ("images", "labels") if (part, w) not in found]:
            raise InputError(f"{path}: no {part}-{missing[0]}-idx?-ubyte beside the other (put both there)")
        pictures, labels = (_array(found[part, what], axes) for what, axes in (("images", 3), ("labels", 1)))
        if len(pictures) != len(labels):
            both = f"{len(pictures):,} pictures but {len(labels):,} labels"
            raise InputError(f"{path}: {part} holds {both} (these are not files of one set)")
        columns = {
            "file_name": [f"{part}-{k:05d}.png" for k in range(len(labels))], "label": list(map(str, labels))
        }  # fmt: skip
        if all(splits):
            columns["split"] = [str(split)] * len(labels)
        table = pa.table({name: pa.array(cells, pa.large_string()) for name, cells in columns.items()})
        chunks = [image_array([png(p) for p in pictures[k : k + _CHUNK]])
                  for k in range(0, len(pictures), _CHUNK)]  # fmt: skip
        raws.append(table.append_column("image", pa.chunked_array(chunks, IMAGE)))
    guesses = ["split: the files' names"] if all(splits) else []
    return Raw(pa.concat_tables(raws), [], guesses, ["pictures of idx files are kept as grey PNG files"])


def png(pixels: np.ndarray) -> bytes:
    r"""Return grey pixels (h, w) uint8 as a PNG file.

    >>> png(np.zeros((2, 3), np.uint8))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    height, width = pixels.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each line begins with its filter, 0 = none
    lines[:, 1:] = pixels
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def _array(file: File, axes: int) -> np.ndarray:
    """Return the numbers of an idx file, checked against its header."""
    raw = _unpacked(file)
    if raw[:4] != bytes((0, 0, 8, axes)) or len(raw) < 4 + 4 * axes:
        raise InputError(f"{file.name}: no idx file of bytes with {axes} axes (its first bytes say so)")
    shape = struct.unpack(f">{axes}I", raw[4 : 4 + 4 * axes])
    body = np.frombuffer(raw, np.uint8, offset=4 + 4 * axes)
    wanted = 1
    for n in shape:
        wanted *= n  # Python's integers: a hostile header cannot make it wrap
    if wanted != len(body):
        both = f"its header says {wanted:,} bytes, it holds {len(body):,}"
        raise InputError(f"{file.name}: {both} (get it again)")
    return body.reshape(shape)


def _unpacked(file: File) -> bytes:
    try:
        with file.path.open("rb") as stream:
            if stream.read(2) != b"\x1f\x8b":
                stream.seek(0)
                return stream.read(UNPACKED_BYTES)
        with gzip.open(file.path) as packed:
            raw = packed.read(UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file.name}: not readable as gzip: {error} (get it again)") from error
    if len(raw) > UNPACKED_BYTES:
        raise InputError(f"{file.name}: more than {UNPACKED_BYTES:,} bytes unpacked (split it)")
    return raw
