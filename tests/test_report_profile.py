"""The data's own pages: columns and alerts, drift, overlap, severity, what was made, the map of the rows."""

import random

import numpy as np
import pytest
from conftest import make_table, make_text
from report_data import curated_with, full_record, small_dataset
from report_page import Page

from pipeline.dataset import Dataset, Roles
from pipeline.findings import Edit, Findings
from pipeline.modalities import modality
from pipeline.report import dataset_record
from pipeline.report.drift import psi, splits
from pipeline.report.grading import grade
from pipeline.report.label_issues import overlapping
from pipeline.report.label_words import classes_of
from pipeline.report.page import render
from pipeline.report.points import embedding_map
from pipeline.report.schema import alerts, columns
from pipeline.run import run_stage
from pipeline.signals.engine import Engine
from pipeline.stages.anomalies import Anomalies
from pipeline.stages.duplicates import Duplicates

N = 60
ODD = {
    "constant": ["x"] * N, "empty": [None] * N, "unique": [f"k{i}-{'z' * i}" for i in range(N)],
    "imbalance": ["a"] * 58 + ["b"] * 2, "missing": ["a", None] * 30, "zeros": [0.0] * 30 + [1.0] * 30,
    "infinite": [float("inf")] + [float(i) for i in range(N - 1)], "skewed": [0.1] * (N - 1) + [1e9],
    "type_date": [f"2024-01-{1 + i % 28:02d}" for i in range(N)], "dirty_category": ["Yes", "yes "] * 30,
    "constant_length": [f"code{i % 30:02d}" for i in range(N)],
    "high_correlation": [2.0 * i for i in range(N)],
    "high_cardinality": [f"v{i % 55}" for i in range(N)],
}  # fmt: skip


def odd_dataset():
    rows = {"row_id": [f"r{i:02d}" for i in range(N)], "text": [f"text {i}" for i in range(N)], **ODD}
    return Dataset.of({**rows, "other": [1.0 * i for i in range(N)]}, Roles(content=("text",)), "text")


@pytest.mark.parametrize("alert", sorted(set(ODD) - {"skewed"}))
def test_each_alert_fires_on_its_own_column(alert):
    data = odd_dataset()
    found = {(a["alert"], a["column"]) for a in alerts(data, columns(data), 0)}
    assert (alert, alert) in found


def test_skew_and_copies_are_alerts_and_an_ordinary_table_has_none():
    n = 1000
    rows = {"row_id": [f"{i:04d}" for i in range(n)], "x": [0.1 + i % 7 for i in range(n - 1)] + [1e9]}
    data = Dataset.of(rows, Roles(content=("x",)), "tabular")
    assert "skewed" in {a["alert"] for a in alerts(data, columns(data), 0)}
    assert "duplicates" in {a["alert"] for a in alerts(data, columns(data), 4)}
    plain = make_text().where(np.array([bool(t) for t in make_text().table["text"].to_pylist()]))
    assert not {a["alert"] for a in alerts(plain, columns(plain), 0)} & {
        "constant",
        "missing",
        "unique",
        "empty",
    }


def test_missing_cells_are_nulls_blanks_and_nan():
    data = Dataset.of({"row_id": ["1", "2", "3", "4"], "text": ["a", None, " ", "b"],
                       "x": [1.0, float("nan"), None, 2.0]},
                      Roles(content=("text",)), "text")  # fmt: skip
    described = {c["column"]: c for c in columns(data)}
    assert described["text"]["missing"] == 2 and described["text"]["distinct"] == 2
    assert described["x"]["missing"] == 2 and described["x"]["low"] == 1.0


def test_a_table_shows_a_histogram_for_each_number():
    data = make_table()
    record = {"title": "t", "steps": [], "kind": "audit", "dataset": dataset_record(data, data, [])}
    html = render(record)
    assert html.count('class="tiny"') == 2 and record["dataset"]["text"] is None
    assert "Measures" in Page(html).words and "Tokens, and what is cut" not in html


def two_splits(shift, n=600, seed=0):
    rng = random.Random(seed)
    split = ["train" if i % 3 else "test" for i in range(n)]
    x = [rng.gauss(shift if s == "test" else 0.0, 1.0) for s in split]
    y = ["a" if rng.random() < (0.5 + shift / 4 if s == "test" else 0.5) else "b" for s in split]
    rows = {"row_id": [f"{i:04d}" for i in range(n)], "x": x, "y": y, "split": split}
    return Dataset.of(rows, Roles(content=("x",), label="y"), "tabular")


def drift_of(data):
    found = splits(data, modality("tabular").measure(data.content), np.arange(data.n_rows), classes_of)
    return {d["what"]: d["drift"] for d in found["drift"]}


def test_drift_is_seen_where_there_is_some_and_not_where_there_is_none():
    assert drift_of(two_splits(1.0)) == {"x": "much", "class": "much"}
    assert all(set(drift_of(two_splits(0.0, seed=k)).values()) == {"none"} for k in range(20))


def test_psi_grows_with_the_difference_and_stands_an_empty_bin():
    even = np.array([50, 50])
    assert psi(even, np.array([60, 40])) < psi(even, np.array([90, 10])) < psi(even, np.array([100, 0])) < 10


def test_overlap_counts_both_directions():
    most = [{"given": "a", "suggested": "b", "rows": 3}, {"given": "b", "suggested": "a", "rows": 2},
            {"given": "a", "suggested": "a", "rows": 9}]  # fmt: skip
    classes = [{"class": "a", "train": 10}, {"class": "b", "train": 40}]
    assert overlapping(most, classes) == [{"classes": ["a", "b"], "rows": 5, "share": 0.1}]


@pytest.mark.parametrize(
    ("severities", "word"),
    [(["low"], "pass"), (["low", "medium"], "warn"), (["medium", "high"], "fail"), ([], "pass")],
)
def test_the_grade_is_that_of_the_gravest_issue(severities, word):
    issues = [{"issue": f"i{k}", "severity": s} for k, s in enumerate(severities)]
    assert grade(issues, [], 10)["word"] == word


def test_the_score_is_the_share_of_rows_without_a_finding():
    edits = [
        {"issue": i, "row_id": r}
        for i, r in (("label", "1"), ("outlier", "1"), ("label", "2"), ("augmented", "3"))
    ]
    found = grade([], edits, 10)
    assert found["score"] == pytest.approx(0.8)
    assert {p["part"]: p["rows"] for p in found["parts"]} == {
        "labels": 2,
        "copies": 0,
        "splits": 0,
        "cells": 0,
        "outliers": 1,
    }


def test_an_issue_of_no_family_counts_and_what_was_not_looked_at_has_no_part():
    found = grade([], [{"issue": "swapped_pair", "row_id": "1"}], 10, ["swapped_pair", "outlier"])
    assert found["score"] == pytest.approx(0.9)
    assert [p["part"] for p in found["parts"]] == ["copies", "splits", "cells", "outliers"]


def test_the_command_of_an_issue_is_one_that_there_is():
    from pipeline.report.issues import _command
    from pipeline.stage import stages

    assert _command("label_noise") == "assay label-noise DATA -o OUT"
    assert _command("evaluation") == "assay evaluate MODEL DATA" and "evaluation" not in stages()


def test_leaks_between_splits_stand_in_red_with_both_rows():
    raw = small_dataset()
    leak = Edit("r1", "leakage", 0.0, "drop", "exact copy of test row r9", related=["r9"])
    record = dataset_record(raw, raw, [("duplicates", Findings.of("duplicates", [leak]))])
    assert record["duplicates"]["leaked"] == 1 and record["duplicates"]["leaks"][0]["held_out"] == "r9"
    assert record["grade"]["word"] == "fail"
    html = render({"title": "t", "steps": [], "dataset": record})
    assert "1 train row also stands in the held-out data" in Page(html).words and 'class="note bad"' in html


def test_made_rows_are_counted_by_class_with_their_parents():
    raw = small_dataset()
    made = dataset_record(raw, *curated_with(raw))["made"]
    assert made["rows"] == 1 and made["parents"] == 1 and made["stages"] == [{"stage": "augment", "rows": 1}]
    assert {c["class"]: c["made"] for c in made["classes"]} == {"a": 0, "b": 1}
    assert sum(c["share"] for c in made["classes"]) == pytest.approx(1.0)
    assert made["samples"][0]["parent"] == "r7"


def test_sections_stand_in_the_order_that_readers_expect():
    html = render({**full_record(), "points": None})
    order = ["verdict", "change", "issues", "schema", "labels", "label-issues", "duplicates", "outliers",
             "lengths", "splits", "made", "evaluation", "slices", "rounds", "planted", "quarantine", "ledger",
             "method"]  # fmt: skip
    places = [html.index(f'id="{name}"') for name in order]
    assert places == sorted(places)


def test_the_map_reads_embeddings_that_a_stage_computed_and_computes_none(cache):
    data, engine = make_table(), Engine(cache=cache)
    assert embedding_map([run_stage(data, Duplicates(), engine)], engine) is None
    steps = [run_stage(data, Anomalies(), engine)]
    before = list(engine.computed)
    found = embedding_map(steps, engine)
    assert engine.computed == before and found["shown"] == data.n_rows == len(found["x"])
    assert all(0 <= v <= 1 for v in found["x"] + found["y"]) and "outlier" in found["issue"]
    assert not any(str(i) in str(found) for i in data.ids)
