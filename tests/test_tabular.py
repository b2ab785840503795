"""Tables: what is learnt from train rows, repair, vectors, sets, measures, variations."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from pipeline.dataset import Dataset, Roles
from pipeline.modalities import modality
from pipeline.modalities.tabular.features import cell_sets
from pipeline.modalities.tabular.options import TabularAugment, TabularClean
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
        assert state["numbers"]["age"] == {"mean": 40.0, "median": 40.0, "spread": spread, "whole": True}

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
        with pytest.raises(ValueError, match="not for tables"):
            TABULAR.embed(CONTENT, state, {"encoder": "minilm"})

    def test_bins_are_learnt_from_train_rows(self):
        numbers = pa.table({"x": np.arange(100.0)})
        train = np.arange(100) < 50
        view = TABULAR.views(numbers, train)["bins"]
        other = pa.table({"x": np.where(train, np.arange(100.0), -1e9)})
        assert (view[:50] != TABULAR.views(other, train)["bins"][:50]).nnz == 0
        assert np.asarray(view.sum(axis=1)).ravel().tolist() == [1] * 100

    def test_sets_measure_how_many_cells_agree(self):
        rows = pa.table({"a": [1.0, 1.0001, None], "b": ["x", "X ", None], "c": ["u", "v", None]})
        sets = cell_sets(rows)
        one, two = (set(sets.hashes[sets.offsets[i]:sets.offsets[i + 1]].tolist()) for i in (0, 1))
        assert len(one & two) / len(one | two) == 0.5
        assert np.diff(sets.offsets).tolist() == [3, 3, 0]
        assert (np.diff(sets.hashes[:3].astype(object)) > 0).all()

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
