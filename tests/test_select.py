from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from conftest import make_text, make_text_sets
from loop_data import write_recipe

from finetune.loop import improve
from finetune.settings import Training
from pipeline.coreset import facility_location, k_centre
from pipeline.dataset import Dataset, Roles
from pipeline.given import Given
from pipeline.recipe import RecipeError, build_recipe, load_recipe
from pipeline.run import replay, run_stage
from pipeline.signals.engine import Engine
from pipeline.stages.select import Select, allot
from pipeline.store import Store


def kept(step):
    return Counter(step.after.labels[step.after.is_train])


def clusters(rows=40, seed=0):
    """Two classes, each of three tight groups of very unequal size, as embeddings that are brought."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(2, 3, 8)) * 3
    cells, vectors = [], []
    for k in range(2 * rows):
        label, place = k % 2, k // 2
        group = 0 if place >= 6 else 1 + place // 3
        cells.append({"row_id": f"r{k:03d}", "text": f"row {k}", "y": "ab"[label], "split": "train",
                      "group": str(group)})
        vectors.append(centres[label, group] + rng.normal(size=8) * 0.1)
    data = Dataset.of(pa.Table.from_pylist(cells), Roles(content=("text",), label="y"), "text")
    flat = pa.FixedSizeListArray.from_arrays(pa.array(np.array(vectors, np.float32).ravel()), 8)
    given = Given("embeddings", pa.table({"row_id": list(data.ids), "vector": flat}), "brought")
    return data, Engine(given=[given])


class TestBudget:
    def test_without_a_budget_nothing_is_done_and_it_says_so(self):
        step = run_stage(make_text(), Select())
        assert step.skipped == "no budget: set budget to a number of rows, or to a fraction below 1"

    @pytest.mark.parametrize(("budget", "said"), [(1.0, "1 for one row"), (1.5, "whole"), (20.5, "20.5")])
    def test_a_budget_of_half_a_row_or_of_a_whole_that_may_be_one_row_is_refused(self, budget, said):
        with pytest.raises(ValueError, match=said):
            Select(budget=budget)

    def test_a_budget_of_one_is_one_row(self):
        assert run_stage(make_text(), Select(budget=1)).after.is_train.sum() == 1
        assert Select(budget=20.0).budget == 20

    def test_a_budget_that_covers_everything_is_no_work(self):
        step = run_stage(make_text(), Select(budget=5000))
        assert step.skipped and "covers all" in step.skipped

    @pytest.mark.parametrize("method", ["random", "stratified", "diverse"])
    def test_so_many_train_rows_are_left_and_no_held_out_row_goes(self, method, engine):
        data = make_text()
        step = run_stage(data, Select(budget=30, method=method), engine)
        assert step.after.is_train.sum() == 30
        assert (~step.after.is_train).sum() == (~data.is_train).sum()

    def test_a_fraction_is_of_the_train_rows(self):
        data = make_text()
        assert run_stage(data, Select(budget=0.25)).after.is_train.sum() == round(data.is_train.sum() / 4)

    def test_classes_keep_their_shares_or_equal_numbers(self):
        data = make_text()
        shares, equal = (kept(run_stage(data, Select(budget=40, equal=e))) for e in (False, True))
        assert shares["sport"] > shares["money"] > shares["film"] >= 1 and shares["opera"] == 1
        assert equal["sport"] - equal["film"] <= 1 and equal["opera"] == 1

    @pytest.mark.parametrize("equal", [True, False])
    def test_the_parts_add_up_and_none_is_more_than_there_is(self, equal):
        rng = np.random.default_rng(0)
        for _ in range(200):
            sizes = rng.integers(1, 60, rng.integers(1, 9)).tolist()
            keep = int(rng.integers(1, sum(sizes) + 1))
            room = allot(sizes, keep, equal)
            assert sum(room) == keep and all(r <= n for r, n in zip(room, sizes, strict=True))
            assert keep < len(sizes) or min(room) >= 1

    def test_another_seed_keeps_other_rows_and_the_same_seed_the_same(self):
        data = make_text()
        stages = [Select(budget=30, method="stratified", seed=seed) for seed in (0, 0, 1)]
        one, again, other = (set(run_stage(data, stage).after.ids) for stage in stages)
        assert one == again != other

    def test_a_row_of_several_classes_stands_for_the_rarest(self):
        step = run_stage(make_text_sets(), Select(budget=20, equal=True))
        named = {name for name in step.findings.metrics["by_class"]}
        assert 'class "film"' in named and "no class" in named


class TestMethods:
    def test_facility_location_takes_a_row_of_every_group_where_chance_misses_small_ones(self):
        data, engine = clusters()
        step = run_stage(data, Select(budget=6, method="diverse"), engine)
        pairs = {(r["y"], r["group"]) for r in step.after.table.to_pylist()}
        assert len(pairs) == 6
        drawn = [Select(budget=6, method="stratified", seed=s) for s in range(5)]
        chance = [run_stage(data, stage, engine).after.table.to_pylist() for stage in drawn]
        assert max(len({(r["y"], r["group"]) for r in rows}) for rows in chance) < 6

    def test_greedy_orders_reach_their_bounds(self):
        rng = np.random.default_rng(1)
        v = rng.normal(size=(12, 3))
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        similarity = (1 + v @ v.T) / 2
        pairs = [(i, j) for i in range(12) for j in range(i)]
        best = max(similarity[:, list(p)].max(axis=1).sum() for p in pairs)
        assert similarity[:, facility_location(v, 2)].max(axis=1).sum() >= (1 - 1 / np.e) * best
        far = np.linalg.norm(v[:, None] - v[None], axis=2)
        radius = min(far[:, list(p)].min(axis=1).max() for p in pairs)
        assert far[:, k_centre(v, 2)].min(axis=1).max() <= 2 * radius

    def test_quality_drops_wrong_labels_and_gibberish_first(self, engine):
        data = make_text()
        step = run_stage(data, Select(budget=0.85, method="quality"), engine)
        texts = dict(zip(data.ids, data.table["text"].to_pylist(), strict=True))
        gone = {texts[i] for i in set(data.ids) - set(step.after.ids)}
        assert {"", "Goal.", "zxq wvu " * 30} <= gone

    def test_difficulty_keeps_hard_or_easy_rows(self, engine):
        data = make_text()
        keeps = {p: set(run_stage(data, Select(budget=0.3, method="difficulty", prefer=p), engine).after.ids)
                 for p in ("hard", "easy")}  # fmt: skip
        train = set(data.ids[data.is_train])
        assert len(keeps["hard"] & keeps["easy"] & train) < 0.4 * 0.3 * len(train)

    def test_the_sentence_says_how_many_by_what_and_where_the_row_stands(self):
        edit = run_stage(make_text(), Select(budget=40, method="stratified")).findings.rows()[0]
        assert "train rows by chance, seed 0; this is no. " in edit["because"]
        assert edit["issue"] == "not_selected" and edit["action"] == "drop"


class TestRounds:
    def test_its_drops_are_made_anew_and_never_replayed(self):
        data = make_text()
        step = run_stage(data, Select(budget=30))
        assert replay(data, [step]).fingerprint == data.fingerprint

    def test_it_stands_between_anomalies_and_rebalance(self):
        raw = {"data": {"path": "x.csv"}, "stages": [{"use": "rebalance"}, {"use": "select"}]}
        with pytest.raises(RecipeError, match=r"the order must be .*anomalies, select, rebalance"):
            build_recipe(raw)

    def test_the_next_round_reads_what_training_learnt_of_rows_that_were_left_out(self, tmp_path):
        recipe = write_recipe(tmp_path)
        recipe.write_text(recipe.read_text().replace('use = "rebalance"', 'use = "select"\nbudget = 0.6'))
        plan, store = load_recipe(recipe, (), Training), Store(tmp_path / "workspace")
        done = improve(plan, store, Engine(plan.signals, store))
        first, second = done.rounds
        noise = next(step for step in second.steps if step.stage.name == "label_noise")
        assert noise.findings.metrics["probabilities"].startswith("cross-fit by the probe")
        assert second.curated.is_train.sum() == first.curated.is_train.sum() == round(0.6 * 108)
