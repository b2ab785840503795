"""The contract as code: every stage on every modality; `test_the_suite_bites` shows each check can fail."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import FIXTURES, modality_of
from pairs_data import another_cell

from pipeline.abilities import FindsCells
from pipeline.apply import Refused, apply, make_children
from pipeline.dataset import PARENTS, Dataset
from pipeline.findings import ACTIONS, Edit, Findings
from pipeline.modalities import modality, modality_names
from pipeline.recipe import build_stage, with_options
from pipeline.run import replay, run_stage
from pipeline.signals.engine import Engine, Signals
from pipeline.stage import NotApplicable, Stage, stages

KINDS = sorted(FIXTURES)
STAGES = list(stages())
SELECTIONS = ("random", "stratified", "diverse", "quality", "difficulty")
# Settings under which a stage shows the verbs that its defaults do not use.
VARIANTS: dict[str, list[dict]] = {
    "duplicates": [{}, {"threshold": 0.45, "near": "flag"}],
    "label_noise": [
        {}, {"action": "flag"}, *({"action": a, "act_from": 0} for a in ("drop", "relabel", "down_weight"))
    ],
    "anomalies": [{}, {"action": "drop"}],
    "rebalance": [{}, *({"method": m} for m in ("over", "under", "smote", "enn"))],
    "select": [{}, *({"budget": 0.5, "method": m, "equal": m == "diverse"} for m in SELECTIONS)],
    "augment": [{"per_row": 2}, {"target": "all"}],
    "fitness": [{"leak": 0.6}],
    "review": [{}, {"decisions": str(Path(__file__).with_name("review_decisions.csv"))}],
}
# Verbs that a stage cannot show on a modality's fixture, and why.
ONE_CLASS = "rebalancing needs one class a row"
EXCEPTIONS: dict[tuple[str, str, str], str] = {  # (stage, fixture, verb)
    ("fitness", "image", "flag"): "a column of pictures is no column of values",
    **{("fitness", kind, "flag"): "a column of texts is no column of values"
       for kind in ("text", "text-sets", "text-votes")},
    **{("cells", kind, verb): "its rows have no cells to judge one by one"
       for kind in KINDS if not isinstance(modality(modality_of(kind)), FindsCells) for verb in ACTIONS},
    **{("rebalance", kind, verb): ONE_CLASS for kind in ("text-sets", "text-votes") for verb in ACTIONS},
    **{(stage, kind, verb): why for kind in ("sft", "preference") for stage, verbs, why in (
        ("label_noise", ("flag", "drop", "set"), "answers are no labels"),
        ("rebalance", ("drop", "set", "add"), "answers are no classes"),
        ("review", ("set",), "there is no label to change"),
        ("fitness", ("flag",), "a column of turns is no column of values"),
    ) for verb in verbs},
}


def settings_of(name: str) -> list[dict]:
    return VARIANTS.get(name, [{}])


def found_by(stage: Stage, data: Dataset, engine: Engine) -> Findings:
    try:
        return with_options(stage, data.modality).find(data.roots, Signals(data, engine))
    except NotApplicable:
        return Findings.of(stage.name)


def same(one: Findings, two: Findings) -> bool:
    added = (one.added is None) == (two.added is None) and (one.added is None or one.added.equals(two.added))
    tables = one.edits.equals(two.edits) and one.scores.equals(two.scores) and added
    return tables and one.fitted == two.fitted


def copied(data: Dataset) -> Dataset:
    rows = pa.Table.from_pylist(data.table.to_pylist(), schema=data.table.schema)
    return Dataset.of(rows, data.roles, data.modality)


def check_input_untouched(stage: Stage, data: Dataset, engine: Engine) -> None:
    copy = copied(data)
    found_by(stage, data, engine)
    assert Dataset(data.frame, data.roles, data.modality).fingerprint == copy.fingerprint
    assert list(data.labels) == list(copy.labels)
    assert data.weights.tolist() == copy.weights.tolist()
    assert list(data.splits) == list(copy.splits)


def check_same_answer_twice(stage: Stage, data: Dataset, engine: Engine) -> None:
    assert same(found_by(stage, data, engine), found_by(stage, data, engine))


def check_row_order_irrelevant(stage: Stage, data: Dataset, engine: Engine) -> None:
    backwards = data.table.take(list(range(data.n_rows))[::-1])
    turned = Dataset.of(backwards, data.roles, data.modality)
    assert same(found_by(stage, data, engine), found_by(stage, turned, engine))


def check_held_out_untouched(stage: Stage, data: Dataset, engine: Engine) -> None:
    after = apply(data, found_by(stage, data, engine), stage.touches)
    before_rows = {r["row_id"]: r for r in data.table.to_pylist() if r["split"] != "train"}
    after_rows = {r["row_id"]: r for r in after.table.to_pylist() if r["split"] != "train"}
    assert before_rows.keys() == after_rows.keys()
    fixed = ("label", "split", "parents", "source")
    for row_id, before in before_rows.items():
        now = after_rows[row_id]
        assert all(now.get(c) == before.get(c) for c in fixed)
        assert now.get("weight") in (None, 1.0)
        if stage.touches != "all":
            assert {k: v for k, v in now.items() if k != "weight"} == before


def check_conservation(stage: Stage, data: Dataset, engine: Engine) -> None:
    findings = found_by(stage, data, engine)
    after = apply(data, findings, stage.touches)
    rows = findings.rows()
    dropped = {r["row_id"] for r in rows if r["action"] == "drop"}
    added = {r["row_id"] for r in rows if r["action"] == "add"}
    assert set(data.ids) | added == set(after.ids) | dropped
    assert not added & set(data.ids) and not dropped & set(after.ids)


def check_replay_same(stage: Stage, data: Dataset, engine: Engine) -> None:
    step = run_stage(data, stage, engine)
    assert replay(data, [step], rebuilt=True).fingerprint == step.after.fingerprint
    again = copied(data)
    assert replay(again, [step], rebuilt=True).fingerprint == step.after.fingerprint


def check_scores_and_reasons(stage: Stage, data: Dataset, engine: Engine) -> None:
    findings = found_by(stage, data, engine)
    ids = set(data.ids)
    for row in findings.rows():
        assert 0 <= row["score"] <= 1 and len(row["because"]) > 10
        assert row["action"] in stage.actions
        assert row["action"] == "add" or row["row_id"] is None or row["row_id"] in ids
        assert all(r in ids for r in row["related"])


CHECKS = {f.__name__: f for f in (check_input_untouched, check_same_answer_twice, check_row_order_irrelevant,
                                  check_held_out_untouched, check_conservation, check_replay_same,
                                  check_scores_and_reasons)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", STAGES)
class TestEveryStageOnEveryModality:
    @pytest.mark.parametrize("check", sorted(CHECKS))
    def test_holds(self, name, kind, check, engine):
        for settings in settings_of(name):
            CHECKS[check](build_stage(name, settings, modality_of(kind)), FIXTURES[kind](), engine)

    def test_emits_each_of_its_actions(self, name, kind, engine, record_property):
        seen: set[str] = set()
        for settings in settings_of(name):
            step = run_stage(FIXTURES[kind](), build_stage(name, settings, modality_of(kind)), engine)
            seen |= set(step.findings.edits["action"].to_pylist())
        excused = {a for s, k, a in EXCEPTIONS if (s, k) == (name, kind)}
        assert not excused & seen, f"{name} on {kind} shows {excused & seen}: no exception any more"
        missing = set(stages()[name].actions) - seen - excused
        assert not missing, f"{name} on {kind} never shows {missing}"
        if excused:
            record_property("exceptions", [why for key, why in EXCEPTIONS.items() if key[:2] == (name, kind)])

    def test_gives_the_same_with_two_workers(self, name, kind):
        engines = [Engine(workers=w) for w in (1, 2)]
        for settings in settings_of(name):
            stage = build_stage(name, settings, modality_of(kind))
            one, two = (run_stage(FIXTURES[kind](), stage, e) for e in engines)
            assert one.after.fingerprint == two.after.fingerprint
            assert same(one.findings, two.findings)

    def test_held_out_content_changes_no_other_finding(self, name, kind, engine):
        stage = build_stage(name, settings_of(name)[0], modality_of(kind))
        data = FIXTURES[kind]()
        victim = next(i for i, s in zip(data.ids, data.splits, strict=True) if s == "test")
        column = data.roles.content[0]
        cells = data.table[column].to_pylist()
        cells[data.position[victim]] = another_cell(data, column)
        index = data.table.column_names.index(column)
        table = data.table.set_column(index, column, pa.array(cells, data.table.schema.field(column).type))
        changed = Dataset.of(table, data.roles, data.modality)
        before, after = (
            [r for r in found_by(stage, d, engine).rows() if r["row_id"] != victim] for d in (data, changed)
        )
        if name == "duplicates":  # the one exception: a leak is found by a held-out row's content
            leaks = [[r for r in rows if r["issue"] == "leakage"] for rows in (before, after)]
            assert len(leaks[0]) == 1 > len(leaks[1])
            before = [r for r in before if r["issue"] != "leakage"]
        assert before == after

    def test_every_setting_is_in_the_cache_key(self, name, kind, engine):
        from pipeline.run import step_key

        data = FIXTURES[kind]()
        plain = build_stage(name, {}, modality_of(kind))
        base = step_key(data, plain, engine).digest
        for field in set(type(plain).model_fields) - {"options"}:
            changed = plain.model_copy(update={field: "another value"})
            assert step_key(data, changed, engine).digest != base, field


def test_every_modality_has_a_fixture():
    assert set(modality_names()) == set(map(modality_of, KINDS))


def test_stages_are_found_by_file_name():
    assert len(STAGES) >= 7
    named = {"clean", "quality", "duplicates", "label_noise", "anomalies", "rebalance", "augment"}
    assert named <= set(STAGES)


class Mutant(Stage):
    name = "mutant"
    touches = "train"
    actions = ("flag", "drop", "set", "add")
    way: str

    def find(self, data, signals):
        first = data.ids[0]
        held_out = next(i for i, s in zip(data.ids, data.splits, strict=True) if s != "train")
        if self.way == "edits its input":
            data.labels[0] = "changed in place"
            return Findings.of(self.name)
        if self.way == "counts its calls":
            CALLS.append(1)
            return Findings.of(self.name, [Edit(first, "x", 0.5, "flag", f"call number {len(CALLS)}")])
        if self.way == "remembers the frame it saw":
            return Findings.of(self.name, [Edit(first, "x", 0.5, "flag", f"seen at address {id(data)} ...")])
        if self.way == "drops a held-out row":
            return Findings.of(self.name, [Edit(held_out, "x", 0.0, "drop", "a held-out row goes")])
        if self.way == "adds a row it does not name":
            added = make_children(data, [{PARENTS: [first]}], self.name, "{}")
            return Findings.of(self.name, added=added)
        return Findings.of(self.name, [Edit(first, "x", 0.5, "flag", "no")])


CALLS: list[int] = []
MUTANTS = {
    "check_input_untouched": "edits its input",
    "check_same_answer_twice": "counts its calls",
    "check_row_order_irrelevant": "remembers the frame it saw",
    "check_held_out_untouched": "drops a held-out row",
    "check_conservation": "adds a row it does not name",
    "check_scores_and_reasons": "gives no reason worth the name",
}


@pytest.mark.parametrize("check", sorted(MUTANTS))
def test_the_suite_bites(check, engine):
    with pytest.raises((AssertionError, Refused)):
        CHECKS[check](Mutant(way=MUTANTS[check]), FIXTURES["text"](), engine)


def test_the_suite_bites_a_step_that_lost_an_edit(engine):
    data = FIXTURES["text"]()
    step = run_stage(data, build_stage("duplicates", {}, "text"), engine)
    drops = [a == "drop" for a in step.findings.edits["action"].to_pylist()]
    lost = dataclasses.replace(step, findings=step.findings.keep([not d for d in drops]))
    assert any(drops) and replay(data, [lost]).fingerprint != step.after.fingerprint


def test_every_check_has_a_mutant():
    assert set(MUTANTS) | {"check_replay_same"} == set(CHECKS)
