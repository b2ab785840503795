from __future__ import annotations

import pytest

from pipeline.recipe import RecipeError, build_stage, load_recipe
from pipeline.stage import stages

GOOD = """
title = "reviews"
[data]
path = "reviews.csv"
text = "body"

[[stages]]
use = "clean"
[stages.text]
markup = false

[[stages]]
use = "duplicates"
threshold = 0.8

[loop]
rounds = 1
"""


def write(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def fault(tmp_path, old, new):
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, GOOD.replace(old, new)))
    return str(caught.value)


def test_a_good_recipe_is_read_and_its_paths_are_its_own(tmp_path):
    recipe = load_recipe(write(tmp_path, GOOD))
    assert recipe.data.path == str(tmp_path / "reviews.csv")
    assert [s.name for s in recipe.stages] == ["clean", "duplicates"]
    assert recipe.stages[0].options.markup is False and recipe.stages[1].threshold == 0.8


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "threshold = 0.8",
            "treshold = 0.8",
            "recipe.toml:14: stages[1].treshold: unknown key, did you mean threshold?",
        ),
        ("text = ", "txt = ", "recipe.toml:5: data.txt: unknown key, did you mean text?"),
        ('use = "duplicates"', 'use = "duplicate"', "did you mean duplicates?"),
        ("threshold = 0.8", "threshold = 8", "less than or equal to 1"),
        ("rounds = 1", "rounds = 0", "recipe.toml:17: loop.rounds"),
        ("[loop]", "[lop]", "recipe.toml:16: lop: unknown key, did you mean loop?"),
        (
            "markup = false",
            "markups = false",
            "recipe.toml:10: stages[0].text.markups: unknown key, did you mean markup?",
        ),
        ("[stages.text]", "[stages.tabular]", "unknown key"),
        ("markup = false\n", "markup = false\n]", "not TOML"),
        ('path = "reviews.csv"', "", "data.path: missing"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_was_meant(tmp_path, old, new, says):
    assert says in fault(tmp_path, old, new)


def test_all_mistakes_are_told_at_once(tmp_path):
    bad = GOOD.replace("threshold", "treshold").replace("rounds = 1", "rouns = 1").replace("text =", "txt =")
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, bad))
    assert len(str(caught.value).splitlines()) == 3


def test_settings_of_another_modality_are_refused(tmp_path):
    text = GOOD.replace('text = "body"', 'text = "body"\nmodality = "tabular"')
    with pytest.raises(RecipeError, match="the data is tabular"):
        load_recipe(write(tmp_path, text))


def test_stages_in_another_order_are_refused(tmp_path):
    parts = GOOD.split("[[stages]]")
    turned = "[[stages]]".join([parts[0], parts[2].split("[loop]")[0], parts[1]])
    with pytest.raises(RecipeError, match="the order must be"):
        load_recipe(write(tmp_path, turned))


def test_a_setting_can_be_changed_from_the_command_line(tmp_path):
    changes = ["duplicates.threshold=0.9", "loop.rounds=3", "clean.text.markup=true"]
    recipe = load_recipe(write(tmp_path, GOOD), changes)
    assert (recipe.stages[1].threshold, recipe.loop.rounds, recipe.stages[0].options.markup) == (0.9, 3, True)
    with pytest.raises(RecipeError, match="did you mean threshold"):
        load_recipe(write(tmp_path, GOOD), ["duplicates.treshold=0.9"])


@pytest.mark.parametrize("name", sorted(stages()))
def test_every_stage_refuses_a_key_it_does_not_know(name):
    with pytest.raises(RecipeError, match="unknown key"):
        build_stage(name, {"no_such_setting": 1}, "text")


def test_weights_twice_are_refused(tmp_path):
    both = '[[stages]]\nuse = "rebalance"\n\n[train]\nclass_weight = "balanced"\n\n[loop]'
    text = GOOD.replace("[loop]", both)
    with pytest.raises(RecipeError, match="rebalance already weights"):
        load_recipe(write(tmp_path, text))
