from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest
from conftest import make_text
from hypothesis import given, settings
from hypothesis import strategies as st
from promises import count, record

from pipeline.brought import pred_probs_table
from pipeline.dataset import Dataset
from pipeline.given import Given
from pipeline.ingest import InputError
from pipeline.recipe import RecipeError, build_stage, load_recipe
from pipeline.review.answers import read_answers
from pipeline.review.cells import csv_text, escaped, read_csv
from pipeline.review.decisions import Decision, checked, read_decisions, write_decisions
from pipeline.review.export import CSV_COLUMNS, DROP, export_argilla, export_csv, export_label_studio
from pipeline.review.items import Item, Origin
from pipeline.review.veto import rescored
from pipeline.run import curate, run_stage, step_key
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable
from pipeline.store import Store

ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(
    ["=1+1", "'=1+1", "''", "'", "-5", "@x", "\t", "\r\n", "\ufeff", 'a "b", c', "；;", "\x00", "＝1"]
)


def decisions_file(path, *rows):
    write_decisions(path, [Decision(*row) for row in rows])
    return path


def reviewed(path, *rows):
    return build_stage("review", {"decisions": str(decisions_file(path, *rows))}, "text")


def edits_of(step, row_id):
    return [e for e in step.findings.rows() if e["row_id"] == row_id]


# -- files ---------------------------------------------------------------------------------------------------


def test_any_text_survives_export_and_import(tmp_path):
    path, tried = tmp_path / "review.csv", []

    @settings(max_examples=count(150, 5_000), deadline=None)
    @given(st.lists(st.lists(ANYTHING, min_size=3, max_size=3), min_size=1, max_size=5), st.booleans())
    def holds(rows, bom):
        tried.append(len(rows))
        cells = [dict(zip(("row_id", "text", "note"), row, strict=True)) for row in rows]
        text = csv_text(("row_id", "text", "note"), cells)
        path.write_text(text, "utf-8-sig" if bom else "utf-8", newline="")
        assert [row for _, row in read_csv(path)] == cells
        assert not any(cell[:1] in "=+-@\t\r" for cell in map(escaped, rows[0]) if cell)

    failed = 1
    try:
        holds()
        failed = 0
    finally:
        record("review_round_trip", passed=len(tried) - failed, failed=failed, rows=sum(tried))


@pytest.mark.parametrize("name", ["d.csv", "d.parquet"])
def test_decisions_survive_their_file(name, tmp_path):
    path = tmp_path / name

    @settings(max_examples=count(40, 500), deadline=None)
    @given(st.dictionaries(ANYTHING, st.tuples(ANYTHING.filter(str.strip), ANYTHING), min_size=1, max_size=5))
    def holds(rows):
        wanted = [Decision(i, "relabel", label, note, "me", "") for i, (label, note) in rows.items()]
        write_decisions(path, wanted)
        assert read_decisions(path) == wanted

    holds()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_is_read_as_spreadsheets_save_it(delimiter, tmp_path):
    path = tmp_path / "d.csv"
    lines = [["Row_ID", "decision", "new_label"], ["a", "KEEP", ""], ["b", "", ""], ["c", "relabel", "pos"]]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(delimiter.join(line) for line in lines).encode())
    assert [d[:3] for d in read_decisions(path)] == [("a", "keep", ""), ("c", "relabel", "pos")]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("row_id,decision\na,maybe\n", "d.csv:2: decision 'maybe' is none of keep, drop, relabel"),
        ("row_id,decision,new_label\na,relabel,\n", "d.csv:2: relabel needs a new_label"),
        ("row_id,decision,new_label\na,keep,pos\n", "d.csv:2: keep goes with no new_label"),
        ("row_id,decision,new_label\na,,pos\n", "write relabel beside 'pos'"),
        ("row_id,decision\na,keep\na,drop\n", "d.csv:3: row a is decided twice"),
        ("row_id,verdict\na,keep\n", "no column 'decision'"),
        ("row_id,decision\na,keep,3\n", "d.csv:2: 3 cells"),
        (b"row_id,decision,note\na,keep,caf\xe9\n", "byte 31 is not UTF-8"),
        ('row_id,decision\na,"keep\n', "not a CSV"),
    ],
)
def test_a_bad_decisions_file_is_refused_by_line(body, says, tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    with pytest.raises(InputError) as caught:
        read_decisions(path)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_rows_and_labels_are_listed_and_refused():
    known, labels = {"a": "train"}, ["pos", "neg"]
    with pytest.raises(InputError, match="2 of 3 row ids are not in the data: b, c"):
        checked([Decision(i, "keep") for i in "abc"], known, labels, False, "f")
    typo = [Decision("a", "relabel", "poss")]
    with pytest.raises(InputError, match="row a: 'poss' is no label of the data, did you mean pos"):
        checked(typo, known, labels, False, "f")
    checked(typo, known, labels, True, "f")


# -- other tools ---------------------------------------------------------------------------------------------


@pytest.fixture
def found():
    return Origin("a test", make_text(), [], {})


@pytest.fixture
def few(found):
    ids = list(found.data.ids[:5])
    return [
        Item(i, "train", found.given(i), "money" if k < 3 else "", "label", 0.03, found.text(i),
             "because it is", ids[0] if k == 4 else "")
        for k, i in enumerate(ids)
    ]  # fmt: skip


def test_the_csv_has_the_columns_that_were_promised(found, few, tmp_path):
    export_csv(found, few, tmp_path / "r.csv", bom=True)
    assert (tmp_path / "r.csv").read_bytes()[:3] == b"\xef\xbb\xbf"
    rows = [row for _, row in read_csv(tmp_path / "r.csv")]
    assert tuple(rows[0]) == CSV_COLUMNS and [r["text"] for r in rows] == [i.text for i in few]
    assert rows[0]["decision"] == rows[0]["new_label"] == "" and read_decisions(tmp_path / "r.csv") == []
    export_csv(found, few, tmp_path / "r.csv")
    decisions_file(tmp_path / "r.csv", ("r000", "keep"))
    with pytest.raises(RecipeError, match="1 rows are decided in it"):
        export_csv(found, few, tmp_path / "r.csv")


def test_label_studio_predictions_fit_the_labeling_config(found, few, tmp_path):
    export_label_studio(found, few, tmp_path)
    view = ET.parse(tmp_path / "labeling_config.xml").getroot()
    controls = {c.get("name"): c for c in view if c.get("toName")}
    objects = {c.get("name"): c.get("value") for c in view if c.get("name") and not c.get("toName")}
    choices = [c.get("value") for c in controls["label"]]
    assert all(c.get("toName") in objects for c in controls.values())
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    for task, item in zip(tasks, few, strict=True):
        used = [v for c in view if (v := c.get("value") or "").startswith("$")]
        assert all(v[1:] in task["data"] for v in used)
        assert {"text", "row_id", "given", "issue", "score"} <= set(task["data"])
        assert ("predictions" in task) == bool(item.suggested)
        for prediction in task.get("predictions", []):
            (result,) = prediction["result"]
            assert controls[result["from_name"]].tag.lower() == result["type"]
            assert objects[result["to_name"]] == "$text" and prediction["score"] == 0.97
            assert result["value"]["choices"][0] in choices


def test_argilla_records_answer_its_questions(found, few, tmp_path):
    export_argilla(found, few, tmp_path)
    asked = json.loads((tmp_path / ".argilla" / "settings.json").read_text())
    questions = {q["name"]: q["settings"] for q in asked["questions"]}
    fields = {f["name"]: f["required"] for f in asked["fields"]}
    metadata = {m["name"] for m in asked["metadata"]}
    for one in json.loads((tmp_path / "records.json").read_text()):
        assert set(one) == {"id", "fields", "metadata", "suggestions", "responses", "vectors"}
        assert {f for f, required in fields.items() if required} <= set(one["fields"]) <= set(fields)
        assert set(one["metadata"]) <= metadata
        for name, suggestion in one["suggestions"].items():
            assert set(suggestion) == {"value", "score", "agent"}
            assert suggestion["value"] in [o["value"] for o in questions[name]["options"]]


def annotation(label=None, who=1, at="2026-01-01", drop=False, note="", cancelled=False):
    said = [("label", "choices", [label])] if label else []
    said += [("drop", "choices", [DROP])] if drop else []
    said += [("note", "text", [note])] if note else []
    result = [{"from_name": n, "to_name": "text", "type": n, "value": {kind: v}} for n, kind, v in said]
    return {"completed_by": {"id": who}, "result": result, "was_cancelled": cancelled, "updated_at": at}


SAID = {
    "kept": [annotation("pos", note="fine")],
    "changed": [annotation("neg")],
    "gone": [annotation("neg", drop=True)],
    "cancelled": [annotation("neg", cancelled=True)],
    "changed their mind": [annotation("neg", at="2026-01-01"), annotation("pos", at="2026-01-02")],
    "outvoted": [annotation("neg", who=1), annotation("neg", who=2), annotation("pos", who=3, at="2027")],
    "tied": [annotation("neg", who=1, at="2026-01-01"), annotation("pos", who=2, at="2026-01-02")],
    "looked at only": [annotation()],
}
EXPECTED = {
    "kept": ("keep", ""), "changed": ("relabel", "neg"), "gone": ("drop", ""), "tied": ("keep", ""),
    "changed their mind": ("keep", ""), "outvoted": ("relabel", "neg"),
}  # fmt: skip


def as_min(row_id, one):
    said = {r["from_name"]: next(iter(r["value"].values()))[0] for r in one["result"]}
    return {"row_id": row_id, **said, "annotator": one["completed_by"]["id"], "annotation_id": 1,
            "updated_at": one["updated_at"]}  # fmt: skip


@pytest.mark.parametrize("form", ["json", "json-min", "csv"])
def test_label_studio_comes_back_in_each_of_its_forms(form, tmp_path):
    tasks = [{"id": k, "data": {"row_id": i, "given": "pos"}, "annotations": a, "predictions": [3]}
             for k, (i, a) in enumerate(SAID.items())]  # fmt: skip
    lines = [as_min(i, a) for i, of_row in SAID.items() for a in of_row if not a["was_cancelled"]]
    path = tmp_path / ("back.csv" if form == "csv" else "back.json")
    if form == "csv":
        names = ("annotation_id", "annotator", "row_id", "label", "drop", "note", "updated_at")
        path.write_text(csv_text(names, [{k: str(v) for k, v in line.items()} for line in lines]))
    else:
        path.write_text(json.dumps(tasks if form == "json" else lines))
    back = {d.row_id: d for d in read_answers(path, dict.fromkeys(SAID, "pos"))}
    assert {i: d[1:3] for i, d in back.items()} == EXPECTED
    assert json.loads(back["outvoted"].votes) == {"relabel:neg": 2, "keep": 1}
    assert back["kept"].note == "fine" and back["kept"].votes == ""


def test_argilla_comes_back(tmp_path):
    def record_of(row_id, **responses):
        return {"id": row_id, "fields": {"text": "t"}, "suggestions": {}, "responses": responses}

    draft = {"value": "neg", "user_id": "u1", "status": "draft"}
    ann = [{"value": "neg", "user_id": "u1"}]
    two = [*ann, {"value": "neg", "user_id": "u2"}, {"value": "pos", "user_id": "u3"}]
    path = tmp_path / "records.json"
    rows = [record_of("a", label=ann), record_of("b", label=ann, row=[{"value": "drop", "user_id": "u1"}]),
            record_of("c", label=[draft]), record_of("d"), record_of("e", label=two)]  # fmt: skip
    path.write_text(json.dumps(rows))
    back = {d.row_id: d[1:3] for d in read_answers(path, dict.fromkeys("abcde", "pos"))}
    assert back == {"a": ("relabel", "neg"), "b": ("drop", ""), "e": ("relabel", "neg")}


# -- the stage and its vetoes --------------------------------------------------------------------------------


def test_without_a_file_review_has_nothing_to_say():
    step = run_stage(make_text(), build_stage("review", {}, "text"))
    assert step.skipped and "no decisions file" in step.skipped
    assert step.after.fingerprint == step.before.fingerprint


def test_a_file_about_other_rows_is_not_applicable_and_strangers_are_recorded(tmp_path):
    other = reviewed(tmp_path / "d.csv", ("nobody", "keep"))
    with pytest.raises(NotApplicable, match="none of the 1 decisions"):
        other.find(make_text(), None)
    mixed = run_stage(make_text(), reviewed(tmp_path / "e.csv", ("nobody", "keep"), ("r000", "keep")))
    (flag,) = edits_of(mixed, None)
    assert "nobody" in flag["because"] and flag["action"] == "flag"


def test_keep_outranks_every_stage_and_what_was_vetoed_is_recorded(tmp_path):
    data, engine = make_text(), Engine()
    plain = curate(data, [build_stage(n, {}, "text") for n in ("clean", "quality", "duplicates")], engine)
    touched = sorted({e["row_id"] for s in plain for e in s.findings.rows()
                      if e["action"] in ("drop", "set") and e["row_id"]})  # fmt: skip
    assert len(touched) >= 5
    kept = reviewed(tmp_path / "d.csv", *((i, "keep", "", "I looked") for i in touched))
    stages = [kept, *(s.stage for s in plain)]
    steps = curate(data, stages, engine)
    before, after = ({r["row_id"]: r for r in d.table.to_pylist()} for d in (data, steps[-1].after))
    for row_id in touched:
        assert after[row_id] == before[row_id]
    would = [e["because"] for s in steps[1:] for e in s.findings.rows() if e["row_id"] in touched]
    assert sum("kept by review: duplicates would have dropped it" in w for w in would) >= 2
    assert sum("kept by review: clean would have set text from" in w for w in would) >= 2


def probabilities(data: Dataset, wrong: dict[str, str]) -> Given:
    classes = sorted({v for v in data.labels if v})
    probs = np.full((data.n_rows, len(classes)), 0.02)
    for i, (row_id, label) in enumerate(zip(data.ids, data.labels, strict=True)):
        probs[i, classes.index(wrong.get(row_id, label))] = 1 - 0.02 * (len(classes) - 1)
    columns = {c: probs[:, k] for k, c in enumerate(classes)}
    table = pa.table({"row_id": pa.array(data.ids, pa.large_string()), **columns})
    return Given("pred_probs", pred_probs_table(table, "test"), "brought")


def test_people_outrank_label_noise(tmp_path):
    data, engine = make_text(), Engine()
    engine.bring(probabilities(data, {"r000": "money", "r001": "money", "r002": "film"}))
    noise = build_stage("label_noise", {"act_from": 0}, "text")
    plain = run_stage(data, noise, engine)
    assert not {"r000", "r001", "r002"} & set(plain.after.ids)
    stage = reviewed(tmp_path / "d.csv", ("r000", "keep"), ("r001", "relabel", "film"))
    review, after = curate(data, [stage, noise], engine)
    assert review.after.labels[review.after.position["r001"]] == "film"
    assert {"r000", "r001"} <= set(after.after.ids) and "r002" not in after.after.ids
    assert "kept by review: label_noise would have dropped it" in edits_of(after, "r000")[0]["because"]
    assert all(e["action"] == "flag" for e in edits_of(after, "r001"))


def test_a_person_may_correct_a_held_out_label_but_not_drop_the_row(tmp_path):
    data = make_text()
    one, two, *_ = (i for i, s in zip(data.ids, data.splits, strict=True) if s == "test")
    rows = [(i, "drop") if i == two else (i, "relabel", "money") for i in (one, two)]
    step = run_stage(data, reviewed(tmp_path / "d.csv", *rows))
    assert step.after.labels[step.after.position[one]] == "money" and two in step.after.position
    assert [e["action"] for e in edits_of(step, two)] == ["flag"]
    raw = rescored(data, [step])
    assert raw.labels[raw.position[one]] == "money" and raw.n_rows == data.n_rows
    assert rescored(raw, []) is raw


def test_review_again_on_its_own_output_changes_nothing_more(tmp_path):
    stage = reviewed(tmp_path / "d.csv", ("r000", "keep"), ("r001", "relabel", "money"), ("r002", "drop"))
    once = run_stage(make_text(), stage)
    twice = run_stage(once.after, stage)
    assert twice.after.fingerprint == once.after.fingerprint != once.before.fingerprint


def test_the_decisions_are_in_the_key_by_their_content(tmp_path):
    data, engine = make_text(), Engine()
    one = reviewed(tmp_path / "one.csv", ("r000", "keep"))
    same = reviewed(tmp_path / "elsewhere.csv", ("r000", "keep"))
    other = reviewed(tmp_path / "other.csv", ("r000", "drop"))
    key = step_key(data, one, engine)
    assert step_key(data, same, engine) == key != step_key(data, other, engine)
    decisions_file(tmp_path / "one.csv", ("r001", "keep"))
    assert step_key(data, one, engine) == key  # as it was read
    with pytest.raises(InputError, match="changed since this run began"):
        run_stage(data, one, engine)
    again = build_stage("review", {"decisions": str(tmp_path / "one.csv")}, "text")
    assert step_key(data, again, engine) != key


def test_a_veto_is_in_the_key_of_later_steps(tmp_path):
    data, store = make_text(), Store(tmp_path / "w")
    duplicates = build_stage("duplicates", {}, "text")
    engine = Engine(cache=store)
    copy = next(e["row_id"] for e in run_stage(data, duplicates, engine, store).findings.rows()
                if e["action"] == "drop")  # fmt: skip
    for _ in range(2):  # computed, then read back
        steps = curate(data, [reviewed(tmp_path / "d.csv", (copy, "keep")), duplicates], engine, store)
        assert copy in steps[-1].after.position
    assert steps[-1].cached


def test_a_recipe_names_decisions_relative_to_itself(tmp_path):
    folder = tmp_path / "recipes"
    folder.mkdir()
    text = '[data]\npath = "x.csv"\n[[stages]]\nuse = "review"\ndecisions = "d.csv"\n'
    (folder / "r.toml").write_text(text)
    with pytest.raises(RecipeError, match=r"r.toml:5: stages\[0\].decisions: .*d.csv: no such file"):
        load_recipe(folder / "r.toml")
    decisions_file(folder / "d.csv", ("a", "keep"))
    recipe = load_recipe(folder / "r.toml")
    assert recipe.stages[0].decisions == folder / "d.csv"
    digest = recipe.digest
    assert load_recipe(folder / "r.toml").digest == digest
    decisions_file(folder / "d.csv", ("a", "drop"))
    assert load_recipe(folder / "r.toml").digest != digest
