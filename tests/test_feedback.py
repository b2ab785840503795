from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from finetune.feedback import next_stages
from finetune.weak import findings, weak_slices
from pipeline.findings import Findings
from pipeline.stage import Stage


class Toy(Stage):
    name: ClassVar[str] = "toy"
    focus: tuple[str, ...] = ()

    def find(self, data, signals) -> Findings:
        return Findings.of("toy", metrics={"focus": list(self.focus)})


class Plain(Stage):
    name: ClassVar[str] = "plain"


STAGES = (Plain(), Toy())


def planted(name: str, errors_inside: int = 30):
    """An evaluation of 200 rows in which the slice holds most of the errors."""
    inside, right = np.arange(200) < 60, np.ones(200, dtype=bool)
    right[:errors_inside] = False
    right[199] = False
    slices = weak_slices({name: inside, "label=other": ~inside}, right)
    return SimpleNamespace(slices=slices, weak=tuple(s for s in slices if s.weak))


def test_without_an_evaluation_the_next_round_is_the_same():
    assert next_stages(STAGES, None) == (STAGES, [])
    assert next_stages(STAGES, planted("label=a", errors_inside=0)) == (STAGES, [])


@pytest.mark.parametrize("name", ["label=a", "n_words<=12"])
def test_a_planted_weak_slice_changes_settings_and_findings_and_is_named(name):
    stages, said = next_stages(STAGES, planted(name))
    assert stages[0] is STAGES[0]
    assert stages[1].focus == (name,)
    assert stages[1].model_dump_json() != STAGES[1].model_dump_json()
    assert stages[1].find(None, None).metrics != STAGES[1].find(None, None).metrics
    assert len(said) == 1
    assert said[0].startswith(f"toy.focus = {name}: ")
    assert "0.50 [0.37, 0.63] against 0.99 elsewhere" in said[0]


def test_two_planted_slices_lead_to_different_settings():
    one, two = (next_stages(STAGES, planted(name))[0] for name in ("label=a", "label=b"))
    assert one != two


def test_the_worst_three_are_named_worst_first():
    right = np.ones(500, dtype=bool)
    masks = {}
    for k, wrong in enumerate((5, 15, 25, 35)):
        masks[f"label={k}"] = (np.arange(500) // 50) == k
        right[k * 50 : k * 50 + wrong] = False
    slices = weak_slices(masks, right)
    evaluation = SimpleNamespace(slices=slices, weak=tuple(s for s in slices if s.weak))
    stages, said = next_stages(STAGES, evaluation)
    assert stages[1].focus == ("label=3", "label=2", "label=1")[: len(said)]
    assert len(said) >= 2


def test_the_same_focus_again_is_no_change():
    evaluation = planted("label=a")
    stages, _ = next_stages(STAGES, evaluation)
    assert next_stages(stages, evaluation) == (stages, [])


def test_chance_rarely_makes_a_slice_weak():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 8, 400)
    masks = {f"label={k}": groups == k for k in range(8)}
    false_alarms = sum(any(s.weak for s in weak_slices(masks, rng.random(400) < 0.9)) for _ in range(200))
    assert false_alarms <= 18  # 5 % of 200 is 10; 18 or fewer has probability 0.99


def test_weak_slices_are_findings_about_the_dataset():
    found = findings(planted("label=a"))
    row = found.rows()[0]
    assert (row["row_id"], row["stage"], row["action"]) == (None, "evaluation", "flag")
    assert row["issue"] == "underperforming_group"
    assert row["score"] == 0.5
    assert "label=a" in row["because"]
    assert findings(planted("label=a", errors_inside=0)).edits.num_rows == 0


def test_small_slices_are_not_judged():
    assert weak_slices({"label=a": np.arange(100) < 9}, np.arange(100) >= 9) == ()
