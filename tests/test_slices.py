import numpy as np
import pandas as pd
import pytest

from pipeline.dataset import Dataset, Roles
from pipeline.slices import candidates, mask, parse

ROLES = Roles(content=("text",), label="y")


def make(n=8, **more):
    rows = {
        "row_id": [f"r{i}" for i in range(n)],
        "text": [f"t{i}" for i in range(n)],
        "y": ["a", "b"] * (n // 2),
    }
    return Dataset.of({**rows, **more}, ROLES, "text")


def test_a_slice_names_a_value_or_bounds_a_measure():
    data, measures = (
        make(4, lang=["en", "de", None, "en"]),
        pd.DataFrame({"n_words": [1.0, 5.0, np.nan, 9.0]}),
    )
    assert mask("label=b", data).tolist() == [False, True, False, True]
    assert mask("lang=en", data).tolist() == [True, False, False, True]
    assert mask("n_words<=5", data, measures).tolist() == [True, True, False, False]
    assert mask("n_words>=5", data, measures).tolist() == [False, True, False, True]


def test_numbers_and_odd_values_survive_the_text_form():
    data = Dataset.of({"row_id": ["p", "q"], "text": ["x", "y"], "y": [3, 4]}, ROLES, "text")
    assert mask("label=3", data).tolist() == [True, False]
    odd = make(2, note=["a=b<=3", "x"])
    assert mask("note=a=b<=3", odd).tolist() == [True, False]
    assert parse("note=a=b<=3").name == "note"


@pytest.mark.parametrize("text", ["", "label", "=x", "n_words<=many", "n_words>=nan", "n_words>=inf"])
def test_what_is_no_slice_is_refused(text):
    with pytest.raises(ValueError, match="slice"):
        parse(text)


def test_an_unknown_name_says_what_was_meant():
    with pytest.raises(ValueError, match="did you mean n_words"):
        mask("n_word<=3", make(2), pd.DataFrame({"n_words": [1.0, 2.0]}))
    with pytest.raises(ValueError, match="did you mean lang"):
        mask("langg=en", make(2, lang=["en", "de"]))


def test_candidates_are_classes_sources_groups_and_the_ends_of_measures():
    data = make(8, source=["web", "mail"] * 4, lang=["en"] * 4 + ["de"] * 4, one=["same"] * 8)
    measures = pd.DataFrame(
        {"n_words": np.arange(8.0), "constant": np.ones(8), "mostly_zero": [0.0] * 7 + [1.0]}
    )
    found = candidates(data, measures)
    assert found[:6] == ["label=a", "label=b", "source=mail", "source=web", "lang=de", "lang=en"]
    assert [s for s in found if s.startswith("n_words")] == ["n_words<=1", "n_words>=6"]
    assert not [s for s in found if s.startswith(("constant", "one=", "text", "mostly_zero<="))]
    assert all(mask(s, data, measures).any() for s in found)


def test_a_column_with_many_values_is_no_grouping():
    data = make(42, name=[f"n{i}" for i in range(42)])
    assert not [s for s in candidates(data) if s.startswith("name=")]


def test_candidates_come_from_train_rows_only():
    data = make(8, split=["train"] * 4 + ["test"] * 4, lang=["en", "de", "en", "de", "fr", "fr", "fr", "fr"])
    measures = pd.DataFrame({"n_words": [1.0, 2.0, 3.0, 4.0, 900.0, 900.0, 900.0, 900.0]})
    found = candidates(data, measures)
    assert "lang=fr" not in found
    assert "n_words>=4" in found or "n_words>=3" in found


def test_labels_that_are_lists_give_a_slice_for_each_class():
    data = Dataset.of({"row_id": ["p"], "text": ["x"], "y": [["a", "b"]]}, ROLES, "text")
    assert candidates(data) == ["label=a", "label=b"]
    assert mask("label=b", data).tolist() == [True]
