"""A plan says what a run would do, and the run then does just that."""

from __future__ import annotations

import json

import pytest
from conftest import table_rows
from front_door import assay
from table_run import write_table_recipe

from flows.improve import run_recipe
from flows.plan import plan_run

N = len(table_rows())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    write_table_recipe(folder)
    return folder


def run(folder, *overrides):
    told = []
    run_recipe(folder / "recipe.toml", folder / "w", list(overrides), 1, told.append)
    return told


def test_a_plan_comes_true_step_by_step(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    code, said, told = assay(capsys, "plan", "recipe.toml", "-w", "w", "--json")
    before = json.loads(said)
    assert code == 0 and told == "" and not (folder / "w").exists()  # nothing is made
    assert before["data"]["files"] == 1 and not before["data"]["read"]
    assert before["data"]["bytes"] == (folder / "rows.jsonl").stat().st_size
    assert [s["stage"] for s in before["stages"]] == ["clean", "duplicates"]
    assert [s["done"] for s in before["stages"]] == [False, False]
    assert before["stages"][1]["signals"] == {"pairs": None} and before["run"] is None
    assert before["train"]["method"] == "probe" and (before["rounds"], before["replicates"]) == (1, 5)

    run(folder)
    held = sorted(p for p in (folder / "w").rglob("*"))
    after = plan_run(folder / "recipe.toml", folder / "w", [])[0]
    assert after["run"] == 1 and after["data"]["rows"] == N and after["data"]["splits"]["test"] == 18
    assert [s["done"] for s in after["stages"]] == [True, True]
    assert after["stages"][1]["signals"] == {"pairs": 0}  # cached
    assert sorted(p for p in (folder / "w").rglob("*")) == held  # a plan writes nothing
    text = assay(capsys, "plan", folder / "recipe.toml", "-w", "w")[1]
    assert f"{N} rows of tabular" in text and "duplicates: done before" in text
    assert "needs pairs: cached" in text and "nothing would be computed" in text


def test_a_changed_setting_is_planned_to_run_again_and_does(folder):
    run(folder)
    changed = "duplicates.threshold=0.9"
    plan = plan_run(folder / "recipe.toml", folder / "w", [changed])[0]
    assert plan["run"] is None and [s["done"] for s in plan["stages"]] == [True, False]
    assert "settings.threshold: null -> 0.9" in plan["stages"][1]["because"]
    assert plan["stages"][1]["settings"]["threshold"] == 0.9 and plan["stages"][1]["rows_in"] == N
    first = plan_run(folder / "recipe.toml", folder / "w", ["clean.tabular.whitespace=false"])
    told = run(folder, changed)
    assert plan_run(folder / "recipe.toml", folder / "w", [changed])[0]["run"] == 2
    computed = any(line.startswith("pairs: computing") for line in told)
    assert computed == (plan["stages"][1]["signals"]["pairs"] > 0)
    assert first[0]["stages"][0]["done"] is False and first[0]["stages"][1]["done"] is None
    assert "depends on what the stages before leave" in first[1]


def test_changed_data_is_known_to_be_unread(folder):
    run(folder)
    rows = folder / "rows.jsonl"
    text = rows.read_text()
    rows.write_text(text + text.splitlines()[0].replace("t000", "more") + "\n")
    try:
        plan = plan_run(folder / "recipe.toml", folder / "w", [])[0]
        assert not plan["data"]["read"] and plan["run"] is None and not any(s["done"] for s in plan["stages"])
    finally:
        rows.write_text(text)


@pytest.mark.parametrize(("arguments", "code", "says"), [
    (("nowhere.toml",), 2, "nowhere.toml"),
    (("recipe.toml", "--set", "loop.round=3"), 2, "did you mean rounds?"),
    (("recipe.toml", "--set", 'data.path="gone.csv"'), 65, "gone.csv"),
])  # fmt: skip
def test_an_error_is_one_line_with_its_exit_code(arguments, code, says, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    exit_code, out, told = assay(capsys, "plan", *arguments, "-w", "none")
    assert (exit_code, out) == (code, "") and says in told and not (folder / "none").exists()
