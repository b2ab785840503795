"""A slip in a recipe is told with its line, its key and what was probably meant; all of them at once."""

from __future__ import annotations

import pytest
from hostile import file
from hostile.front_door import Worker, arguments, faults, in_a_process
from hostile.recipes import GOOD, TYPOS, cases, change, suggested
from promises import record

from finetune.settings import Training
from pipeline.recipe import RecipeError, load_recipe

CASES = cases()
OVERRIDES = [
    ("duplicates.treshold=0.9", "threshold"),
    ("loop.rouns=1", "rounds"),
    ("data.lable=x", "label"),
    ("train.epoch=2", "epochs"),
    ("lop.rounds=1", "loop"),
]


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def tally():
    """Whether each case was told as it should be; recorded when all have been tried."""
    found: dict[str, bool] = {}
    yield found
    typos = [ok for name, ok in found.items() if name.startswith("typo")]
    told = sum(found.values())
    record("recipe_typos", told, len(found) - told, typos=len(typos), suggestions_right=sum(typos))


def mistakes(path, overrides=()):
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides, Training)
    return str(caught.value).split("\n")


def test_the_recipe_the_slips_are_made_in_is_good(tmp_path):
    assert load_recipe(tmp_path / file("r.toml", GOOD)(tmp_path), (), Training).loop.rounds == 2


@pytest.mark.parametrize(("old", "new", "meant"), TYPOS, ids=[new.strip(" =[]\"'") for _, new, _ in TYPOS])
def test_a_slip_is_told_with_its_line_and_what_was_meant(old, new, meant, tmp_path, tally):
    text = change(old, new)
    line = next(
        n for n, (a, b) in enumerate(zip(text.split("\n"), GOOD.split("\n"), strict=True), 1) if a != b
    )
    told = mistakes(tmp_path / file("r.toml", text)(tmp_path))
    ours = [t for t in told if t.startswith(f"{tmp_path}/r.toml:{line}: ")]
    tally[f"typo {new}"] = len(ours) == 1 and suggested(ours[0], meant)
    assert tally[f"typo {new}"], told
    assert len(told) == 1, told


def test_all_slips_are_told_at_once(tmp_path):
    """One recipe with every slip that can stand beside the others; a line for each, none hides another."""
    text, slips, touched = GOOD, [], set()
    for old, new, meant in TYPOS:
        at = text.find(old)
        line = text[:at].count("\n")
        if at >= 0 and line not in touched and not new.startswith("[") and '"' not in new:
            text = text[:at] + new + text[at + len(old) :]
            touched.add(line)
            slips.append((line + 1, meant))
    told = mistakes(tmp_path / file("r.toml", text)(tmp_path))
    for line, meant in slips:
        assert any(t.startswith(f"{tmp_path}/r.toml:{line}: ") and suggested(t, meant) for t in told), (
            line,
            meant,
        )
    assert len(slips) >= 12


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_recipe_is_refused_in_lines(case, worker, tmp_path, tally):
    name = case.make(tmp_path)
    found = faults(case, name, worker(arguments(case, name), tmp_path), tmp_path)
    tally[case.name] = not found
    assert not found


def test_a_real_process_does_the_same(tmp_path):
    case = CASES[0]
    name = case.make(tmp_path)
    assert not faults(case, name, in_a_process(arguments(case, name), tmp_path), tmp_path)


@pytest.mark.parametrize(("change_", "meant"), OVERRIDES)
def test_a_slip_on_the_command_line_is_told(change_, meant, tmp_path):
    told = mistakes(tmp_path / file("r.toml", GOOD)(tmp_path), [change_])
    assert len(told) == 1 and suggested(told[0], meant)


@pytest.mark.parametrize(
    "change_",
    [
        "rounds",
        "=1",
        "loop.=1",
        ".rounds=1",
        "title.x=1",
        "loop.rounds.x=1",
        "data.path.x.y=1",
        "select.rows=3",
        "loop=[" * 3,
    ],
)
def test_a_change_that_leads_nowhere_is_refused(change_, tmp_path):
    told = mistakes(tmp_path / file("r.toml", GOOD)(tmp_path), [change_])
    assert len(told) == 1 and change_.split(".")[0].split("=")[0] in told[0]
