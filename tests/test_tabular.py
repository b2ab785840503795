"""Tables: what is learnt from train rows, repair, vectors, sets, measures, variations."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from pipeline.abilities import RepairsRows, VariesWithinClass
from pipeline.dataset import Dataset, Roles
from pipeline.modalities import modality
from pipeline.modalities.tabular.impute import _encoded
from pipeline.modalities.tabular.options import TabularAugment, TabularClean
from pipeline.modalities.tabular.scaling import SCALINGS
from pipeline.recipe import build_stage
from pipeline.report.grading import grade, severity
from pipeline.run import run_stage
from pipeline.signals.engine import Engine, Signals

TABULAR = modality("tabular")
CONTENT = pa.table({
    "age": pa.array([30, 40, None, 50], pa.int64()),
    "pay": pa.array([1.5, float("nan"), 2.5, 3.5]),
    "code": ["7", "?", "9", "8"],
    "job": ["clerk", " clerk ", None, "NA"],
})


@pytest.fixture
def state():
    return TABULAR.fit(CONTENT)


class TestFit:
    def test_tells_numbers_from_words(self, state):
        assert sorted(state["numbers"]) == ["age", "code", "pay"]
        assert state["categories"] == {"job": ["NA", "clerk"]}
        spread = pytest.approx(10 / 1.349)
        age = state["numbers"]["age"]
        assert {k: age[k] for k in ("mean", "median", "low", "high")} == {
            "mean": 40.0, "median": 40.0, "low": 30.0, "high": 50.0}
        assert age["spread"] == spread and age["whole"]

    def test_a_unit_behind_every_number_is_read_and_codes_are_words(self):
        rows = pa.table({"oz": ["12.0 oz", "8.4 ounce", "N/A"], "zip": ["007", "012", "100"],
                         "am": ["7 am", "8 pm", "9"]})
        learnt = TABULAR.fit(rows)
        assert list(learnt["numbers"]) == ["oz"] and learnt["numbers"]["oz"]["high"] == 12.0
        assert sorted(learnt["categories"]) == ["am", "zip"]

    def test_state_is_json_without_nan(self, state):
        nothing = {"a": pa.array([None, None], pa.float64()), "b": pa.array([None, ""], pa.string())}
        empty = TABULAR.fit(pa.table(nothing))
        for learnt in (state, empty):
            assert json.loads(json.dumps(learnt, allow_nan=False)) == learnt


class TestRepair:
    @pytest.mark.parametrize(("column", "cell", "expected"), [
        ("age", None, 40), ("age", 0, 0), ("pay", None, 2.5), ("pay", math.inf, 2.5), ("code", "?", "8"),
        ("code", " 7 ", "7"), ("job", "  a  b ", "a b"), ("job", "NA", "NA"), ("job", "?", "?"),
        ("job", "", ""), ("job", None, None)])
    def test_fills_and_strips(self, state, column, cell, expected):
        value, reasons = TABULAR.repair(column, cell, None, state)
        assert value == expected
        assert type(value) is type(expected)
        assert bool(reasons) == (value != cell)
        assert TABULAR.repair(column, value, None, state) == (value, [])

    def test_options_choose_the_filling(self, state):
        assert TABULAR.repair("age", None, TabularClean(fill="none"), state) == (None, [])
        assert TABULAR.repair("code", "?", TabularClean(fill="none"), state)[0] is None
        assert TABULAR.repair("pay", None, TabularClean(fill="mean"), state)[0] == 2.5
        assert TABULAR.repair("job", "N/A", TabularClean(missing_in_text=True), state)[0] is None


class TestFeatures:
    def test_vectors_are_standardised_and_one_hot(self, state):
        vectors = TABULAR.embed(CONTENT, state, {})
        assert vectors.dtype == np.float32
        assert vectors.shape == (4, 6)  # age, code, pay; NA, clerk; the anchor
        assert vectors[:, 0].tolist() == pytest.approx([-1.349, 0, 0, 1.349], rel=1e-5)
        assert vectors[:, 3:].tolist() == [[0, 1, 4], [0, 1, 4], [0, 0, 4], [1, 0, 4]]

    def test_a_vector_depends_on_its_row_and_the_state_only(self, state):
        alone = TABULAR.embed(CONTENT.slice(2, 1), state, {})
        assert np.array_equal(alone[0], TABULAR.embed(CONTENT, state, {})[2])

    def test_refuses_an_encoder_of_another_modality(self, state):
        with pytest.raises(ValueError, match=r"not for tables.*minmax"):
            TABULAR.embed(CONTENT, state, {"encoder": "minilm"})

    def test_every_scaling_is_fitted_on_train_and_keeps_the_order_of_numbers(self):
        train = pa.table({"x": np.random.default_rng(0).lognormal(size=400)})
        learnt, grid = TABULAR.fit(train), pa.table({"x": [0.1, 0.5, 1.0, 2.0, 9.0]})
        columns = {how: TABULAR.embed(grid, learnt, {"encoder": how})[:, 0] for how in SCALINGS}
        assert all((np.diff(column) > 0).all() for column in columns.values())
        assert abs(columns["quantile"][2]) < 0.2  # the median of a standard lognormal is 1
        assert len({column.tobytes() for column in columns.values()}) == len(SCALINGS)

    def test_bins_are_learnt_from_train_rows(self):
        numbers = pa.table({"x": np.arange(100.0)})
        train = np.arange(100) < 50
        view = TABULAR.views(numbers, train)["bins"]
        other = pa.table({"x": np.where(train, np.arange(100.0), -1e9)})
        assert (view[:50] != TABULAR.views(other, train)["bins"][:50]).nnz == 0
        assert np.asarray(view.sum(axis=1)).ravel().tolist() == [1] * 100

    def test_identity_is_equal_for_equal_cells_only(self):
        rows = pa.table({"a": [1.0, 1.0, 2.0, None], "b": ["x", "x", "x", " "]})
        one, two, three, none = TABULAR.identity(rows)
        assert one == two != three
        assert none == ""


class TestRows:
    def test_rules_drop_what_is_empty_and_flag_what_nearly_is(self):
        frame = TABULAR.measure(pa.table({"a": [None, 1, 1], "b": ["", None, "x"], "c": [None, None, "y"]}))
        fired = {}
        for rule in TABULAR.rules(None, frame):
            values = frame[rule.measure]
            fired[rule.issue] = np.flatnonzero((values < rule.low) | (values > rule.high)).tolist()
        assert fired == {"null": [0], "mostly_missing": [0, 1]}
        assert not frame.isna().any().any()

    def test_variations_move_numbers_a_little_and_words_not_at_all(self):
        cells = {"n": 100_000, "x": 2.0, "zero": 0.0, "no": None, "job": "clerk", "yes": True}
        child, how = TABULAR.perturb(cells, 7, TabularAugment(jitter_fraction=0.05))
        assert TABULAR.perturb(cells, 7, TabularAugment(jitter_fraction=0.05))[0]["x"] == child["x"]
        assert isinstance(child["n"], int)
        assert 0 < abs(child["x"] - 2.0) < 0.5
        assert [child[k] for k in ("zero", "no", "job", "yes")] == [0.0, None, "clerk", True]
        assert "2 numbers" in how
        assert TABULAR.perturb({"job": "clerk"}, 7, None) == ({"job": "clerk"}, "nothing to change")

    def test_guesses_every_free_column_of_numbers_and_words(self):
        when = pa.array([0], pa.timestamp("s"))
        rows = pa.table({"y": ["p"], "b": [1], "a": ["x"], "when": when, "split": ["train"]})
        assert TABULAR.content_columns(rows, {"y"}) == ("a", "b")

    def test_signals_of_a_table_follow_its_rows(self):
        data = Dataset.of({"row_id": ["b", "a", "c"], "x": [1.0, 2.0, None], "job": ["u", "v", "u"]},
                          Roles(content=("job", "x")), "tabular")
        signals = Signals(data, Engine())
        assert signals["embeddings"].shape == (3, 4)
        assert signals["measures"]["n_missing_cells"].tolist() == [0, 0, 1]


ROWS = [{"name": f"{first} {last} {street}", "city": city, "height": 150 + 7.3 * k, "code": k * 37 % 101}
        for k, (first, last, street, city) in enumerate(
            (f, n, s, c) for f in ("ada", "grace", "alan", "edsger", "barbara")
            for n, s, c in (("hopper", "elm street", "york"), ("turing", "oak lane", "york"),
                            ("liskov", "ash road", "bath"), ("dijkstra", "fir way", "bath")))]


class TestRecords:
    def test_a_copy_with_a_slip_is_near_and_a_neighbour_is_not(self):
        copy = {**ROWS[3], "name": ROWS[3]["name"].replace("street", "stret").replace("way", "wy")}
        pairs = TABULAR.pairs(pa.Table.from_pylist([*ROWS, copy]), 0.4, None)
        best = int(pairs.similarity.argmax())
        assert (pairs.left[best], pairs.right[best]) == (3, len(ROWS))
        assert pairs.similarity[best] >= TABULAR.near_copy
        assert (np.delete(pairs.similarity, best) < TABULAR.near_copy).all()

    def test_numbers_are_near_within_a_tenth_of_their_spread(self):
        x = np.random.default_rng(1).normal(size=(60, 4))
        table = {f"x{k}": [*x[:, k], x[0, k] + 0.02, x[0, k] + 0.5] for k in range(4)}
        pairs = TABULAR.pairs(pa.table(table), 0.4, None)
        found = {(int(a), int(b)): s for a, b, s in zip(*pairs, strict=True)}
        assert found[0, 60] > 0.9 and (0, 61) not in found

    def test_common_values_are_no_evidence(self):
        rows = [{"sex": "Male", "land": "US", "weight_code": 1000 + k} for k in range(60)]
        assert not len(TABULAR.pairs(pa.Table.from_pylist(rows), 0.4, None).left)

    def test_pairs_of_train_rows_do_not_depend_on_held_out_rows(self):
        rows = [*ROWS, {**ROWS[3], "name": "edsger dijkstra fir wy"}]
        train = np.array([k != 0 for k in range(len(rows))])
        before = TABULAR.pairs(pa.Table.from_pylist(rows), 0.4, train)
        rows[0] = {"name": "zz", "city": "nowhere", "height": 1e9, "code": -1}
        after = TABULAR.pairs(pa.Table.from_pylist(rows), 0.4, train)
        own = before.left > 0
        assert before.similarity[own].tolist() == after.similarity.tolist()


class TestCleanOptions:
    @pytest.mark.parametrize(("cells", "dirty", "clean"), [
        (["12 oz", "8.4 oz", "16 oz"], "12.0 oz. Silo Can", "12"), (["1.5", "2", "3"], "1,234.5", "1234.5"),
        (["0.05", "0.06", "0.07"] * 4, "6%", "0.06"), (["10%", "20%", "30%"], "5 %", "5"),
        (["$5", "$6", "$7.5"], "$1,000", "1000"), (["10 cm", "20 cm", "30 cm"], "5 mm", "0.5")])
    def test_numbers_with_signs_and_units_become_plain(self, cells, dirty, clean):
        state = TABULAR.fit(pa.table({"x": cells * 4 + [dirty]}))
        assert TABULAR.repair("x", dirty, None, state)[0] == clean
        assert TABULAR.repair("x", clean, None, state) == (clean, [])
        assert TABULAR.repair("x", dirty, TabularClean(units=False), state)[0] == dirty

    def test_decimal_commas_are_read_as_decimals_in_the_whole_column_and_said(self):
        cells = {"kg": ["1,792", "0,655", "2,539", "1,980"], "len": ["42,5", "7", "1,250", "9,9"]}
        state = TABULAR.fit(pa.table(cells))
        assert TABULAR.repair("kg", "1,792", None, state) == (
            "1.792", ["'1,792' is the number 1.792, commas standing before the column's decimals"])
        assert TABULAR.repair("len", "1.250,5", None, state)[0] == "1250.5"
        assert TABULAR.repair("kg", "1.792", None, state) == ("1.792", [])
        assert state["numbers"]["kg"]["high"] == 2.539

    @pytest.mark.parametrize("cells", [
        ["0,655", *["1,792"] * 20], ["0,655", "1,234,567"], ["42,5", "42.5"], ["12,34", "1,234.5"]])
    def test_commas_that_nobody_can_tell_stay_words(self, cells):
        state = TABULAR.fit(pa.table({"x": cells}))
        assert not state["numbers"]
        assert TABULAR.repair("x", cells[0], None, state) == (cells[0], [])

    def test_one_slip_among_thousands_separators_does_not_turn_them_into_decimals(self):
        state = TABULAR.fit(pa.table({"x": [*["1,234.5"] * 200, "12,34"]}))
        assert TABULAR.repair("x", "1,234", None, state)[0] == "1234"
        assert TABULAR.repair("x", "12,34", None, state) == ("12,34", [])

    def test_a_cell_written_as_its_whole_column_is_says_nothing_against_its_row(self):
        rng = np.random.default_rng(0)
        rows = [{"row_id": f"{k:03d}", "price": f"{rng.integers(500, 3000):,}.50", "rate": f"{k % 30}%",
                 "mass": f"{rng.normal(12, 1):.1f}" + " oz" * (k % 3 > 0), "plain": f"{rng.normal():.2f}"}
                for k in range(120)]
        rows[5] |= {"rate": " 7%", "plain": "$1.50"}
        roles = Roles(content=("mass", "plain", "price", "rate"))
        data = Dataset.of(pa.Table.from_pylist(rows), roles, "tabular")
        step = run_stage(data, build_stage("clean", {}, "tabular"), Engine())
        edits = step.findings.rows()
        wrong = {(e["row_id"], e["column"]) for e in edits if e["issue"] == "malformed"}
        assert wrong == {("005", "rate"), ("005", "plain")}
        rest = [e for e in edits if e["issue"] == "reformatted"]
        assert len({e["row_id"] for e in rest}) == 120 and {e["score"] for e in rest} == {1.0}
        assert step.after.rows(["001"])[0]["rate"] == "1"
        graded = grade([{"issue": "reformatted", "severity": severity("reformatted", 1.0, 120)}], edits, 120)
        assert graded["word"] == "pass" and graded["score"] == 1 - 1 / 120

    @pytest.mark.parametrize(("frequent", "cell", "becomes"), [
        (["Bachelors", "Masters"], "Bachlors", "Bachelors"),
        (["Bachelors", "Masters"], "bachelors", "Bachelors"),
        (["Group A", "Group C"], "Group B", "Group B"), (["Type II", "Type IV"], "Type III", "Type III"),
        (["Zambia", "Kenya"], "Gambia", "Gambia"), (["11th", "12th"], "13th", "13th"),
        (["Private", "Public"], "Prviate", "Private"), (["station", "nation"], "sation", "station")])
    def test_rare_spellings_become_the_frequent_one_and_other_values_stay(self, frequent, cell, becomes):
        state = TABULAR.fit(pa.table({"x": [*frequent * 100, cell]}))
        assert TABULAR.repair("x", cell, None, state)[0] == becomes

    def test_a_variant_that_is_frequent_itself_stays(self):
        state = TABULAR.fit(pa.table({"x": ["marine"] * 60 + ["marina"] * 40}))
        assert TABULAR.repair("x", "marina", None, state) == ("marina", [])

    @pytest.mark.parametrize("fill", ["knn", "iterative"])
    def test_a_model_fills_better_than_the_mean_and_from_the_row_alone(self, fill):
        rng = np.random.default_rng(2)
        x = rng.normal(size=(300, 1)) + 0.1 * rng.normal(size=(300, 4))
        job = np.where(x[:, 0] > 0, "up", "down").astype(object)
        dirty, rows = x.copy(), np.arange(0, 300, 5)
        dirty[rows, 2] = np.nan
        job[rows[::3]] = None
        cells = {f"x{k}": pa.array(dirty[:, k], from_pandas=True) for k in range(4)}
        content = pa.table({**cells, "job": pa.array(job)})
        train = np.arange(300) % 2 == 0
        options = TabularClean(fill=fill, fill_text="model")
        assert isinstance(TABULAR, RepairsRows)
        state = TABULAR.fit_rows(content.filter(pa.array(train)), options)
        assert json.loads(json.dumps(state, allow_nan=False)) == state
        changes = {(c.row, c.column): c.value for c in TABULAR.repair_rows(content, options, state)}
        error = [changes[i, "x2"] - x[i, 2] for i in rows]
        assert np.sqrt(np.mean(np.square(error))) < 0.4 * x[:, 2].std()
        assert np.mean([changes[i, "job"] == ("up" if x[i, 0] > 0 else "down") for i in rows[::3]]) > 0.9
        alone = TABULAR.repair_rows(content.slice(int(rows[1]), 1), options, state)
        assert [c.value for c in alone if c.column == "x2"] == [changes[rows[1], "x2"]]

    def test_the_chain_of_regressions_is_that_of_scikit_learn(self):
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401
        from sklearn.impute import IterativeImputer

        rng = np.random.default_rng(3)
        x = rng.normal(size=(80, 1)) + 0.3 * rng.normal(size=(80, 3))
        x[::7, 1] = np.nan
        content = pa.table({f"x{k}": pa.array(x[:, k], from_pandas=True) for k in range(3)})
        options = TabularClean(fill="iterative")
        state = TABULAR.fit_rows(content, options)
        peer = IterativeImputer(max_iter=5, random_state=0).fit_transform(_encoded(content, state, options))
        learnt = state["numbers"]["x1"]
        expected = peer[::7, 1] * learnt["spread"] + learnt["median"]
        found = [c.value for c in TABULAR.repair_rows(content, options, state)]
        assert found == pytest.approx(expected.tolist(), abs=1e-3)

    @pytest.mark.parametrize(("options", "number", "word"), [
        ({"fill": "most_frequent", "fill_text": "most_frequent"}, 2.0, "a"),
        ({"fill": "constant", "constant": 7.0, "fill_text": "constant", "constant_text": "o"}, 7.0, "o"),
        ({"fill": "mean"}, 2.625, None), ({"fill": "none"}, None, None)])
    def test_every_filling_writes_what_it_says(self, options, number, word):
        rows = {"row_id": list("abcde"), "x": [2.0, 2.0, 2.5, 4.0, None], "w": ["a", "a", "b", "c", None],
                "u": [1.0] * 5, "v": ["v"] * 5}
        data = Dataset.of(rows, Roles(content=("u", "v", "w", "x")), "tabular")
        step = run_stage(data, build_stage("clean", {"tabular": options}, "tabular"), Engine())
        last = step.after.rows(["e"])[0]
        assert (last["x"], last["w"]) == (number, word)

    @pytest.mark.parametrize("fill", ["median", "knn", "iterative"])
    def test_a_row_that_is_mostly_missing_is_left_for_quality_to_judge(self, fill):
        rng = np.random.default_rng(0)
        rows = [{"row_id": f"{k:02d}", **{c: f"{rng.normal():.3f}" for c in "pqrs"}} for k in range(40)]
        rows[3] |= dict.fromkeys("pqrs", None)
        rows[4] |= {"p": None, "q": "?", "r": ""}
        rows[5] |= {"p": None, "q": "?"}
        data, found = Dataset.of(pa.Table.from_pylist(rows), Roles(content=tuple("pqrs")), "tabular"), {}
        for name, own in (("clean", {"fill": fill}), ("quality", {})):
            step = run_stage(data, build_stage(name, {"tabular": own}, "tabular"), Engine())
            found |= {(e["row_id"], e["issue"]): e["action"] for e in step.findings.rows()}
            data = step.after
        assert found == {("03", "null"): "drop", ("04", "mostly_missing"): "flag",
                         ("04", "malformed"): "set", ("05", "malformed"): "set"}
        last = data.rows(["04", "05"])
        assert last[0]["p"] is last[0]["q"] is None and None not in last[1].values()

    def test_a_model_of_words_without_a_model_is_refused(self):
        with pytest.raises(ValueError, match="knn or iterative"):
            TabularClean(fill_text="model")


class TestVariations:
    def test_numbers_that_clean_left_in_strings_move_and_are_interpolated(self):
        one, other = {"x": "10.4", "code": "007", "n": "3"}, {"x": "12.8", "code": "009", "n": "7"}
        assert TABULAR.between(one, other, 0.25) == {"x": "11.0", "code": "007", "n": "4"}
        content = pa.table({"x": ["10.4", "12.8", "11.0", "9.9"], "code": ["007", "009", "007", "009"]})
        state = TABULAR.fit_variation(content, np.array(["p"] * 4, dtype=object))
        made = [TABULAR.vary({"x": "10.4", "code": "007"}, "p", s, TabularAugment(swap_fraction=0), state)[0]
                for s in range(20)]
        assert len({m["x"] for m in made}) > 2 and {m["code"] for m in made} == {"007"}
        assert all(9.9 <= float(m["x"]) <= 12.8 for m in made)

    def test_stay_within_the_spread_and_range_of_their_class(self):
        content = pa.table({"x": [*np.linspace(0, 1, 50), *np.linspace(100, 101, 50)], "w": ["a", "b"] * 50})
        labels = np.array(["p"] * 50 + ["q"] * 50, dtype=object)
        assert isinstance(TABULAR, VariesWithinClass)
        state = TABULAR.fit_variation(content, labels)
        made = [TABULAR.vary({"x": 100.5, "w": "a"}, "q", seed, None, state)[0] for seed in range(200)]
        x = np.array([m["x"] for m in made])
        assert 0.001 < np.abs(x - 100.5).mean() < 0.05 and (x >= 100).all() and (x <= 101).all()
        assert 5 <= sum(m["w"] == "b" for m in made) <= 40
