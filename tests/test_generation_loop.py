"""The loop on conversations: curate, train to answer, compare by loss, report, feed back."""

from __future__ import annotations

import json
import random

import pytest
from chat_models import ask, save_causal

from finetune.generation.generator import Generator
from finetune.loop import improve
from finetune.record import commit, summarize
from finetune.settings import Training
from finetune.train import load
from pipeline.recipe import load_recipe
from pipeline.signals.engine import Engine
from pipeline.store import Store

WORDS = ("cat", "dog", "cow")
RECIPE = """
title = "pairs"
[data]
path = "rows.jsonl"
id = "id"
split = "split"
[[stages]]
use = "review"
decisions = "decisions.csv"
[[stages]]
use = "label_noise"
[train]
model = "{model}"
method = "full"
learning_rate = 5e-3
batch_rows = 8
epochs = 15
seeds = 3
max_tokens = 64
generate_rows = 12
max_new_tokens = 8
[loop]
rounds = 2
"""


def write_pairs(folder):
    """Write pairs of which a third of the train answers is wrong, and decisions that drop those."""
    rng = random.Random(0)
    rows, wrong = [], []
    for i in range(160):
        word = rng.choice(WORDS)
        split = ("train", "train", "train", "validation", "test")[i % 5]
        answer = word
        if split == "train" and i % 3 == 0:
            answer = rng.choice([w for w in WORDS if w != word])
            wrong.append(f"p{i:03d}")
        asked = f"{word}{rng.randrange(8)} {word}{rng.randrange(8)}"
        rows.append({"id": f"p{i:03d}", "split": split, "messages": ask(asked, answer)})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    decided = "".join(f"{row_id},drop,\n" for row_id in wrong)
    (folder / "decisions.csv").write_text(f"row_id,decision,new_label\n{decided}")
    (folder / "recipe.toml").write_text(RECIPE.format(model=save_causal(folder / "model")))
    return folder / "recipe.toml", wrong


def loop(recipe, store):
    plan = load_recipe(recipe, (), Training)
    engine = Engine(plan.signals, store, 1)
    return improve(plan, store, engine), engine


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    recipe, wrong = write_pairs(folder)
    store = Store(folder / "workspace")
    outcome, _ = loop(recipe, store)
    return recipe, store, outcome, commit(outcome, store), wrong


def test_dropping_wrong_answers_is_proved_by_the_loss_of_held_out_answers(shared):
    outcome, wrong = shared[2], shared[4]
    assert not set(wrong) & set(outcome.curated.ids) and set(wrong) <= set(outcome.opened.dataset.ids)
    compared = outcome.final["comparisons"][0]
    assert compared["verdict"] == "proved" and compared["high"] < 0 and compared["replicates"] == 3
    assert compared["curated"] < compared["raw"] and "nats" in compared["unit"]
    assert all(turn.comparison["verdict"] == "proved" for turn in outcome.rounds)
    assert "less is better" in outcome.rounds[0].because


def test_a_stage_that_needs_classes_is_skipped_and_says_why(shared):
    steps = {s.stage.name: s for s in shared[2].rounds[0].steps}
    assert steps["label_noise"].skipped


def test_the_run_is_told_and_shown_in_its_own_units(shared):
    _, store, _, number, _ = shared
    facts = summarize(store, number)
    assert "nats per token" in facts["text"] and "less is better" in facts["text"]
    page = (store.root / "runs" / str(number) / "report.html").read_text()
    assert "nats per byte of the answers" in page and "ROUGE-L" in page
    assert facts["evaluation"]["curated"]["metrics"]["rouge_l"]["n"] == 12


def test_the_run_keeps_a_model_that_answers(shared):
    _, store, outcome, number, _ = shared
    model = load(store.root / "runs" / str(number) / "model")
    assert isinstance(model, Generator) and model.about["fingerprint"] == outcome.curated.fingerprint
    assert model.answers([ask("cat1 cat2", "")])[0][0]


def test_the_same_run_again_computes_nothing(shared):
    recipe, store, _, number, _ = shared
    before = sorted(p.name for p in (store.root / "artifacts").iterdir())
    again, engine = loop(recipe, store)
    assert engine.computed == [] and commit(again, store) == number
    assert sorted(p.name for p in (store.root / "artifacts").iterdir()) == before
