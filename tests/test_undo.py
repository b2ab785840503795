"""Every edit can be taken back, and that can be taken back again."""

from __future__ import annotations

import random
import shutil

import pytest
from pipelines import Whim, commit_run, random_rows
from promises import count, record

from pipeline.files import Corrupt, read_parquet
from pipeline.findings import Edit, Findings
from pipeline.history import History, find
from pipeline.ledger import LEDGER, why
from pipeline.recipe import build_stage
from pipeline.stage import Stage
from pipeline.store import Busy, NotFound, Store
from pipeline.undo import Depended, restore, undo


def random_stages(seed):
    rng = random.Random(seed)
    near = rng.choice(["drop", "flag"])
    real = [build_stage("clean", {}, "text"), build_stage("quality", {}, "text"),
            build_stage("duplicates", {"near": near}, "text")]  # fmt: skip
    whims = [Whim(seed=rng.randrange(10**6), n=rng.randrange(1, 15)) for _ in range(rng.randrange(1, 4))]
    stages = [*rng.sample(real, rng.randrange(4)), *whims]
    rng.shuffle(stages)
    return stages


def adds_up(step):
    """Rows in + added = rows out + dropped, by ids, from the findings alone."""
    edits = step.findings.rows()
    before, after = set(step.before.ids), set(step.after.ids)
    dropped = {e["row_id"] for e in edits if e["action"] == "drop"}
    dropped |= {i for i, p in zip(step.before.ids, step.before.parents, strict=True) if dropped & set(p)}
    added = {e["row_id"] for e in edits if e["action"] == "add"}
    return not before & added and not after & dropped and before | added == after | dropped


def cells(data, row_id):
    return data.rows([row_id])[0] if row_id in data.position else None


def taken_back(store, seed):
    """Undo every edit in a random order, a row, a rule or a stage at a time; say what does not come back."""
    rng = random.Random(seed)
    root = random_rows(seed)
    first, steps = commit_run(store, root, random_stages(seed))
    wrong = [f"{s.stage.name} does not add up" for s in steps if not adds_up(s)]
    made = [steps[-1].after.fingerprint]
    for _ in range(500):
        history = History.of(store, store.runs()[-1])
        edits = [(e.stage, r) for e in history.entries for r in e.findings.rows() if r["action"] != "flag"]
        if not edits:
            break
        stage, edit = rng.choice(edits)
        what = rng.choice([{"row": edit["row_id"]}, {"issue": edit["issue"]}, {"stage": stage}])
        about = [
            (s, r)
            for s, r in edits
            if {"row": r["row_id"], "issue": r["issue"], "stage": s}.items() >= what.items()
        ]
        was = history.curated
        done = undo(store, **what, cascade=True)
        now = History.of(store, done.run).curated
        left = sum(
            1
            for e in History.of(store, done.run).entries
            for a in e.findings.edits["action"].to_pylist()
            if a != "flag"
        )
        if sum(done.edits.values()) != len(about) or left != len(edits) - len(about) - sum(
            done.dependents.values()
        ):
            wrong.append(f"undoing {what} took back other edits")
        made.append(now.fingerprint)
        if "row" in what and cells(now, edit["row_id"]) != cells(root, edit["row_id"]):
            wrong.append(f"row {edit['row_id']} is not as it came")
        untouched = set(root.ids) - {r["row_id"] for _, r in edits}
        if any(cells(was, i) != cells(now, i) for i in untouched):
            wrong.append("a row that nobody edited has changed")
    if made[-1] != root.fingerprint:
        wrong.append("undoing everything does not give the root")
    back = restore(store, str(first))
    if store.load(store.head()["snapshot"]).fingerprint != made[0] or store.runs()[-1] != back:
        wrong.append("restore does not give the curated data again")
    if any(store.load(name).fingerprint != name for name in made):
        wrong.append("an older snapshot has changed")
    return wrong


def test_random_pipelines_can_be_undone_and_restored(tmp_path):
    n = count(12, 100)
    wrong = {seed: found for seed in range(n) if (found := taken_back(Store(tmp_path / str(seed)), seed))}
    record("undo", n - len(wrong), len(wrong))
    assert wrong == {}


class Chain(Stage):
    """Sets a text, or drops the rows that hold it: the second depends on the first."""

    name = "chain"
    actions = ("drop", "set")
    drop: bool

    def find(self, data, signals):
        rows = {r["row_id"]: r for r in data.table.to_pylist()}
        if not self.drop:
            before = rows["r001"]["text"]
            return Findings.of("chain", [Edit("r001", "odd", 0, "set", "why not", "text", before, "same")])
        same = [i for i, r in rows.items() if r["text"] == "same"]
        edits = [
            Edit("r002", "copy", 0, "drop", "like the other", related=same),
            Edit("r003", "far", 0, "drop", "far"),
        ]
        return Findings.of("chain", edits)


@pytest.fixture
def chained(tmp_path):
    store = Store(tmp_path)
    data = random_rows(3)
    table = data.table.set_column(data.table.column_names.index("split"), "split", [["train"] * data.n_rows])
    data = type(data).of(table, data.roles, data.modality)
    number, _ = commit_run(store, data, [Chain(drop=False), Chain(drop=True)])
    return store, data, number


def test_what_depends_on_an_edit_is_listed_and_goes_only_when_asked(chained):
    store, data, _ = chained
    with pytest.raises(Depended, match=r"1 later .*chain drop r002 \(copy\).*--cascade"):
        undo(store, issue="odd")
    assert len(store.runs()) == 1
    tried = undo(store, issue="odd", cascade=True, dry_run=True)
    assert tried.run is None and len(store.runs()) == 1
    done = undo(store, issue="odd", cascade=True)
    assert (done.edits, done.dependents) == ({"chain": 1}, {"chain": 1})
    now = store.load(store.head()["snapshot"])
    assert sorted(set(data.ids) - set(now.ids)) == ["r003"]  # the third edit depended on nothing
    told = "\n".join(why(store, "r002"))
    assert "proposed, not applied: dropped it as copy" in told and f"(undo in run {done.run})" in told
    applied = read_parquet(store.root / "runs" / str(done.run) / LEDGER).to_pylist()
    assert [(e["row_id"], e["applied"]) for e in applied] == [
        ("r001", False),
        ("r002", False),
        ("r003", True),
    ]


def test_an_undo_that_matches_nothing_says_what_there_is(chained):
    with pytest.raises(NotFound, match=r"rule even \(applied: chain/copy, chain/far, chain/odd\)"):
        undo(chained[0], issue="even")


def test_a_snapshot_goes_by_run_root_or_the_beginning_of_its_fingerprint(chained):
    store, data, number = chained
    curated = store.run_facts(number)["snapshot"]
    assert find(store, "root")[0] == find(store, data.fingerprint[:8])[0] == data.fingerprint
    assert find(store, str(number)) == find(store, curated[:10]) == (curated, number, 2)
    middle = [d.fingerprint for d in History.of(store, number).replay()][1]
    assert find(store, middle) == (middle, number, 1)
    for name in ("abc", "fffffffff", "77"):
        with pytest.raises(NotFound):
            find(store, name)


def test_restoring_a_step_in_the_middle_leaves_the_later_edits_out(chained):
    store, data, number = chained
    middle = [d for d in History.of(store, number).replay()][1]
    restore(store, middle.fingerprint)
    assert store.load(store.head()["snapshot"]).fingerprint == middle.fingerprint
    assert "is in the curated" in why(store, "r002")[-1]
    restore(store, "root")
    assert store.head()["snapshot"] == data.fingerprint


def test_a_restored_snapshot_without_a_history_still_answers(chained):
    store, _data, _ = chained
    other = random_rows(9)
    store.save(other)
    restore(store, other.fingerprint)
    assert "is in the curated dataset" in why(store, "r002")[-1]
    assert store.head()["snapshot"] == other.fingerprint


def test_another_runs_damage_stands_in_nobodys_way(chained):
    store, data, number = chained
    other, _ = commit_run(store, random_rows(9), [Whim(seed=1)])
    curated = store.run_facts(other)["snapshot"]
    shard = store.root / "datasets" / data.fingerprint / "shard-00000.parquet"
    shard.chmod(0o644)
    shard.write_bytes(b"damaged")
    with pytest.raises(NotFound):
        find(store, "fffffffff")
    for name in (curated, str(number)):  # the second one's root is damaged, but not what it left
        assert store.head()["run"] < restore(store, name)


def test_head_follows_a_run_that_takes_a_deleted_ones_number(chained):
    store, data, _number = chained
    undone = undo(store, issue="far").run
    shutil.rmtree(store.root / "runs" / str(undone))
    again = restore(store, "root")
    assert again == undone and store.head() == {"run": again, "snapshot": data.fingerprint}


def test_undo_waits_for_nobody(chained):
    store = chained[0]
    with store.lock(), pytest.raises(Busy):
        undo(store, issue="far")


def test_a_damaged_snapshot_is_made_again_from_the_root_and_the_edits(chained):
    store, _, number = chained
    curated = store.run_facts(number)["snapshot"]
    shard = store.root / "datasets" / curated / "shard-00000.parquet"
    shard.chmod(0o644)
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(Corrupt):
        store.load(curated)
    restore(store, str(number))
    assert store.load(curated).fingerprint == curated
    assert len(list((store.root / "damaged").iterdir())) == 1
