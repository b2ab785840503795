"""Pictures that are cut, hostile or unusual: one row each, read or in quarantine, never a crash or a hang."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pictures import encoded, photo, pixels
from PIL import Image

from hostile import Case, Make, counted, refused

OPTIONS = ("--modality", "image")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def bomb() -> bytes:
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(20001)) for _ in range(20000)) + packer.flush()
    return png_header(20000, 20000) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def scans() -> bytes:
    plain = photo(0, kind="JPEG", progressive=True)
    start = plain.index(b"\xff\xda")
    return plain[:start] + plain[start : start + 30] * 200 + plain[start:]


def gif() -> bytes:
    frames = [Image.fromarray(pixels("red", k)) for k in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


JPEG, PNG, WEBP = (photo(1, kind=kind) for kind in ("JPEG", "PNG", "WEBP"))
CUTS = [(kind, k) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF") for k in (1, 3, 5, 7, 8)]
BAD = {
    "no bytes": (b"", "the file is empty"), "bomb PNG": (bomb, "400,000,000|20,000 x 20,000|50,000,000"),
    "huge header": (lambda: png_header(2**31 - 1, 2**31 - 1), "header is broken|px"),
    "zero width": (lambda: png_header(0, 5), ""),
    "text": (b"not a picture at all", "no picture"), "PDF": (b"%PDF-1.7 ...", "a PDF"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"), "ZIP": (b"PK\3\4....", "ZIP"),
    "HEIC": (b"\0\0\0\x18ftypheic....", "HEIC or AVIF"), "hundreds of scans": (scans, "scans"),
    "GIF of 65535 px": (b"GIF89a" + b"\xff" * 4 + b"\0\0\0", ""),
    "JPEG start only": (b"\xff\xd8\xff\xe0", ""),
}  # fmt: skip
CMYK = Image.new("CMYK", (20, 20), (9, 90, 200, 3))
DEEP = Image.fromarray(np.full((9, 9), 40000, np.uint16))
GOOD = {
    "CMYK": lambda: encoded(CMYK, "JPEG"), "16 bit": lambda: encoded(DEEP), "animated GIF": gif,
    "palette with alpha": lambda: encoded(Image.new("P", (9, 9), 3), "PNG", transparency=3),
    "corrupt EXIF": lambda: photo(1, kind="JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffjunk"),
    "polyglot": lambda: PNG + b"<script>alert(1)</script>PK\3\4",
    "1 x 1": lambda: encoded(pixels("red", 0, 1)),
    "TIFF": lambda: photo(1, kind="TIFF"), "BMP": lambda: photo(1, kind="BMP"), "WebP": lambda: WEBP,
    "1 bit": lambda: encoded(Image.new("1", (9, 9), 1)),
    "LA": lambda: encoded(Image.new("LA", (9, 9), (9, 9))),
}  # fmt: skip


def cases() -> list[Case]:
    """Return cases of tables and folders; good pictures stand around the one that is tried."""
    out = [Case(f"image: {name}", rows_of(JPEG, body() if callable(body) else body, PNG), rows=2, lines=(2,),
                options=OPTIONS) for name, (body, _) in BAD.items()]  # fmt: skip
    out += [counted(f"image: {name}", rows_of(JPEG, body(), PNG), 3, OPTIONS) for name, body in GOOD.items()]
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = photo(5, kind=kind, side=60)
        cut = [whole[: len(whole) * k // 16] for k in range(1, 16)]
        out.append(Case(f"image: {kind} cut at 15 places", rows_of(JPEG, *cut), rows=1,
                        lines=tuple(range(2, 17)), options=OPTIONS))  # fmt: skip
    out += [Case(f"image: folder with {name}", folder(name, body), rows=2, lines=lines, options=OPTIONS)
            for name, body, lines in FILES]  # fmt: skip
    out.append(counted("image: folder with a pipe and a loop of links", odd_folder, 2, OPTIONS))
    out.append(refused("image: nothing can be decoded", rows_of(b"\x89PNG\r\n\x1a\n", JPEG[:99]),
                       "no row can be read", options=OPTIONS))  # fmt: skip
    return out


FILES = [("a file of 0 bytes", ("x.jpg", b""), (1,)), ("text as .jpg", ("x.jpg", b"hello"), (1,)),
         ("a name of 250 characters", ("x" * 246 + ".png", b"\x89PNG\r\n\x1a\n"), (1,)),
         ("a name with a line end", ("a\nb.png", PNG[:50]), (1,)), ("an archive", ("x.zip", b"PK\3\4"), ()),
         ("a name with an emoji, right to left", ("\u202e\U0001f642.png", PNG[:80]), (1,))]  # fmt: skip


def rows_of(*bodies: bytes) -> Make:
    """Return what writes a table of pictures."""

    def make(here: Path) -> str:
        cells = pa.array(bodies, pa.binary())
        pq.write_table(pa.table({"image": cells, "label": ["a"] * len(bodies)}), here / "d.parquet")
        return "d.parquet"

    return make


def folder(name: str, file: tuple[str, bytes]) -> Make:
    """Return what writes a folder of two good pictures and another file."""

    def make(here: Path) -> str:
        (here / "d" / "a").mkdir(parents=True)
        for at, body in (("1.png", PNG), ("2.jpg", JPEG), file):
            (here / "d" / "a" / at).write_bytes(body)
        return "d"

    return make


def odd_folder(here: Path) -> str:
    folder("", ("1.png", PNG))(here)
    os.mkfifo(here / "d" / "a" / "pipe.jpg")
    (here / "d" / "a" / "loop.jpg").symlink_to("loop.jpg")
    (here / "d" / "up").symlink_to(here / "d")
    return "d"
