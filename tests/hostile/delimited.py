"""CSV that is ragged, cut, mixed up, enormous or looks like something else."""

from __future__ import annotations

from pathlib import Path

from hostile import Case, Make, counted, file, read, refused

GIANT_BYTES = 64 * 2**20


def csv(*lines: str, end: str = "\n") -> Make:
    return file("d.csv", end.join(lines) + end)


def giant(head: bytes, tail: bytes = b"") -> Make:
    """Return what writes a CSV with one line of 64 MB."""

    def make(folder: Path) -> str:
        with (folder / "d.csv").open("wb") as out:
            out.write(head)
            for _ in range(GIANT_BYTES // 2**20):
                out.write(b"lorem ip" * 2**17)
            out.write(tail)
        return "d.csv"

    return make


def wide(columns: int) -> Make:
    names = ",".join(f"c{k}" for k in range(columns))
    return csv(f"text,{names}", *(f"row {i}" + ",x" * columns for i in range(3)))


def cases() -> list[Case]:
    return [*ragged(), *quoted(), *headers(), *marks(), *sizes()]


def ragged() -> list[Case]:
    return [
        read("csv: ragged rows", csv("text,y", "a,1", "b", "c,1,2", "d,1"), ["a", "d"], (3, 4)),
        read(
            "csv: one cell too many in the last row, no line end",
            file("d.csv", "text,y\na,1\nb,1,2"),
            ["a"],
            (3,),
        ),
        read("csv: empty lines between rows", csv("text,y", "", "a,1", "", "", "b,2"), ["a", "b"]),
        read("csv: trailing commas everywhere", csv("text,y,", "a,1,", "b,2,"), ["a", "b"]),
        read("csv: trailing comma in one row", csv("text,y", "a,1", "b,2,"), ["a"], (3,)),
        read("csv: only commas in a row", csv("text,y", ",", "a,1"), ["", "a"]),
        read("csv: semicolons in a comma file", csv("text,y", "a,1", "b;2", "c,3"), ["a", "c"], (3,)),
        read("csv: tabs in a comma file", csv("text,y", "a,1", "b\t2"), ["a"], (3,)),
        read("csv: semicolons throughout", csv("text;y", "a, and more;1", "b;2"), ["a, and more", "b"]),
        read("csv: bars throughout", csv("text|y", "a|1", "b|2"), ["a", "b"]),
        read("csv: a header twice", csv("text,y", "a,1", "text,y", "b,2"), ["a", "b", "text"]),
        refused("csv: every row ragged", csv("text,y", "a", "b", "c"), "d.csv:2"),
    ]


def quoted() -> list[Case]:
    fine = [f"row {i}" for i in range(50)]
    return [
        read("csv: quote open at the end", csv("text,y", "a,1", '"b,2'), ["a"], (3,)),
        read(
            "csv: quote open in the first row", csv("text,y", '"b,2', *(f"{t},1" for t in fine)), fine, (2,)
        ),
        read(
            "csv: quote closed by a later row",
            csv("text,y", 'a,"x', "b,1", 'c,"y', "d,1"),
            ["b", "d"],
            (2, 4),
        ),
        read("csv: text after a closing quote", csv("text,y", '"a" b,1', "c,2"), ["c"], (2,)),
        read("csv: quotes inside plain cells", csv("text,y", 'say "a" now,1', "c,2"), ['say "a" now', "c"]),
        read("csv: doubled quotes", csv("text,y", '"say ""a""",1'), ['say "a"']),
        read("csv: line ends in a cell", csv("text,y", '"a\nb\n\nc",1', "d,2"), ["a\nb\n\nc", "d"]),
        refused("csv: quote open in the header", csv('"text,y', "a,1"), "d.csv:1"),
        read(
            "csv: thousands of open quotes",
            csv("text,y", *(f'"row {i},1' if i % 2 else f"row {i},1" for i in range(4_000))),
            [f"row {i}" for i in range(0, 4_000, 2)],
            tuple(range(3, 4_002, 2)),
        ),
        read("csv: escaped with backslashes", csv("text,y", r'"a \" b",1', "c,2"), ["c"], (2,)),
    ]


def headers() -> list[Case]:
    plain = ("--modality", "text")
    return [
        refused("csv: two columns of one name", csv("text,text", "a,b"), "two columns", "'text'"),
        refused("csv: two columns of one name but for spaces", csv("text, text", "a,b"), "two columns"),
        read("csv: a column without a name", csv("text,,y", "a,b,1"), ["a"]),
        refused("csv: a column that takes a made-up name", csv("text,,column_2", "a,b,1"), "column_2"),
        refused("csv: header only", csv("text,y"), "no rows"),
        refused("csv: header only, no line end", file("d.csv", "text,y"), "no rows"),
        refused("csv: empty", file("d.csv", b""), "empty"),
        refused("csv: only line ends", file("d.csv", b"\n\r\n\n"), "empty"),
        refused("csv: only spaces", file("d.csv", b"   \n  \n"), "d.csv:1", "no header"),
        refused(
            "csv: no such column",
            csv("text,y", "a,1"),
            "'txt'",
            "did you mean 'text'?",
            options=("--text-column", "txt", "--modality", "text"),
        ),
        refused("csv: no content", csv("y", "1", "2"), "no content column", options=plain),
        refused(
            "csv: no such modality",
            csv("text,y", "a,1"),
            "modality",
            "'txet'",
            "did you mean text?",
            code=2,
            options=("--modality", "txet"),
        ),
        read(
            "csv: columns of our names",
            csv("text,row_id,split,source,parents,weight", "a b,,,web,p,heavy"),
            ["a b"],
        ),
        refused(
            "csv: ids repeat",
            csv("text,key", "a,1", "b,1"),
            "'1' stands 2 times",
            options=(*plain, "--id-column", "key"),
        ),
        refused(
            "csv: an id is missing",
            csv("text,key", "a,1", "b,"),
            "row 2 has no id",
            options=(*plain, "--id-column", "key"),
        ),
        refused(
            "csv: a split of no meaning",
            csv("text,part", "a,train", "b,tset"),
            "'tset'",
            options=(*plain, "--split-column", "part"),
        ),
    ]


def marks() -> list[Case]:
    formulas = ["=1+1", "+A1", "-2", "@SUM(A1)", '=HYPERLINK("http://x","y")', "\tx"]
    lines = ['"' + f.replace('"', '""') + '",1' for f in formulas]
    return [
        read("csv: NUL in a cell", csv("text,y", "a\0b,1", "c,2"), ["a\0b", "c"]),
        read("csv: CR only", csv("text,y", "a,1", "b,2", end="\r"), ["a", "b"]),
        read("csv: all kinds of line ends", file("d.csv", "text,y\r\na,1\nb,2\rc,3\r\n"), ["a", "b", "c"]),
        read("csv: LF CR", csv("text,y", "a,1", "b,2", end="\n\r"), ["a", "b"]),
        read(
            "csv: separators that are no line ends",
            csv("text,y", "a\u2028b\x0bc\x85d,1"),
            ["a\u2028b\x0bc\x85d"],
        ),
        read("csv: byte order mark", file("d.csv", b"\xef\xbb\xbftext,y\na,1\n"), ["a"]),
        read("csv: byte order mark and quoted header", file("d.csv", b'\xef\xbb\xbf"text",y\na,1\n'), ["a"]),
        read(
            "csv: byte order mark mid-file",
            csv("text,y", "a,1", "\ufefftext,y", "b,2"),
            ["a", "b", "\ufefftext"],
        ),
        read("csv: formulas", csv("text,y", *lines), formulas),
        read("csv: right to left and zero width", csv("text,y", "a\u202eb\u200bc,1"), ["a\u202eb\u200bc"]),
        read("csv: terminal escapes", csv("text,y", "\x1b[31mred\x1b[0m,1"), ["\x1b[31mred\x1b[0m"]),
        read("csv: markup", csv("text,y", "<script>alert(1)</script>,1"), ["<script>alert(1)</script>"]),
        read("csv: control characters in the header", csv("text,y\x1b[2J\u202e", "a,1"), ["a"]),
        read(
            "csv: paths out of the folder",
            csv("text,file_name", "a,../../etc/passwd", "b,/etc/passwd"),
            ["a", "b"],
        ),
    ]


def sizes() -> list[Case]:
    long = "x" * 300_000
    return [
        read("csv: one row", csv("text,y", "a b c,1"), ["a b c"]),
        read("csv: two rows", csv("text,y", "a b c,1", "d e f,0"), ["a b c", "d e f"]),
        counted("csv: one class", csv("text,y", *(f"row {i},same" for i in range(30))), 30),
        counted("csv: every label missing", csv("text,label", *(f"row {i}," for i in range(5))), 5),
        counted("csv: one row 500 times", csv("text,y", *(["a b c,1"] * 500)), 500),
        read("csv: a cell of 300,000 characters", csv("text,y", f"{long},1", "a,2"), ["a", long]),
        counted("csv: 2,000 columns", wide(2_000), 3),
        refused("csv: 100,000 columns", wide(100_000), "d.csv:1", "100,001 columns"),
        refused(
            "csv: 500,000 cells in a row", csv("text,y", "a" + ",b" * 500_000), "d.csv:2", "500001 cells"
        ),
        refused("csv: a single line of 64 MB", giant(b""), "d.csv:1", "characters"),
        refused("csv: a single line of 64 MB after a header", giant(b"text,y\n"), "d.csv:2", "characters"),
        refused(
            "csv: a quoted cell of 64 MB that never closes", giant(b'text,y\n"'), "d.csv:2", "characters"
        ),
        read("csv: a line of 64 MB among good ones", giant(b"text,y\na,1\n", b"\nb,2\n"), ["a", "b"], (3,)),
        read("csv: nothing but one column", csv("text", "a", "b"), ["a", "b"]),
    ]
