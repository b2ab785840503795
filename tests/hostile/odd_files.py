"""Files that are no data: pipes, devices, links in a ring, archives; and names nobody expects."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

from hostile import TEXT, Case, Make, counted, file, read, refused

ROWS = "text,y\na b c,1\nd e f,2\n"
GOOD = ["a b c", "d e f"]


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "d.csv")
    return "d.csv"


def ring(folder: Path) -> str:
    (folder / "d.csv").symlink_to("e.csv")
    (folder / "e.csv").symlink_to("d.csv")
    return "d.csv"


def dangling(folder: Path) -> str:
    (folder / "d.csv").symlink_to("nowhere.csv")
    return "d.csv"


def link(folder: Path) -> str:
    (folder / "real.csv").write_text(ROWS)
    (folder / "d.csv").symlink_to("real.csv")
    return "d.csv"


def folder_of(entries: dict[str, str]) -> Make:
    """Return what makes a folder `d`; an entry "-> x" is a link, "|" a pipe."""

    def make(folder: Path) -> str:
        for name, content in entries.items():
            here = folder / "d" / name
            here.parent.mkdir(parents=True, exist_ok=True)
            if content.startswith("-> "):
                here.symlink_to(content[3:])
            elif content == "|":
                os.mkfifo(here)
            else:
                here.write_text(content)
        (folder / "d").mkdir(exist_ok=True)
        return "d"

    return make


def directory_named(name: str) -> Make:
    def make(folder: Path) -> str:
        (folder / name).mkdir()
        return name

    return make


def path(text: str) -> Make:
    return lambda folder: text


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../../evil.csv", ROWS)
    return out.getvalue()


def tarred(mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        info = tarfile.TarInfo("/etc/evil.csv")
        info.size = len(ROWS)
        archive.addfile(info, io.BytesIO(ROWS.encode()))
    return out.getvalue()


def cases() -> list[Case]:
    return [*no_files(), *archives(), *names(), *folders()]


def no_files() -> list[Case]:
    return [
        refused("file: a pipe", pipe, "regular file"),
        refused("file: links in a ring", ring, "link"),
        refused("file: a link to nothing", dangling, "link"),
        read("file: a link to a good file", link, GOOD),
        refused("file: /dev/zero", path("/dev/zero"), "regular file"),
        refused("file: /dev/null", path("/dev/null"), "regular file"),
        refused("file: /dev/tty", path("/dev/tty"), "/dev/tty"),
        refused("file: missing", path("nowhere.csv"), "no such file"),
        refused(
            "file: missing, nearly there",
            lambda f: file("reviews.csv", ROWS)(f) and "review.csv",
            "did you mean",
        ),
        refused("file: a file used as a folder", lambda f: file("d.csv", ROWS)(f) + "/x.csv", "d.csv/x.csv"),
        refused("file: an empty name", path(""), "name a file", code=2),
        refused("file: a name too long for any disk", path("x" * 300 + ".csv"), "too long"),
        refused("file: a path too long for any disk", path("x/" * 5_000 + "d.csv"), "too long"),
        refused("file: no ending", file("data", ROWS), "data", ".csv"),
        refused("file: a spreadsheet's ending", file("d.xlsx", ROWS), ".xlsx", ".csv"),
        refused("file: a pickle", file("d.pkl", b"\x80\x04cos\nsystem\n."), ".pkl"),
        refused("file: a folder called .csv", directory_named("d.csv"), "nothing to read"),
    ]


def archives() -> list[Case]:
    xlsx = zipped()
    magic = {
        "an image": b"\x89PNG\r\n\x1a\n" + bytes(64),
        "a PDF": b"%PDF-1.7\n" + bytes(64),
        "an Arrow file": b"ARROW1\0\0" + bytes(64),
        "a SQLite": b"SQLite format 3\0" + bytes(64),
    }
    return [
        refused("archive: zip", file("d.zip", zipped()), "d.zip", "unpack"),
        refused("archive: tar", file("d.tar", tarred()), "d.tar", "unpack"),
        refused("archive: tar.gz", file("d.tar.gz", tarred("w:gz")), "d.tar.gz", "unpack"),
        refused("archive: csv.gz", file("d.csv.gz", gzip.compress(ROWS.encode())), "d.csv.gz", "unpack"),
        refused("archive: zip called .csv", file("d.csv", xlsx), "d.csv", "unpack"),
        refused("archive: tar called .csv", file("d.csv", tarred()), "d.csv", "unpack"),
        refused(
            "archive: gzip called .jsonl", file("d.jsonl", gzip.compress(ROWS.encode())), "d.jsonl", "unpack"
        ),
        *(
            refused(f"archive: {what} called .csv", file("d.csv", raw), "d.csv", what.split()[-1])
            for what, raw in magic.items()
        ),
        refused(
            "archive: random bytes called .csv",
            file("d.csv", bytes(i * i % 251 for i in range(5_000))),
            "d.csv",
        ),
        refused(
            "archive: random bytes called .jsonl",
            file("d.jsonl", bytes(i * i % 251 for i in range(5_000))),
            "d.jsonl",
        ),
    ]


def names() -> list[Case]:
    odd = {
        "newline": "a\nb.csv",
        "right to left": "a\u202evsc.csv",
        "emoji": "\U0001f600\U0001f468\u200d\U0001f469.csv",
        "255 bytes": "x" * 251 + ".csv",
        "spaces": " a b .csv",
        "quotes": "a'b\"c.csv",
        "terminal escape": "\x1b[31m.csv",
        "percent": "%s%n{0}.csv",
        "combining": "e\u0301.csv",
        "dash": "-.csv",
        "looks like an option": "--help.csv",
        "backslash": "a\\..\\b.csv",
        "many dots": "..x..csv",
    }
    good = [read(f"name: {what}", file(name, ROWS), GOOD) for what, name in odd.items()]
    bad = [
        Case(f"name: {what}, refused", file(name, "text,y\n"), ("no rows",), 65) for what, name in odd.items()
    ]
    latin = os.fsdecode(b"caf\xe9.csv")
    return [
        *good,
        *bad,
        refused("name: not UTF-8", file(latin, ROWS), "caf\\xe9.csv", "UTF-8", "rename"),
        read(
            "name: 255 bytes, own output folder",
            file("y" * 251 + ".csv", ROWS),
            GOOD,
            options=(*TEXT, "--default-out"),
        ),
    ]


def folders() -> list[Case]:
    one, two = "some words in a text", "other words in a text"
    return [
        refused("folder: empty", folder_of({}), "nothing to read"),
        refused("folder: nothing known", folder_of({"a.md": "x", "b.docx": "y"}), "nothing to read"),
        refused("folder: only a pipe", folder_of({"a.csv": "|"}), "nothing to read"),
        refused("folder: only links", folder_of({"a.csv": "-> /etc/passwd"}), "nothing to read"),
        read(
            "folder: links, pipes and rings beside texts",
            folder_of(
                {
                    "x/1.txt": one,
                    "y/2.txt": two,
                    "x/3.txt": "|",
                    "x/4.txt": "-> /etc/passwd",
                    "y/5": "-> 5",
                    "y/loop": "-> ..",
                }
            ),
            [one, two],
        ),
        read("folder: an empty text", folder_of({"x/1.txt": one, "y/2.txt": ""}), [one, ""]),
        refused(
            "folder: two kinds of data",
            folder_of({"a.csv": ROWS, "b.jsonl": '{"text": "x"}'}),
            "name one of them",
        ),
        refused("folder: columns differ", folder_of({"a.csv": ROWS, "b.csv": "text,z\nq,1\n"}), "differ"),
        refused(
            "folder: one file broken",
            folder_of({"a.csv": ROWS, "b.csv": "text,text\nq,1\n"}),
            "b.csv",
            "two columns",
        ),
        counted(
            "folder: names that are not UTF-8",
            folder_of({os.fsdecode(b"x/\xe9.txt"): one, "y/1.txt": two}),
            2,
        ),
        counted("folder: labels with odd names", folder_of({"\u202ea/1.txt": one, "b\nc/2.txt": two}), 2),
        refused("folder: texts too deep", folder_of({"a/b/1.txt": one, "c/d/2.txt": two}), "deep"),
    ]
