"""JSONL that is broken, deep, repetitive, enormous or no JSONL."""

from __future__ import annotations

import json

from hostile import Case, Make, counted, file, read, refused


def lines(*rows: str, name: str = "d.jsonl") -> Make:
    return file(name, "\n".join(rows) + "\n")


def row(text: str, **more: object) -> str:
    return json.dumps({"text": text, **more})


A, B, C = row("a"), row("b"), row("c")


def cases() -> list[Case]:
    return [*broken(), *values(), *shapes()]


def broken() -> list[Case]:
    deep = '{"text": ' + "[" * 100_000 + "]" * 100_000 + "}"
    return [
        read("jsonl: first line broken", lines("{oops", A, B), ["a", "b"], (1,)),
        read("jsonl: middle line broken", lines(A, '{"text": "b"', C), ["a", "c"], (2,)),
        read("jsonl: last line cut", file("d.jsonl", f'{A}\n{B}\n{{"text": "c'), ["a", "b"], (3,)),
        read("jsonl: trailing comma in an object", lines(A, '{"text": "b",}', C), ["a", "c"], (2,)),
        read("jsonl: comma after an object", lines(A, B + ",", C), ["a", "c"], (2,)),
        read("jsonl: two objects on a line", lines(A, B + B, C), ["a", "c"], (2,)),
        read("jsonl: single quotes", lines(A, "{'text': 'b'}"), ["a"], (2,)),
        read("jsonl: comments", lines("// made by x", A, "# y"), ["a"], (1, 3)),
        read("jsonl: a key twice", lines(A, '{"text": "b", "text": "c"}', C), ["a", "c"], (2,)),
        read("jsonl: a nested key twice", lines(A, '{"text": "b", "m": {"x": 1, "x": 2}}'), ["a"], (2,)),
        read("jsonl: nested 100,000 deep", lines(A, deep, C), ["a", "c"], (2,)),
        read(
            "jsonl: objects nested 100,000 deep",
            lines(A, '{"text":' * 100_000 + "1" + "}" * 100_000),
            ["a"],
            (2,),
        ),
        read(
            "jsonl: nested 2,000 deep",
            lines(A, '{"text": "b", "m": ' + "[" * 2_000 + "]" * 2_000 + "}"),
            ["a"],
            (2,),
        ),
        read(
            "jsonl: other values on lines",
            lines(A, "1", "null", "true", '"x"', "[]", C),
            ["a", "c"],
            (2, 3, 4, 5, 6),
        ),
        read("jsonl: half a surrogate pair", lines(A, '{"text": "\\ud83d"}', C), ["a", "c"], (2,)),
        read("jsonl: half a surrogate pair in a key", lines(A, '{"text": "b", "\\udead": 1}'), ["a"], (2,)),
        read("jsonl: a whole surrogate pair", lines('{"text": "\\ud83d\\ude00"}'), ["\U0001f600"]),
        read("jsonl: a raw control character", lines(A, '{"text": "b\tc"}'), ["a"], (2,)),
        read(
            "jsonl: NUL bytes after a crash",
            file("d.jsonl", f"{A}\n{B}\n".encode() + b"\0" * 4096),
            ["a", "b"],
            (3,),
        ),
        read(
            "jsonl: a merge conflict",
            lines("<<<<<<< HEAD", A, "=======", B, ">>>>>>> x"),
            ["a", "b"],
            (1, 3, 5),
        ),
        refused("jsonl: every line broken", lines("{", "{"), "d.jsonl:1"),
    ]


def values() -> list[Case]:
    tiny = '{"text": "b", "n": 1e-400}'
    return [
        read(
            "jsonl: NaN and Infinity",
            lines(
                row("a", n=1.5),
                '{"text": "b", "n": NaN}',
                '{"text": "c", "n": Infinity}',
                '{"text": "d", "n": -Infinity}',
            ),
            ["a", "b", "c", "d"],
        ),
        read(
            "jsonl: numbers out of range",
            lines(row("a", n=1.5), tiny, '{"text": "c", "n": 1e999}'),
            ["a", "b", "c"],
        ),
        read("jsonl: an integer of 70 bits", lines(row("a", n=2**70), row("b", n=1)), ["a", "b"]),
        read(
            "jsonl: an integer of 5,000 digits", lines(A, f'{{"text": "b", "n": {"9" * 5000}}}'), ["a"], (2,)
        ),
        read(
            "jsonl: an integer of 4,000 digits", lines(A, f'{{"text": "b", "n": {"9" * 4000}}}'), ["a", "b"]
        ),
        read(
            "jsonl: mixed types in a column",
            lines(
                row("a", n=1),
                row("b", n="x"),
                row("c", n=[1]),
                row("d", n=None),
                row("e", n={"k": 1}),
                row("f", n=True),
            ),
            ["a", "b", "c", "d", "e", "f"],
        ),
        read(
            "jsonl: mixed types in the text",
            lines(A, '{"text": 1e5}', '{"text": ["x"]}', '{"text": true}'),
            ["a", "100000.0", '["x"]', "true"],
        ),
        counted("jsonl: text missing or null", lines(A, "{}", '{"text": null}', B), 4),
        read(
            "jsonl: labels of all kinds",
            lines(
                row("a", label="x"),
                row("b", label=["x", "y"]),
                row("c", label={"x": 1}),
                row("d", label=1),
                row("e", label=None),
            ),
            ["a", "b", "c", "d", "e"],
        ),
        read("jsonl: ragged lists", lines(row("a", v=[1, "x", None]), row("b", v=[[1], {}])), ["a", "b"]),
        read("jsonl: lists of lists", lines(row("a", v=[[1], []]), row("b", v=[])), ["a", "b"]),
        counted(
            "jsonl: a new key in every row", lines(*(row(f"r{i}", **{f"k{i}": i}) for i in range(900))), 900
        ),
        counted(
            "jsonl: a new nested key in every row",
            lines(*(row(f"r{i}", m={f"k{i}": i}) for i in range(1_500))),
            1_500,
        ),
        refused(
            "jsonl: 20,000 different keys",
            lines(*(row(f"r{i}", **{f"k{i}": i}) for i in range(20_000))),
            "d.jsonl:10000",
            "10,001 columns",
        ),
        read(
            "jsonl: nested 90 deep", lines(A, '{"text": "b", "m": ' + "[" * 90 + "]" * 90 + "}"), ["a", "b"]
        ),
        read(
            "jsonl: nested 101 deep",
            lines(A, '{"text": "b", "m": ' + '{"k":' * 101 + "1" + "}" * 102),
            ["a"],
            (2,),
        ),
        read("jsonl: an empty key and a key of spaces", lines('{"text": "a", "": 1, " ": 2}'), ["a"]),
        read(
            "jsonl: keys of our names",
            lines(row("a", row_id="", split=3, parents=[], source=None, weight="w")),
            ["a"],
        ),
        read(
            "jsonl: paths out of the folder",
            lines(row("a", file_name="../../etc/passwd"), row("b", file_name="/x")),
            ["a", "b"],
        ),
    ]


def shapes() -> list[Case]:
    pretty = json.dumps([{"text": "a"}, {"text": "b"}], indent=1)
    return [
        refused("jsonl: an array on one line", lines(json.dumps([{"text": "a"}])), "d.jsonl:1", "an array"),
        refused("jsonl: an array over many lines", lines(pretty), "d.jsonl:1"),
        read("json: an array over many lines", lines(pretty, name="d.json"), ["a", "b"]),
        refused("json: an array without its end", lines(pretty[:-2], name="d.json"), "d.json", "line 7"),
        refused("json: one number", lines("3", name="d.json"), "d.json", "no array"),
        refused("jsonl: empty", file("d.jsonl", b""), "no rows"),
        refused("jsonl: only empty lines", file("d.jsonl", b"\n\n \n"), "no rows"),
        refused("jsonl: only empty objects", lines("{}", "{}"), "d.jsonl"),
        refused("jsonl: no text anywhere", lines('{"a": 1}', '{"b": 2}'), "'text'"),
        read("jsonl: byte order mark", file("d.jsonl", b"\xef\xbb\xbf" + A.encode() + b"\n"), ["a"]),
        read("jsonl: byte order mark mid-file", lines(A, "\ufeff" + B, C), ["a", "b", "c"]),
        read("jsonl: UTF-16", file("d.jsonl", f"{A}\n{B}\n".encode("utf-16")), ["a", "b"]),
        read("jsonl: CR LF", file("d.jsonl", f"{A}\r\n{B}\r\n"), ["a", "b"]),
        read("jsonl: CR only", file("d.jsonl", f"{A}\r{B}\r"), ["a", "b"]),
        read("jsonl: line separators inside a text", lines('{"text": "a\u2028b\x85c"}'), ["a\u2028b\x85c"]),
        read("jsonl: one row", lines(A), ["a"]),
        read("jsonl: a line of 20 MB", lines(A, row("x" * 20_000_000), C), ["a", "c"], (2,)),
    ]
