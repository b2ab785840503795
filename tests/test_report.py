"""The report: inert, complete, adds up, bounded, and the same for the same rows."""

import json
import re

import pytest
from report_data import evaluation, full_record
from report_page import Page

from pipeline.report import write
from pipeline.report.page import render
from pipeline.report.visible import visible

PAYLOADS = [
    "<script>window.PWN=1</script>",
    '"><img src=x onerror=window.PWN=1>',
    "' onmouseover='window.PWN=1",
    "</title></style></svg><svg onload=window.PWN=1>",
    "javascript:window.PWN=1",
    "</textarea><iframe srcdoc='<script>PWN</script>'>",
    "{{ 7*7 }}{% raw %}<b>",
    "<a href='http://evil.example/?q=1'>x</a><link rel=stylesheet href=//evil.example>",
    "\u202e\u2066gpj.exe\u200b\x00\x1b[31m\ud800",
]


@pytest.fixture(scope="module")
def page():
    return Page(render(full_record()))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_in_any_field_becomes_markup(payload):
    clean = payload.encode("utf-8", "replace").decode()  # Arrow holds no lone surrogate
    html = render(full_record(clean, issue=clean))
    plain = Page(render(full_record("x", issue="x")))
    seen = Page(html)
    allowed = {(tag, name) for tag, attrs in plain.elements for name in attrs}
    assert {tag for tag, _ in seen.elements} <= {tag for tag, _ in plain.elements}
    assert {(tag, name) for tag, attrs in seen.elements for name in attrs} <= allowed
    for _, attrs in seen.elements:
        assert not any(name.startswith("on") for name in attrs)
        for name in ("href", "src", "style", "id", "class"):
            assert "PWN" not in (attrs.get(name) or "") and "evil" not in (attrs.get(name) or "")
    assert visible(clean) in "".join(seen.text)  # shown, not swallowed
    for char in "\u202e\u2066\u200b\x00\x1b":
        assert char not in html


def test_a_lone_surrogate_is_shown_and_written(tmp_path):
    record = {"title": "odd \ud800 title", "steps": []}
    assert "⟨U+D800⟩" in write(record, tmp_path).read_text("utf-8")
    assert json.loads((tmp_path / "report.json").read_text())["title"] == record["title"]


def test_the_page_holds_one_script_and_loads_nothing(page):
    assert [attrs for tag, attrs in page.elements if tag == "script"] == [{}]
    assert not {"iframe", "object", "embed", "form", "img", "base"} & {
        tag for tag, _ in page.elements
    }
    links = [
        attrs[a] for _, attrs in page.elements for a in ("href", "src", "srcset", "xlink:href") if a in attrs
    ]
    assert links and all(link.startswith("#") or link == "data:," for link in links)
    assert "url(" not in render(full_record()) and "@import" not in render(full_record())


def test_the_policy_forbids_everything_but_own_styles_and_the_one_script(page):
    policy = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    rest = re.sub(r"script-src 'sha256-[A-Za-z0-9+/]{43}='; ", "", policy[0])
    assert len(policy) == 1 and rest == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )


def test_every_link_inside_the_page_has_a_target(page):
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for tag, a in page.elements if tag == "a"} <= set(ids)
    for _, attrs in page.elements:
        assert set((attrs.get("aria-labelledby") or "").split()) <= set(ids)


def test_the_page_says_what_the_record_says(page):
    for words in (
        "proved",
        "+7.1 points",
        "+2.2",
        "+12.0",
        "which excludes zero",
        "12 → 11",
        "near_duplicate",
        "given",
        "suggested",
        "topic=x",
        "because of that",
        "93.4 %",
        "95.0 %",
        "f.csv",
        "guessed",
        "96.2 %, estimated",
        "noted",
        "skipped: no budget",
        "assay why x",
        "threshold 0.1",
        "0.741",
        "0.812",
    ):
        assert words in page.words, words


def test_the_twin_has_the_same_numbers(tmp_path):
    record = full_record()
    path = write(record, tmp_path)
    twin = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert path == tmp_path / "report.html" and twin["schema_version"] == 1
    assert twin["evaluation"] == record["evaluation"] and twin["dataset"] == record["dataset"]
    assert render(twin) == path.read_text("utf-8")


def test_numbers_that_are_not_finite_become_null(tmp_path):
    record = {
        **full_record(),
        "evaluation": {"curated": {**evaluation(), "metrics": {"roc_auc": float("nan")}}},
    }
    write(record, tmp_path)
    twin = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert twin["evaluation"]["curated"]["metrics"]["roc_auc"] is None


def test_rows_that_add_up_are_said_to(page):
    assert "Adds up. 12 − 2 dropped + 1 added = 11 rows" in page.words


@pytest.mark.parametrize("key", ["rows_out", "dropped", "added", "rows_in"])
def test_rows_that_do_not_add_up_are_said_not_to(key):
    record = full_record()
    record["steps"][1][key] += 1
    assert "The rows do not add up. duplicates:" in Page(render(record)).words


def test_a_curated_dataset_of_another_size_than_the_last_stage_left_is_noticed():
    assert "the curated data have 10" in Page(render({**full_record(), "rows_out": 10})).words


def test_two_rounds_add_up_as_one_line():
    record = full_record()
    last = record["steps"][-1]["rows_out"]
    unchanged = {"round": 2, "dropped": 0, "added": 0, "rows_in": last, "rows_out": last}
    second = [{**s, **unchanged} for s in record["steps"]]
    record["steps"] += second
    words = Page(render(record)).words
    assert "do not add up" not in words and "made anew each round" in words
    record["steps"][-1]["rows_in"] += 1
    assert "do not add up" in Page(render(record)).words


def test_an_audit_without_evaluation_renders():
    record = full_record()
    audit = {k: record[k] for k in ("title", "steps", "dataset", "rows_in")} | {"kind": "audit"}
    words = Page(render(audit)).words
    assert "Grave issues, to look at before training: label" in words
    assert "An audit changes nothing" in words and "Evaluation" not in words
    assert "audit only" in Page(render({**audit, "dataset": {}})).words


def test_a_record_with_nothing_but_a_title_renders_and_says_what_was_checked():
    steps = [
        {"stage": "quality", "rows_in": 5, "rows_out": 5},
        {"stage": "anomalies", "rows_in": 5, "rows_out": 5, "skipped": "5 rows are too few"},
    ]
    record = {"title": "Tiny", "kind": "audit", "steps": steps, "dataset": {"issues": []}}
    words = Page(render(record)).words
    assert (
        "Nothing was found." in words
        and "quality: ran" in words
        and "anomalies: skipped, 5 rows are too few" in words
    )
    assert "Tiny" in Page(render({"title": "Tiny", "steps": []})).words


@pytest.mark.parametrize("missing", ["title", "steps"])
def test_a_record_without_title_or_steps_is_refused(tmp_path, missing):
    with pytest.raises(ValueError, match=missing):
        write({k: v for k, v in {"title": "t", "steps": []}.items() if k != missing}, tmp_path)
