"""Rulings that `apply` enforces whatever a stage asks for."""

from __future__ import annotations

import pytest
from conftest import FIXTURES

from pipeline.apply import Refused, apply, make_children
from pipeline.dataset import PARENTS
from pipeline.findings import Edit, Findings


def test_apply_refuses_a_cell_that_is_not_what_was_found():
    data = FIXTURES["text"]()
    edit = Edit(data.ids[0], "label", 0.0, "set", "the label is wrong", "label", "never this", "film")
    findings = Findings.of("s", [edit])
    with pytest.raises(Refused, match="not 'never this'"):
        apply(data, findings)


def test_apply_drops_the_rows_made_from_a_dropped_row():
    data = FIXTURES["text"]()
    added = make_children(data, [{PARENTS: [data.ids[0]]}], "s", "{}")
    child = added["row_id"][0].as_py()
    edit = Edit(child, "x", 1.0, "add", "a child of its", related=[data.ids[0]])
    grown = apply(data, Findings.of("s", [edit], added=added))
    assert child in grown.position
    shrunk = apply(grown, Findings.of("s", [Edit(data.ids[0], "x", 0.0, "drop", "the parent goes")]))
    assert child not in shrunk.position and data.ids[0] not in shrunk.position
