"""What the demos say they found: rows, twins, and precision over faults that share an issue."""

from __future__ import annotations

import pytest

from pipeline.demo.planted import score_planted
from pipeline.findings import Edit, Findings


def lines(planted, edits, scores=()):
    found = Findings.of("quality", edits, scores)
    return {line["fault"]: line for line in score_planted({"planted": planted}, found.edits, found.scores)}


def fault(name, rows, *issues, scored=None):
    return {"fault": name, "issues": list(issues), "rows": rows, "scored": scored}


def test_a_copy_counts_whichever_of_the_two_is_dropped():
    copies = fault("copies", ["b"], "exact_duplicate")
    edit = Edit("a", "exact_duplicate", 0.0, "drop", "copy of b", related=["b"])
    assert lines([copies], [edit])["copies"]["found"] == 1
    assert lines([copies], [edit])["copies"]["precision"] == 1.0


def test_faults_that_share_an_issue_do_not_spoil_each_others_precision():
    planted = [fault("blurred", ["a"], "blurry"), fault("defocused", ["b"], "blurry", "dark")]
    edits = [Edit(i, "blurry", 0.2, "flag", "not sharp") for i in "abc"]
    found = lines(planted, edits)
    assert found["blurred"]["precision"] == pytest.approx(2 / 3)
    assert (found["blurred"]["found"], found["defocused"]["recall"]) == (1, 1.0)


def test_scores_rank_the_planted_rows_and_nothing_named_has_no_precision():
    planted = [fault("dark", ["a", "b"], "dark", scored="dark")]
    found = lines(planted, [], [("dark", list("abcd"), [0.1, 0.6, 0.5, 0.9])])["dark"]
    assert found["precision"] is None and found["recall"] == 0.0
    assert found["average_precision"] == pytest.approx((1 + 2 / 3) / 2)


def test_what_is_mended_before_it_is_looked_for_counts_as_found():
    tokens = fault("tokens", ["a", "b"], "template_token") | {"repair": "template token"}
    mended = Edit("a", "malformed", 0.0, "set", "turn 2: template token <s>", "messages", "<s>hi", "hi")
    tidied = Edit("c", "malformed", 0.0, "set", "turn 2: whitespace", "messages", " hi", "hi")
    line = lines([tokens], [mended, tidied])["tokens"]
    assert (line["found"], line["precision"], line["recall"]) == (1, 1.0, 0.5)
