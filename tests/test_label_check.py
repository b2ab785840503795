"""Made rows that lost their label are found, and rows that kept it are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import make_table, make_text

from pipeline.apply import make_children
from pipeline.dataset import PARENTS, Dataset
from pipeline.given import Given
from pipeline.label_check import flips
from pipeline.recipe import build_stage
from pipeline.run import run_stage
from pipeline.signals.engine import Engine, Signals

MAKERS = {"text": make_text, "tabular": make_table}


def children_of(data: Dataset, other_class: bool):
    """Return a child of each train row, with the content of the next row of its own or of another class."""
    common = ("sport", "money", "low", "mid")
    train = [int(i) for i in np.flatnonzero(data.is_train) if data.labels[i] in common]
    content = data.content.to_pylist()
    rows = []
    for k, i in enumerate(train):
        rest = train[k + 1:] + train[:k]
        j = next(j for j in rest if (data.labels[j] != data.labels[i]) == other_class)
        rows.append({PARENTS: [data.ids[i]], **content[j]})
    return make_children(data, rows, "augment", "{}")


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_content_of_another_class_is_found_and_of_the_same_is_not(kind, engine):
    data = MAKERS[kind]()
    signals = Signals(data, engine)
    swapped, why = flips(data, signals, children_of(data, other_class=True))
    honest, _ = flips(data, signals, children_of(data, other_class=False))
    assert why == ""
    assert swapped.mean() > 0.85 and honest.mean() < 0.1


def test_augment_leaves_out_what_lost_its_label_and_counts_it(engine):
    data = make_table()
    wild = {"per_row": 4, "target": "all", "tabular": {"jitter_fraction": 1.0}}
    steps = [run_stage(data, build_stage("augment", {**wild, "check_label": check}, "tabular"), engine)
             for check in (True, False)]
    checked, unchecked = (step.findings.metrics for step in steps)
    assert checked["lost_their_label"] > 0 and unchecked["lost_their_label"] == 0
    assert checked["children"] + checked["lost_their_label"] == unchecked["children"]
    assert steps[0].findings.added.num_rows == checked["children"]
    assert unchecked["label_unchecked"] == "check_label is off"


def test_vectors_that_a_user_brought_say_nothing_about_made_rows():
    import pyarrow as pa

    data = make_table()
    table = pa.table({"row_id": data.ids.tolist(), "vector": [[1.0, float(i)] for i in range(data.n_rows)]})
    signals = Signals(data, Engine(given=[Given("embeddings", table, "vectors.parquet")]))
    lost, why = flips(data, signals, children_of(data, other_class=True))
    assert not lost.any() and why == "the embeddings were given, so made rows have none"
