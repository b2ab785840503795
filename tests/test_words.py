"""What people read: the right number of a thing, and bounds in words."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from browser import browser
from report_data import full_record
from report_page import Page
from test_ingest import sentence

import pipeline as assay
from flows.single import _line
from pipeline.recipe import build_stage
from pipeline.report.page import many, render

ONE_OF_MANY = re.compile(r"(?<![\d.,])1 (?:\w+ )?(?:rows|columns|cells|classes|values|groups|labels|edits)\b")


def test_one_of_a_thing_is_never_called_several(tmp_path):
    frame = pd.DataFrame({"text": [*map(sentence, range(30)), sentence(4), "?"], "y": ["a", "b"] * 16,
                          "n": [*range(31), None]})  # fmt: skip
    stages = [build_stage(name, {}, "text") for name in ("clean", "quality", "duplicates")]
    audit = assay.audit(frame, label="y", text="text", stages=stages)
    assert audit.summary["issues"]["exact_duplicate"] == {"drop": 1}
    page = audit.report(tmp_path / "report.html")
    said = [Page(page.read_text("utf-8")).words, *map(_line, audit.steps)]
    assert [found for words in said for found in ONE_OF_MANY.findall(words)] == []
    assert "1 row" in said[0]
    assert (many(1, "class", "classes"), many(None, "class", "classes")) == ("1 class", "– classes")


def test_a_rule_with_one_bound_names_that_bound(tmp_path):
    frame = pd.DataFrame({"text": [*map(sentence, range(30)), "so"], "y": ["a", *["b", "a"] * 15]})
    audit = assay.audit(frame, label="y", text="text", stages=[build_stage("quality", {}, "text")])
    because = [e["because"] for e in audit.steps[0].findings.rows()]
    assert because and "inf" not in json.dumps(because)
    assert any(re.match(r"n_words is 1, below \d+: too few words", words) for words in because)


def test_no_table_of_issues_needs_a_scrollbar_on_a_usual_screen(tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render(full_record()), "utf-8")
    with browser() as program:
        page = program.new_page(viewport={"width": 1200, "height": 900})
        page.goto(path.as_uri())
        beyond = page.evaluate("""() => { const box = document.querySelector('#issues .scroll');
                                         return box.scrollWidth - box.clientWidth; }""")
    if beyond > 0:
        pytest.fail(f"the table is {beyond} px wider than its place")
