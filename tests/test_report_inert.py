"""The report is inert: whatever the data hold, no script of theirs runs, no request leaves."""

import base64
import csv
import hashlib
import json
import re
from pathlib import Path

import pytest
from browser import Watched, browser
from payloads import PAYLOADS, PLACES, hostile_record
from promises import FOLDER, record
from report_data import full_record
from report_page import Page

from pipeline.report import page as page_module
from pipeline.report import write, write_as
from pipeline.report.page import render

CONTROL = Path(__file__).parent.parent / "benchmarks" / "report_control.json"
COLUMNS = ["row_id", "split", "given_label", "suggested_label", "issue", "score", "text", "decision",
           "new_label", "note"]  # fmt: skip
BATCH = 13  # payloads that share a page in the quick tier
BATCHES = [PAYLOADS[i : i + BATCH] for i in range(0, len(PAYLOADS), BATCH)]


@pytest.fixture(scope="module")
def opened():
    with browser() as found:
        yield found


def cases():
    """Quick: every payload in every place, thirteen a page. Full: a page for each payload and place."""
    if FOLDER:
        return [((payload,), place) for payload in PAYLOADS for place in PLACES]
    return [(batch, "everywhere") for batch in BATCHES]


def test_no_payload_runs_anywhere_in_a_real_browser(opened, tmp_path):
    tab = Watched(opened, bypass_csp=True)  # escaping alone must do; the policy comes on top
    ran = {}
    for k, (payloads, place) in enumerate(cases()):
        path = write_as(hostile_record(payloads, place), tmp_path / f"{k}.html")
        if did := tab.open(path):
            ran[payloads, place] = did
        path.unlink()
    total = len(cases())
    control = json.loads(CONTROL.read_text("utf-8"))
    record("report_inert", total - len(ran), len(ran), payloads=len(PAYLOADS), places=len(PLACES),
           browser=opened.version, control=f"ydata-profiling {control['ydata_profiling']}",
           control_executed=int(control["executed"]))  # fmt: skip
    assert not ran


def test_the_same_detector_fires_where_escaping_is_taken_away(opened, tmp_path, monkeypatch):
    bare = page_module.environment().overlay(
        autoescape=False, finalize=lambda value: "" if value is None else value
    )
    monkeypatch.setattr(page_module, "environment", lambda: bare)
    html = page_module.render(hostile_record(("<script>window.PWN=1</script>",)))
    path = tmp_path / "bare.html"
    path.write_text(html, "utf-8")
    assert "script ran" in Watched(opened, bypass_csp=True).open(path)
    assert "script ran" not in Watched(opened, bypass_csp=False).open(path)  # the policy alone holds as well
    away = page_module.render(hostile_record(("<img src=http://evil.example/x.png>",)))
    path.write_text(away, "utf-8")
    assert any(d.startswith("request") for d in Watched(opened, bypass_csp=True).open(path))


def test_decisions_come_out_of_the_page_as_the_review_file(opened, tmp_path):
    record_ = full_record()
    line = record_["dataset"]["label_issues"]["rows"][0]
    line |= {"row_id": 'odd "id",\u202e', "given": "=1+1", "text": 'a,"b"\nc'}
    path = write(record_, tmp_path)
    tab = Watched(opened, bypass_csp=False)
    assert tab.open(path) == []
    tab.page.locator("[data-field=decision]").first.select_option("relabel")
    tab.page.locator("[data-field=new_label]").first.fill("+b")
    tab.page.locator("[data-field=note]").first.fill("sure")
    assert tab.page.locator("#decided").inner_text().startswith("1 of 2 decided")
    with tab.page.expect_download() as saving:
        tab.page.locator("#save-decisions").click()
    text = saving.value.path().read_bytes().decode("utf-8")
    header, first, second = csv.reader(text.splitlines(keepends=True))
    assert (
        header == COLUMNS
    )
    assert first == ['odd "id",\u202e', "train", "'=1+1", line["suggested"], "label", f"{line['score']:.6f}",
                     'a,"b"\nc', "relabel", "'+b", "sure"]  # fmt: skip
    assert second[7:] == ["", "", ""] and saving.value.suggested_filename == "review.csv"
    assert tab.did == []


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_overflows_sideways(opened, tmp_path, width):
    path = write(hostile_record(PAYLOADS[:13]), tmp_path)
    tab = Watched(opened)
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.open(path)
    for box in tab.page.locator("details").all():
        box.evaluate("box => box.open = true")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_script_the_page_still_reads(opened, tmp_path):
    path = write(full_record(), tmp_path)
    context = opened.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("#verdict").is_visible() and page.get_by_text("To decide in this page").is_visible()
    assert not page.locator("#save-decisions").is_visible()
    assert page.locator("#label-issues .quote").first.is_visible()


# -- without a browser --------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", range(len(BATCHES)))
def test_no_payload_becomes_markup(batch):
    seen = Page(render(hostile_record(BATCHES[batch])))
    plain = Page(render(hostile_record(("x",))))
    known = {(tag, name) for tag, attrs in plain.elements for name in attrs}
    assert {(tag, name) for tag, attrs in seen.elements for name in attrs} <= known
    assert [t for t, _ in seen.elements].count("script") == 1
    for _, attrs in seen.elements:
        assert not any(name.startswith("on") for name in attrs)
        for name in ("href", "src", "action", "formaction", "xlink:href"):
            assert (attrs.get(name) or "#").startswith("#") or attrs[name] == "data:,"
        assert "url(" not in (attrs.get("style") or "") and "PWN" not in (attrs.get("style") or "")


def test_the_one_script_is_ours_to_the_last_byte():
    html = render(hostile_record(PAYLOADS[:13]))
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    policy = next(
        a["content"] for _, a in Page(html).elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert len(script) == 1 and f"script-src 'sha256-{digest}'; " in policy


def test_the_control_says_that_the_detector_bites():
    assert json.loads(CONTROL.read_text("utf-8"))["executed"] is True


def test_there_are_at_least_a_hundred_payloads():
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 100
