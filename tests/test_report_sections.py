"""Sections for what data can be: tables, conversations, label shapes, generation; shown where they apply."""

import pytest
from conftest import FIXTURES, make_table
from report_data import evaluation, full_record
from report_page import Page

from pipeline.dataset import Dataset, Roles
from pipeline.findings import Edit, Findings
from pipeline.report import dataset_record, write
from pipeline.report.page import render
from pipeline.report.turns_page import turns_page

TABLE = {"row_id": [f"{i:03d}" for i in range(60)], "x": [float(i) for i in range(59)] + [None],
         "twice": [2.0 * i for i in range(60)], "less": [-1.0 * i for i in range(60)],
         "colour": ["red", " red ", "blue"] * 20, "y": ["a", "b"] * 30}  # fmt: skip


def table():
    return Dataset.of(TABLE, Roles(content=("x", "twice", "less", "colour"), label="y"), "tabular")


def page_of(data, curated=None, steps=()):
    record = {"title": "t", "steps": [], "dataset": dataset_record(data, curated or data, list(steps))}
    return record["dataset"], Page(render(record)).words, render(record)


def conversations(columns, rows):
    cells = {"row_id": [f"{i:03d}" for i in range(len(rows))]}
    cells |= {c: [row[k] for row in rows] for k, c in enumerate(columns)}
    return Dataset.of(cells, Roles(content=tuple(columns)), "text")


def turn(role, content):
    return {"role": role, "content": content}


@pytest.mark.parametrize("kind", sorted(FIXTURES))
def test_every_kind_of_data_has_a_page_with_its_own_sections_only(kind, tmp_path):
    data = FIXTURES[kind]()
    found = dataset_record(data, data, [])
    shown = {name for name in ("text", "table", "turns", "sizes") if found[name]}
    assert len(shown) == 1
    for redact in (False, True):
        html = write({"title": kind, "steps": [], "dataset": found}, tmp_path, redact).read_text("utf-8")
        assert ('id="table"' in html) == ("table" in shown) and ('id="turns"' in html) == ("turns" in shown)
        assert ("Personal data and links" in html) == ("text" in shown)


def test_a_table_shows_numbers_categories_missing_cells_and_correlations():
    found, words, html = page_of(table())
    assert [n["column"] for n in found["table"]["numbers"]] == ["x", "twice", "less"]
    assert found["table"]["missing"] == [
        {"column": "x", "raw": 1 / 60, "raw_cells": 1, "curated": 1 / 60}
    ]
    r = {tuple(p["columns"]): p["r"] for p in found["table"]["correlations"]["strongest"]}
    assert r[("x", "twice")] == 1.0 and r[("twice", "less")] == -1.0
    assert "“ red ”" in words and "−1.00" in words and 'id="text"' not in html


def test_a_column_that_leaks_the_label_stands_first_and_is_grave():
    edits = [Edit(None, "label_leakage", 0.01, "flag", "x alone gives the label", "x"),
             Edit(None, "identifier", 0.02, "flag", "60 values in 60 rows", "twice")]  # fmt: skip
    found, words, _ = page_of(table(), steps=[("fitness", Findings.of("fitness", edits))])
    assert [c["issue"] for c in found["table"]["about_columns"]] == ["label_leakage", "identifier"]
    assert found["grade"]["word"] == "fail" and "x alone gives the label" in words
    assert "Ask when the column is filled in" in words


def test_what_changed_in_a_column_is_drawn_over_what_was():
    raw = make_table()
    changed = raw.where(raw.splits == "train")
    number = dataset_record(raw, changed, [])["table"]["numbers"][0]
    assert number["changed"] and sum(number["curated"]) < sum(number["raw"])


def test_conversations_show_turns_roles_lengths_and_what_is_cut():
    rows = [([turn("user", "say a word " * 3), turn("assistant", f"word {i} " * (200 if i == 0 else 2))],)
            for i in range(9)]  # fmt: skip
    rows.append(([turn("system", "be brief"), turn("user", "hello there " * 100)],))
    data = conversations(["messages"], rows)
    found = turns_page(data, {"the model": 64})
    assert {r["role"]: r["rows"] for r in found["roles"]} == {"user": 10, "assistant": 9, "system": 1}
    assert found["turns"] == [{"turns": 2, "rows": 10}] and found["unanswered"] == 1
    reader = found["cut"]["readers"][0]
    assert (reader["cut"], reader["lost"]) == (1, 1)


@pytest.mark.parametrize(("longer", "says"), [(30, "long rather than good"), (15, "length alone would also"),
                                              (0, "short rather than good")])  # fmt: skip
def test_a_preference_for_length_is_said_when_it_is_more_than_chance(longer, says):
    rows = [([turn("user", "why")], [turn("assistant", "because " * (5 if i < longer else 1))],
             [turn("assistant", "so " * 4)]) for i in range(30)]  # fmt: skip
    data = conversations(["prompt", "chosen", "rejected"], rows)
    prefers = turns_page(data, {})["preference"]
    assert prefers["longer"] == longer and prefers["differ"] == 30
    assert says in Page(render(_with_turns(data))).words


def _with_turns(data):
    return {"title": "t", "steps": [], "dataset": {"turns": turns_page(data, {})}}


def test_pairs_without_a_difference_are_counted():
    same = [turn("assistant", "because")]
    data = conversations(["prompt", "chosen", "rejected"], [([turn("user", "why")], same, same)] * 3)
    assert turns_page(data, {})["preference"] | {"points": None} == {
        "pairs": 3, "differ": 0, "longer": 0, "share": None, "low": None, "high": None, "same": 3,
        "median_chosen_chars": 7.0, "median_rejected_chars": 7.0, "points": None}  # fmt: skip
    assert "In 3 pairs both answers are the same" in Page(render(_with_turns(data))).words


def test_several_classes_a_row_are_counted_with_those_that_come_together():
    labels = [["a"], ["a", "b"], ["b", "a"], []]
    rows = {"row_id": list("1234"), "text": list("wxyz"), "label": labels}
    found, words, _ = page_of(Dataset.of(rows, Roles(content=("text",), label="label"), "text"))
    several = found["label_shape"]["several"]
    assert several["mean"] == 1.25
    assert several["together"] == [
        {"classes": ["a", "b"], "rows": 2, "lift": round(2 * 4 / (3 * 2), 3)}
    ]
    assert {c["class"]: c["raw"] for c in found["labels"]} == {"a": 3, "b": 2}
    assert "Several classes a row" in words


def test_the_agreement_of_annotators_is_the_share_of_the_likeliest_class():
    votes = [{"a": 3.0, "b": 0.0}, {"a": 2.0, "b": 1.0}, {"a": 1.0, "b": 3.0}, {"a": None, "b": None}]
    rows = {"row_id": list("1234"), "text": list("wxyz"), "label": votes}
    found, words, _ = page_of(Dataset.of(rows, Roles(content=("text",), label="label"), "text"))
    shape = found["label_shape"]["votes"]
    assert shape["rows"] == 3 and shape["unanimous"] == 1
    assert shape["mean"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert "1 of 3 rows are unanimous" in words


def test_votes_are_shown_in_words_and_kept_as_they_are_for_the_review_file():
    votes = [{"a": 3.0, "b": 0.0}, {"a": 0.0, "b": 2.0}]
    rows = {"row_id": list("12"), "text": list("wx"), "label": votes}
    raw = Dataset.of(rows, Roles(content=("text",), label="label"), "text")
    found = Findings.of("label_noise", [Edit("1", "label", 0.1, "flag", "looks like b")],
                        metrics={"suggested": {"1": votes[1]}})  # fmt: skip
    record, _, html = page_of(raw, steps=[("label_noise", found)])
    row = record["label_issues"]["rows"][0]
    assert (row["given_words"], row["suggested_words"]) == ("a", "b")
    assert row["suggested"] == '{"a": 0.0, "b": 2.0}' and "&#34;suggested&#34;: &#34;{" in html
    assert record["transitions"]["most"] == [{"given": "a", "suggested": "b", "rows": 1}]
    assert '{"a"' not in Page(html[html.index('id="labels"') : html.index("<footer")]).words


def test_plain_labels_have_no_section_on_their_shape():
    assert full_record()["dataset"]["label_shape"] is None


def generation(loss):
    number = {"value": loss, "low": loss - 0.1, "high": loss + 0.1}
    return {**evaluation(), "per_class": [], "confusion": {}, "calibration": [],
            "metrics": {"loss_per_byte": number, "perplexity": number, "rouge_l": 0.4,
                        "exact_match": {"value": None, "why": "no row was answered"}},
            "slices": [{"slice": "source=web", "n": 9, "metric": "loss_per_token", "value": loss + 1,
                        "low": None, "high": None, "rest": loss, "weak": True, "because": "x"}]}  # fmt: skip


def test_a_generator_is_judged_in_its_own_units_and_has_no_confusion_matrix():
    compared = {"metric": "loss_per_byte", "unit": "nats per byte", "raw": 1.2, "curated": 1.0,
                "difference": -0.2, "low": -0.3, "high": -0.1, "verdict": "proved", "also": {}}  # fmt: skip
    record = full_record() | {"evaluation": {"raw": generation(1.2), "curated": generation(1.0),
                                             "split": "test", "comparison": compared}}  # fmt: skip
    words = Page(html := render(record)).words
    assert "−0.200 nats per byte (less is better)" in words and "left of the dashed line" in words
    assert "ROUGE-L" in words and "perplexity lower is better" in words
    assert "What is taken for what" not in words and "Class by class" not in words
    verdict = html[html.index('id="verdict"') : html.index('id="change"')]
    assert " points" not in Page(verdict).words
