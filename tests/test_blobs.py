"""Pictures in the store: each once, whole whenever a process is killed, never collected while needed."""

from __future__ import annotations

import base64
import os
import shutil
import time

import numpy as np
import pyarrow as pa
import pytest
from crash_job import contents, served
from pictures import make_pictures, photo

from pipeline import packs
from pipeline.apply import apply, kept_rows, make_children
from pipeline.blobs import holds, light_edits
from pipeline.dataset import Dataset
from pipeline.durable import KILL_AT
from pipeline.files import Corrupt
from pipeline.findings import Edit, Findings
from pipeline.hashing import IMAGE, cell_json, content_keys, image_cell
from pipeline.history import History
from pipeline.ledger import why
from pipeline.stage import Stage
from pipeline.store import Store
from pipeline.undo import undo
from pipeline.upkeep import gc, keep_again, verify


class Touch(Stage):
    """Drops a picture, replaces another, makes a third from a fourth."""

    name = "touch"
    actions = ("drop", "set", "add")
    seed: int = 0

    def find(self, data, signals):
        train = [i for i, s in zip(data.ids, data.splits, strict=True) if s == "train" and i != "p-none"]
        gone, changed, parent = train[self.seed], train[self.seed + 1], train[self.seed + 2]
        before = data.rows([changed])[0]["image"]
        new = image_cell(photo(900 + self.seed, "blue"))
        child = {"parents": [parent], "image": image_cell(photo(950 + self.seed, "blue"))}
        added = make_children(data, [child], self.name, str(self.seed))
        edits = [
            Edit(gone, "odd", 0.1, "drop", "a whim"),
            Edit(changed, "odd", 0.1, "set", "a whim", "image", before, new),
            Edit(added["row_id"][0].as_py(), "made", 0.5, "add", "a whim", related=[parent]),
        ]
        return Findings.of(self.name, edits, added=added)


@pytest.fixture
def data():
    return make_pictures()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "w")


def run(store, data, stages):
    from pipelines import commit_run

    return commit_run(store, data, stages)


def pack_bytes(store):
    return sum(p.stat().st_size for p in (store.root / "blobs").rglob("*") if p.is_file())


def age(store, days=30):
    for folder in store.folders():
        os.utime(folder, (time.time() - days * 86_400,) * 2)


def test_a_snapshot_of_pictures_comes_back_as_it_was(store, data):
    name = store.save(data)
    again = Store(store.root).load(name)
    assert again.table.equals(data.table) and again.fingerprint == name
    assert again.table["image"].null_count == 1 and again.table["back"].null_count == data.n_rows - 1
    shards = b"".join(p.read_bytes() for p in (store.root / "datasets").rglob("*.parquet"))
    assert not any(cell["bytes"] in shards for cell in data.table["image"].to_pylist() if cell)


def test_a_text_snapshot_is_stored_as_before(store):
    from conftest import make_text

    store.save(make_text())
    assert not (store.root / "blobs").exists() and not (store.root / "locks" / "blobs").exists()


def test_equal_pictures_are_stored_once(store, data):
    store.save(data)
    (pack,) = packs.packs_of(store.root)
    table = packs.read_parquet(pack / "pack-00000.parquet")
    cells = [c for name in ("image", "back") for c in data.table[name].to_pylist() if c]
    assert table.num_rows == len({c["sha256"] for c in cells}) < len(cells)
    before = pack_bytes(store)
    store.save(data.where(np.arange(data.n_rows) % 2 == 0))
    assert pack_bytes(store) == before and len(packs.packs_of(store.root)) == 1


def test_large_sets_go_into_several_files(store, data, monkeypatch):
    monkeypatch.setattr(packs, "FILE_BYTES", 3000)
    name = store.save(data)
    assert len(list((store.root / "blobs").rglob("pack-*.parquet"))) > 2
    assert store.load(name).table.equals(data.table)
    half = data.where(np.arange(data.n_rows) % 3 == 1)
    assert store.load(store.save(half)).table.equals(half.table)


def test_a_column_with_a_picture_that_lacks_its_bytes_is_stored_as_any_other(store, data):
    cells = data.table["image"].to_pylist()
    cells[3] = {"sha256": cells[3]["sha256"], "bytes": None}
    at = data.table.column_names.index("image")
    odd = Dataset.of(data.table.set_column(at, "image", pa.array(cells, IMAGE)), data.roles, "image")
    assert store.load(store.save(odd)).table.equals(odd.table)


def test_a_step_keeps_its_pictures_in_packs_and_comes_back(store, data):
    _, steps = run(store, data, [Touch()])
    step = steps[0]
    known, _ = Store(store.root).load_step(step.key)
    assert known.edits.equals(step.findings.edits) and known.added.equals(step.findings.added)
    new = next(row["value"] for row in known.rows() if row["action"] == "set")
    assert new["bytes"] == photo(900, "blue")
    files = [p for part in ("steps", "runs/1/ledger.parquet") for p in [store.root / part]]
    raw = b"".join(p.read_bytes() for f in files for p in ([f] if f.is_file() else f.rglob("*.parquet")))
    assert b"base64" not in raw and base64.b64encode(new["bytes"])[:40] not in raw
    assert apply(data, known).fingerprint == step.after.fingerprint


def test_eight_stages_cost_little_more_than_one_copy(store):
    data = make_pictures(40, side=64)
    run(store, data, [Touch(seed=k) for k in range(8)])
    raw = sum(len(c["bytes"]) for c in data.table["image"].to_pylist() if c)
    assert len(list((store.root / "datasets").iterdir())) == 9
    assert pack_bytes(store) < 1.5 * raw
    assert sum(p.stat().st_size for p in (store.root / "datasets").rglob("*")) < 0.8 * raw
    assert verify(store)[1] == []


def test_undo_and_why_work_on_pictures(store, data):
    _, steps = run(store, data, [Touch(), Touch(seed=3)])
    changed = next(r["row_id"] for r in steps[0].findings.rows() if r["action"] == "set")
    told = "\n".join(why(store, changed))
    assert "picture " in told and len(told) < 1500
    done = undo(store, row=changed, cascade=True)
    back = History.of(store, done.run).curated
    assert back.rows([changed])[0]["image"] == data.rows([changed])[0]["image"]
    assert verify(store)[1] == []


def test_gc_keeps_every_pack_that_a_kept_snapshot_names(store, data):
    number, _ = run(store, data, [Touch(), Touch(seed=3)])
    orphan = store.save(make_pictures(5, seed=9))
    age(store)
    removed = gc(store).folders
    assert removed["datasets"] >= 2 and removed["blobs"] == 1
    assert not (store.root / "datasets" / orphan).exists()
    history = History.of(store, number)
    assert history.curated.fingerprint == store.run_facts(number)["facts"]["curated"]
    assert verify(store)[1] == [] and all(store.load(p.name) for p in (store.root / "datasets").iterdir())


def test_gc_keeps_all_packs_where_a_named_one_is_gone(store, data):
    run(store, data, [Touch()])
    other = store.save(make_pictures(5, seed=9))
    named = packs.unsealed(store.root / "datasets" / other / "manifest.json")["packs"]
    shutil.rmtree(store.root / "blobs" / named[0])
    age(store)
    os.utime(store.root / "datasets" / other)
    n = len(packs.packs_of(store.root))
    gc(store)
    assert len(packs.packs_of(store.root)) == n


def test_a_young_pack_that_no_snapshot_names_yet_stays(store, data):
    run(store, data, [Touch()])
    met = {"a" * 64: (pa.chunked_array([pa.array([b"x"], pa.large_binary())]), 0)}
    packs.keep(store, met)
    assert "blobs" not in gc(store).folders
    age(store)
    assert gc(store, dry_run=True).folders["blobs"] == gc(store).folders["blobs"] == 1


def flipped(path):
    path.chmod(0o644)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    os.utime(path, (1, 1))


def test_a_damaged_pack_is_told_and_healed_by_what_has_its_pictures(store, data):
    name = store.save(data)
    (pack,) = packs.packs_of(store.root)
    flipped(pack / "pack-00000.parquet")
    with pytest.raises(Corrupt, match="pack-00000"):
        Store(store.root).load(name)
    assert any("pack-00000" in fault for fault in verify(store)[1])
    keep_again(store, data)
    assert store.load(name).table.equals(data.table) and verify(store)[1] == []
    assert list((store.root / "damaged").iterdir())


def test_a_deleted_pack_is_told_and_stored_again(store, data):
    name = store.save(data)
    shutil.rmtree(packs.packs_of(store.root)[0])
    assert not holds(store, name)
    with pytest.raises(Corrupt, match=r"blobs/.* missing or damaged: in no pack: "):
        store.load(name)
    assert len(verify(store)[1]) == 1
    store.save(data)
    assert holds(store, name) and store.load(name).table.equals(data.table)


def test_pictures_of_a_deleted_pack_are_found_in_others(store, data):
    half = data.where(np.arange(data.n_rows) < data.n_rows // 2)
    store.save(half)
    name = store.save(data)
    assert len(packs.packs_of(store.root)) == 2
    small = packs.unsealed(store.root / "datasets" / half.fingerprint / "manifest.json")["packs"][0]
    shutil.rmtree(store.root / "blobs" / small)
    store.save(half)
    assert store.load(name).table.equals(data.table)


def test_data_whose_pack_was_deleted_is_read_again(store, tmp_path, monkeypatch):
    pytest.importorskip("pipeline.modalities.image")
    from pictures import write_folder

    from pipeline.recipe import Data
    from pipeline.source import open_plan

    plan = Data(path=str(write_folder(tmp_path / "in")), test_fraction=0, validation_fraction=0)
    first = open_plan(plan, 0, store).dataset
    for pack in packs.packs_of(store.root):
        shutil.rmtree(pack)
    assert open_plan(plan, 0, store).dataset.table.equals(first.table)


def save_and_die(root, kill_at):
    os.setsid()
    os.environ[KILL_AT] = kill_at
    store, data = Store(root), make_pictures()
    run(store, data, [Touch()])


MOMENTS = ["renamed:1", "manifest-written:1", "renamed:2", "renamed:3", "renamed:5"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_between_pack_and_snapshot_loses_nothing(moment, tmp_path):
    process = served(save_and_die, tmp_path / "killed", moment)
    process.join()
    assert process.exitcode == -9
    store = Store(tmp_path / "killed")
    for folder in store.folders():
        store.check(folder)
    for name in ("killed", "good"):
        run(Store(tmp_path / name), make_pictures(), [Touch()])
    assert contents(tmp_path / "killed") == contents(tmp_path / "good")


def save_only(root, start):
    time.sleep(max(start - time.time(), 0))
    Store(root).save(make_pictures())


def test_processes_that_save_the_same_pictures_at_once_store_them_once(tmp_path):
    start = time.time() + 0.5
    processes = [served(save_only, tmp_path / "w", start) for _ in range(4)]
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0] * 4
    store = Store(tmp_path / "w")
    assert len(packs.packs_of(store.root)) == 1 and verify(store) == (2, [])


def test_keys_and_json_of_pictures_need_no_bytes(data):
    table = data.content
    cells = table["image"].to_pylist()
    light = table.set_column(0, "image", pa.array(
        [c and {"sha256": c["sha256"], "bytes": b""} for c in cells], IMAGE))  # fmt: skip
    assert content_keys(light) == content_keys(table)
    cell = table["image"][0].as_py()
    edits = Findings.of("touch", [Edit("p00", "odd", 0.1, "set", "so", "image", cell, cell)]).edits
    told = light_edits(edits)
    assert told["value"][0].as_py() == told["before"][0].as_py() == cell_json(cell)


def test_rows_are_kept_without_copying_pictures(data):
    keep = np.arange(data.n_rows) % 3 != 0
    out = kept_rows(data.table, keep)
    assert out.equals(data.table.filter(pa.array(keep)))
    inside = data.table["image"].chunk(0).field("bytes").buffers()[2]
    assert all(c.field("bytes").buffers()[2].address == inside.address for c in out["image"].chunks)
