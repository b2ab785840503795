"""Bytes that are not UTF-8: told by their mark or their look, named by the user, or refused."""

from __future__ import annotations

from hostile import TEXT, Case, file, read, refused

CHINESE = ["今天的天气非常好，我们去公园散步。", "这家餐厅的服务很差，不推荐。"]
JAPANESE = ["今日はとても良い天気です。", "コーヒーをもう一杯ください。"]
KOREAN = ["오늘은 날씨가 아주 좋습니다.", "이 식당은 추천하지 않습니다."]
RUSSIAN = ["Сегодня очень хорошая погода.", "Не рекомендую этот ресторан."]
GREEK = ["Σήμερα ο καιρός είναι πολύ καλός.", "Δεν το συνιστώ."]
WESTERN = ["Le café coûte 5 € — “déjà vu”, s’il vous plaît.", "Größe, Straße, mañana, não, informação"]
BY_ENCODING = {
    "gb18030": CHINESE,
    "big5": ["今天的天氣非常好", "這家餐廳的服務很差"],
    "shift_jis": JAPANESE,
    "euc_jp": JAPANESE,
    "euc_kr": KOREAN,
    "cp1251": RUSSIAN,
    "koi8-r": RUSSIAN,
    "iso8859-7": GREEK,
}


def table(texts: list[str]) -> str:
    return "text,y\n" + "".join(f'"{t}",{i}\n' for i, t in enumerate(texts))


def cases() -> list[Case]:
    out = [
        read(f"encoding: {name}, by its mark or its look", file("d.csv", table(texts).encode(name)), texts)
        for name, texts in (
            ("utf-8", CHINESE),
            ("utf-8-sig", CHINESE),
            ("utf-16", RUSSIAN),
            ("utf-32", CHINESE),
            ("utf-16-le", WESTERN),
            ("utf-16-be", WESTERN),
            ("cp1252", WESTERN),
        )
    ]
    latin = [t.replace("€ — ", "").replace("“déjà vu”", "déjà vu").replace("’", "'") for t in WESTERN]
    out.append(read("encoding: latin-1, by its look", file("d.csv", table(latin).encode("latin-1")), latin))
    for name, texts in BY_ENCODING.items():
        raw = file("d.csv", table(texts).encode(name))
        out.append(refused(f"encoding: {name}, not named", raw, "byte ", "d.csv:2", "--encoding"))
        out.append(read(f"encoding: {name}, named", raw, texts, options=(*TEXT, "--encoding", name)))
    out.append(
        read(
            "encoding: utf-16-le, named",
            file("d.csv", table(GREEK).encode("utf-16-le")),
            GREEK,
            options=(*TEXT, "--encoding", "utf-16-le"),
        )
    )
    return [*out, *lone(), *wrong()]


def lone() -> list[Case]:
    good = "text,y\nnaïve — really,1\nцена 5,2\n".encode()
    return [
        read(
            "encoding: one cp1252 line in a UTF-8 file",
            file("d.csv", good + "costs £5,3\n".encode("cp1252")),
            ["costs £5", "naïve — really", "цена 5"],
        ),
        read(
            "encoding: a line of garbage bytes in a UTF-8 file",
            file("d.csv", good + b"x\x81\xfe\xff\x8dy,3\nz,4\n"),
            ["naïve — really", "z", "цена 5"],
            (4,),
        ),
        read(
            "encoding: a lone byte without a meaning",
            file("d.csv", b"text,y\na b,1\nx\x81y,2\nz,3\n"),
            ["a b", "z"],
            (3,),
        ),
        read(
            "encoding: a line of garbage bytes in JSONL",
            file(
                "d.jsonl", '{"text": "naïve"}\n'.encode() + b'{"text": "\xfe\xff\x81\x8d"}\n{"text": "z"}\n'
            ),
            ["naïve", "z"],
            (2,),
        ),
        refused(
            "encoding: nothing but high bytes", file("d.csv", bytes(range(128, 256)) * 40), "d.csv:1", "byte "
        ),
        refused(
            "encoding: half a UTF-16 character at the end",
            file("d.csv", table(RUSSIAN).encode("utf-16") + b"\x00"),
            "UTF-16",
            "byte ",
        ),
        refused(
            "encoding: half a surrogate pair in UTF-16",
            file("d.csv", b"\xff\xfe" + "text\na".encode("utf-16-le") + b"\x00\xd8b\x00"),
            "UTF-16",
            "byte ",
        ),
    ]


def wrong() -> list[Case]:
    raw = file("d.csv", table(CHINESE).encode("gb18030"))
    return [
        refused(
            "encoding: named wrong", raw, "UTF-8", "byte ", "d.csv:2", options=(*TEXT, "--encoding", "utf-8")
        ),
        refused(
            "encoding: no such encoding",
            raw,
            "'gb1803'",
            "did you mean gb18030?",
            code=2,
            options=(*TEXT, "--encoding", "gb1803"),
        ),
        refused(
            "encoding: a codec that is no text encoding",
            raw,
            "'zlib'",
            code=2,
            options=(*TEXT, "--encoding", "zlib"),
        ),
        refused(
            "encoding: a codec that runs escapes",
            raw,
            "'unicode_escape'",
            code=2,
            options=(*TEXT, "--encoding", "unicode_escape"),
        ),
    ]
