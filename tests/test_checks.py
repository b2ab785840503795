"""`--fail-on`: what counts as found, and what a check says."""

from __future__ import annotations

import pandas as pd
import pytest

import pipeline as assay
from flows.checks import checked, parse_checks
from flows.single import _would
from pipeline.recipe import build_stage


@pytest.fixture(scope="module")
def table():
    n = 120
    frame = pd.DataFrame({
        "name": [f"P{i:04d}" for i in range(n)], "age": [20 + i * 7 % 41 for i in range(n)],
        "told": ["yes" if i % 2 else "no" for i in range(n)], "y": ["pn"[i % 2] for i in range(n)],
    })  # fmt: skip
    stages = [build_stage(name, {}, "tabular") for name in ("cells", "fitness")]
    return assay.audit(frame, label="y", modality="tabular", stages=stages)


def outcome(table, text):
    return checked(parse_checks([text]), table)[0]


def test_a_finding_about_a_column_fails_a_check(table):
    done = outcome(table, "label_leakage>0")
    assert (done["failed"], done["found"], done["columns"]) == (True, 1, ["told"])
    assert done["because"] == "1 column: 'told'"
    assert outcome(table, "identifier>=1")["failed"] and not outcome(table, "label_leakage>1")["failed"]


def test_a_share_of_columns_is_one_of_the_content_columns(table):
    assert outcome(table, "label_leakage>33%")["failed"]
    assert not outcome(table, "label_leakage>34%")["failed"]


def test_a_check_that_finds_nothing_speaks_of_rows(table):
    done = outcome(table, "constant>0")
    assert (done["failed"], done["found"], done["because"]) == (False, 0, "0 of 120 rows (0 %)")


def test_findings_about_columns_are_no_rows_in_the_numbers_of_a_step(table, tmp_path):
    step = table.steps[-1]
    assert (step.facts["flagged"], step.facts["columns_flagged"]) == (0, 2)
    assert _would(step) == "dry run: it would flag 2 columns; nothing was written"
    page = table.report(tmp_path / "report.html").read_text("utf-8")
    change = page[page.index('id="change"') :]
    assert '<td class="n">2 columns</td>' in change[: change.index("</section>")]


def test_an_audit_and_its_steps_print_short(table):
    told = repr(table).splitlines()
    assert told[0] == "Audit of 120 rows (tabular): 2 findings, nothing changed" and len(told) < 12
    assert "label_leakage" in repr(table) and max(map(len, told)) < 100
    assert repr(table.steps[-1]) == "Step(fitness: 120 -> 120 rows, 1 identifier, 1 label_leakage)"
