"""Fitness: leaking, naming and constant columns are flagged, and honest ones are not."""

from __future__ import annotations

import random

import pytest
from conftest import make_text

from pipeline.dataset import Dataset, Roles
from pipeline.recipe import build_stage
from pipeline.run import run_stage


def table(n: int = 300, seed: int = 0, **more) -> Dataset:
    rng = random.Random(seed)
    labels = [rng.choice(["yes", "no", "no"]) for _ in range(n)]
    columns = {
        "age": [rng.gauss(40 if label == "yes" else 30, 10) for label in labels],
        "colour": [rng.choice("rgb") for _ in labels],
        **{name: make(labels, rng) for name, make in more.items()},
    }
    splits = [("train", "train", "train", "test")[i % 4] for i in range(n)]
    rows = {"row_id": [f"r{i:04d}" for i in range(n)], "label": labels, "split": splits, **columns}
    return Dataset.of(rows, Roles(content=tuple(sorted(columns)), label="label"), "tabular")


def flagged(data: Dataset, **settings) -> set[tuple[str, str]]:
    step = run_stage(data, build_stage("fitness", settings, data.modality))
    assert step.after.fingerprint == data.fingerprint
    return {(row["issue"], row["column"]) for row in step.findings.rows()}


def test_honest_columns_are_left_alone():
    assert flagged(table()) == set()


@pytest.mark.parametrize("make", [
    lambda labels, rng: [f"code-{label}" for label in labels],  # words
    lambda labels, rng: [rng.gauss(100 if label == "yes" else 0, 5) for label in labels],  # numbers
    lambda labels, rng: [None if label == "yes" else rng.random() for label in labels],  # missing says it
])
def test_a_column_that_gives_the_label_away_is_found(make):
    assert flagged(table(outcome=make)) == {("label_leakage", "outcome")}


def test_whole_numbers_and_words_that_never_repeat_name_rows():
    found = flagged(table(number=lambda labels, rng: list(range(len(labels))),
                          key=lambda labels, rng: [f"k{rng.random()}" for _ in labels],
                          note=lambda labels, rng: [f"a note {rng.random()}" for _ in labels]))
    assert found == {("identifier", "number"), ("identifier", "key")}


def test_measures_in_whole_numbers_name_no_rows_and_codes_do():
    found = flagged(table(
        salary=lambda labels, rng: rng.sample(range(20_000, 200_000), len(labels)),
        year=lambda labels, rng: [1000 + k * 7 for k in range(len(labels))],
        customer=lambda labels, rng: rng.sample(range(10**7, 10**8), len(labels)),
        row=lambda labels, rng: rng.sample(range(1, 2 * len(labels)), len(labels))))
    assert found == {("identifier", "customer"), ("identifier", "row")}


def test_a_column_of_ticks_and_blanks_is_no_constant():
    assert flagged(table(promo=lambda labels, rng: [rng.choice(["yes", None]) for _ in labels])) == set()


def test_one_row_of_a_class_does_not_hide_a_leak():
    data = table(outcome=lambda labels, rng: [f"code-{label}" for label in labels])
    rows = data.table.to_pydict()
    rows["label"][0] = "maybe"
    assert flagged(Dataset.of(rows, data.roles, "tabular")) == {("label_leakage", "outcome")}


def test_a_column_of_one_value_is_constant_and_missing_counts_as_no_value():
    found = flagged(table(same=lambda labels, rng: ["x"] * len(labels),
                          none=lambda labels, rng: [None] * len(labels)))
    assert found == {("constant", "same"), ("constant", "none")}


def test_rare_classes_count_as_much_as_common_ones():
    data = table(n=1000, flag=lambda labels, rng: ["n"] * len(labels))
    rows = data.table.to_pydict()
    rows["label"] = ["rare" if i % 50 == 0 else "common" for i in range(1000)]
    skewed = Dataset.of(rows, data.roles, "tabular")
    assert ("label_leakage", "flag") not in flagged(skewed)  # always "common" is right in 98 %


def test_held_out_rows_have_no_say():
    data = table(code=lambda labels, rng: [f"code-{label}" for label in labels])
    rows = data.table.to_pydict()
    rows["code"] = [c if s == "train" else "?" for c, s in zip(rows["code"], rows["split"], strict=True)]
    assert flagged(Dataset.of(rows, data.roles, "tabular")) == {("label_leakage", "code")}


def test_texts_are_no_columns_of_values_and_stay_unflagged():
    assert flagged(make_text()) == set()
