"""Parquet that is cut, flipped, mislabelled, or holds types few people use."""

from __future__ import annotations

import datetime as dt
import decimal
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from promises import count

from hostile import TEXT, Case, Make, counted, file, read, refused

TEXTS = [f"row {i} of a small table" for i in range(200)]


def good(**options: Any) -> bytes:
    """Return a small Parquet file's bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": TEXTS, "y": [i % 3 for i in range(200)]}), sink, **options)
    return sink.getvalue().to_pybytes()


def columns(**extra: Any) -> Make:
    """Return what writes texts a, b, c beside other columns."""
    return table(pa.table({"text": ["a", "b", "c"], **extra}))


def table(rows: pa.Table, **options: Any) -> Make:
    def make(folder: Path) -> str:
        pq.write_table(rows, folder / "d.parquet", **options)
        return "d.parquet"

    return make


def damaged(name: str, raw: bytes) -> Case:
    return Case(name, file("d.parquet", raw), ("d.parquet",), 65, tuple(sorted(TEXTS)), either=True)


def cases() -> list[Case]:
    return [*cut(), *flipped(), *kinds(), *shapes()]


def cut() -> list[Case]:
    raw = good()
    size = len(raw)
    out = [
        refused(f"parquet: cut at {part}", file("d.parquet", raw[:end]), "Parquet")
        for part, end in (
            ("4 bytes", 4),
            ("a tenth", size // 10),
            ("half", size // 2),
            ("the footer", size - 40),
            ("8 bytes before the end", size - 8),
            ("the last byte", size - 1),
        )
    ]
    body = raw[:-8]
    return [
        *out,
        refused("parquet: empty file", file("d.parquet", b""), "d.parquet"),
        refused("parquet: wrong magic at the end", file("d.parquet", raw[:-4] + b"PAR2"), "Parquet"),
        refused("parquet: only the magic", file("d.parquet", b"PAR1"), "Parquet"),
        refused("parquet: twice the magic", file("d.parquet", b"PAR1PAR1"), "Parquet"),
        refused(
            "parquet: footer longer than the file",
            file("d.parquet", body + b"\xff\xff\xff\x7fPAR1"),
            "Parquet",
        ),
        refused("parquet: footer of no length", file("d.parquet", body + b"\0\0\0\0PAR1"), "Parquet"),
        refused(
            "parquet: footer of negative length", file("d.parquet", body + b"\xff\xff\xff\xffPAR1"), "Parquet"
        ),
        refused("parquet: encrypted footer magic", file("d.parquet", raw[:-4] + b"PARE"), "Parquet"),
        refused("parquet: a CSV by its bytes", file("d.parquet", "text,y\na,1\n" * 9), "Parquet"),
        refused("parquet: nothing but zeros", file("d.parquet", bytes(4096)), "Parquet"),
        damaged("parquet: wrong magic at the start", b"PAR2" + raw[4:]),
    ]


def flipped() -> list[Case]:
    """Bit flips under page checksums, where a wrong cell may never pass; and footers, where anything may."""
    rng = random.Random(0)
    out = []
    safe = good(write_page_checksum=True)
    footer = int.from_bytes(safe[-8:-4], "little") + 8
    for k in range(count(4, 60)):
        raw = bytearray(safe)
        raw[rng.randrange(4, len(raw) - footer)] ^= 1 << rng.randrange(8)
        out.append(damaged(f"parquet: flipped bit in a page, {k}", bytes(raw)))
    for k in range(count(6, 100)):
        raw = bytearray(safe)
        raw[rng.randrange(len(raw) - footer, len(raw))] ^= 1 << rng.randrange(8)
        case = damaged(f"parquet: flipped bit in the footer, {k}", bytes(raw))
        out.append(Case(case.name, case.make, case.says, 65, either=True))
    return out


class Secret(pa.ExtensionType):
    """An extension type that the reading process does not know."""

    def __init__(self) -> None:
        super().__init__(pa.string(), "somebody.secret")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"\x80\x04cos\nsystem\n"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Secret:
        return cls()


def kinds() -> list[Case]:
    abc = ["a", "b", "c"]
    day = dt.datetime(2024, 1, 31, 12, 30)
    extension = pa.ExtensionArray.from_storage(Secret(), pa.array(abc))
    odd: dict[str, pa.Array] = {
        "decimal": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("3")]),
        "decimal of 76 digits": pa.array([decimal.Decimal("9" * 70)] * 3, pa.decimal256(76)),
        "an unknown extension type": extension,
        "struct": pa.array([{"x": 1, "y": [1, 2]}, None, {"x": None, "y": []}]),
        "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
        "list of structs": pa.array([[{"x": 1}], [], None]),
        "fixed list": pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float32(), 2)),
        "dictionary": pa.array(["x", None, "x"]).dictionary_encode(),
        "binary": pa.array([b"\xff\x00", b"", None]),
        "fixed binary": pa.array([b"ab"] * 3, pa.binary(2)),
        "time with zone": pa.array([day] * 3, pa.timestamp("us", tz="Europe/Paris")),
        "time with a zone of nowhere": pa.array([day] * 3, pa.timestamp("us", tz="UTC")).cast(
            pa.timestamp("us", tz="+09:30")
        ),
        "nanoseconds": pa.array([1, 2, 3], pa.timestamp("ns")),
        "date": pa.array([dt.date(2024, 1, 31), None, dt.date(1, 1, 1)]),
        "time of day": pa.array([dt.time(12, 30)] * 3),
        "duration": pa.array([dt.timedelta(seconds=1)] * 3),
        "half float": pa.array([1.0, None, 2.0], pa.float16()),
        "unsigned 64 bits": pa.array([2**64 - 1, 0, None], pa.uint64()),
        "nothing but nulls": pa.nulls(3),
        "NaN and infinity": pa.array([float("nan"), float("inf"), None]),
        "string view": pa.array(abc, pa.string_view()),
        "large list": pa.array([[1], [], None], pa.large_list(pa.int8())),
    }
    out = [read(f"parquet: {name}", columns(extra=array), abc) for name, array in odd.items()]
    late = pa.array([0, 0, 10**14]).cast(pa.timestamp("ms"))
    return [
        *out,
        read(
            "parquet: int96",
            table(
                pa.table({"text": abc, "t": pa.array([day] * 3, pa.timestamp("ns"))}),
                use_deprecated_int96_timestamps=True,
            ),
            abc,
        ),
        read("parquet: a time in the year 5138", columns(t=late), abc),
        read(
            "parquet: a time that no calendar has",
            columns(t=pa.array([0, 0, 2**62]).cast(pa.timestamp("us"))),
            ["a", "b"],
            (3,),
        ),
        read(
            "parquet: a date that no calendar has",
            columns(t=pa.array([0, 2**30, 0], pa.int32()).cast(pa.date32())),
            ["a", "c"],
            (2,),
        ),
        read(
            "parquet: text that is not UTF-8",
            table(pa.table({"text": broken_text([b"a", b"\xff\xfe", b"c"])})),
            ["a", "c"],
            (2,),
        ),
        read(
            "parquet: metadata that is not UTF-8",
            columns(m=broken_text([b"\xff", b"x", b"y"])),
            ["b", "c"],
            (1,),
        ),
        read(
            "parquet: nested text that is not UTF-8",
            columns(m=pa.StructArray.from_arrays([broken_text([b"x", b"y", b"\xc3"])], ["k"])),
            ["a", "b"],
            (3,),
        ),
        read(
            "parquet: text as large string", table(pa.table({"text": pa.array(abc, pa.large_string())})), abc
        ),
        read(
            "parquet: text as dictionary", table(pa.table({"text": pa.array(abc).dictionary_encode()})), abc
        ),
        read("parquet: text as numbers", table(pa.table({"text": [1, 2, 3]})), ["1", "2", "3"]),
        refused("parquet: text as binary", table(pa.table({"text": [b"a", b"b"]})), "'text'", "binary"),
        refused("parquet: text as lists", table(pa.table({"text": [["a"], ["b"]]})), "'text'", "list"),
    ]


def broken_text(cells: list[bytes]) -> pa.Array:
    """Return a string array whose bytes nobody checked."""
    binary = pa.array(cells, pa.binary())
    return pa.StringArray.from_buffers(len(cells), binary.buffers()[1], binary.buffers()[2])


def shapes() -> list[Case]:
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["text", "text"])
    wide = pa.table({"text": ["a"], **{f"c{k}": [k] for k in range(1_000)}})
    many = pa.table({"text": TEXTS})
    plain = ("--modality", "text")
    return [
        refused("parquet: no rows", table(pa.table({"text": pa.array([], pa.string())})), "no rows"),
        refused("parquet: no columns", table(pa.table({})), "no rows"),
        refused("parquet: two columns of one name", table(twice), "two columns", "'text'"),
        refused("parquet: no such column", table(pa.table({"body": ["a"]})), "'text'"),
        refused(
            "parquet: nothing but numbers", table(pa.table({"x": [1, 2]})), "no content column", options=plain
        ),
        counted("parquet: 1,000 columns", table(wide), 1),
        refused(
            "parquet: 12,000 columns",
            table(pa.table({f"c{k}": [k] for k in range(12_000)})),
            "12,000 columns",
        ),
        counted("parquet: 200 row groups", table(many, row_group_size=1), 200),
        counted("parquet: one row", table(pa.table({"text": ["a"]})), 1),
        counted(
            "parquet: all texts null", table(pa.table({"text": pa.nulls(3, pa.string()), "y": [1, 2, 3]})), 3
        ),
        counted(
            "parquet: a column named like a path", table(pa.table({"text": ["a"], "../../x": [1]})), 1, TEXT
        ),
        refused(
            "parquet: named .csv",
            lambda folder: rename(table(many)(folder), folder, "d.csv"),
            "Parquet",
            ".parquet",
        ),
        counted(
            "parquet: upper-case ending", lambda folder: rename(table(many)(folder), folder, "D.PARQUET"), 200
        ),
    ]


def rename(name: str, folder: Path, new: str) -> str:
    (folder / name).rename(folder / new)
    return new
