from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from conftest import make_text

from pipeline.dataset import Dataset, Roles
from pipeline.files import Corrupt
from pipeline.findings import Edit, Findings
from pipeline.keys import Key
from pipeline.recipe import build_stage
from pipeline.run import run_stage
from pipeline.signals.engine import Engine, Signals
from pipeline.store import Busy, Store


def test_a_snapshot_comes_back_with_the_same_fingerprint(tmp_path):
    store, data = Store(tmp_path), make_text()
    assert store.load(store.save(data)).fingerprint == data.fingerprint


def test_text_that_looks_like_something_else_survives(tmp_path):
    cells = ["NA", "null", "None", "nan", "", "N/A", "TRUE", "007", "1e5", "2024-01-01", "12:30", "NO",
             "😀", None]
    rows = {"row_id": [f"{i:02d}" for i in range(len(cells))], "text": cells}
    data = Dataset.of(rows, Roles(content=("text",)), "text")
    store = Store(tmp_path)
    assert store.load(store.save(data)).table["text"].to_pylist() == cells


@pytest.mark.parametrize("change", ["cell", "name", "label", "split", "type", "role"])
def test_every_change_changes_the_fingerprint(change):
    rows = {"row_id": ["a", "b"], "text": ["x", "y"], "n": pa.array([1, 2]), "label": ["p", "q"],
            "split": ["train", "test"]}
    base = Dataset.of(rows, Roles(content=("text",), label="label"), "text")
    other, roles = dict(rows), Roles(content=("text",), label="label")
    if change == "cell":
        other["text"] = ["x", "z"]
    elif change == "name":
        other["m"] = other.pop("n")
    elif change == "label":
        other["label"] = ["q", "p"]
    elif change == "split":
        other["split"] = ["test", "train"]
    elif change == "type":
        other["n"] = pa.array([1.0, 2.0])
    else:
        roles = Roles(content=("text",))
    assert Dataset.of(other, roles, "text").fingerprint != base.fingerprint


def test_the_fingerprint_is_blind_to_row_order_and_chunks():
    table = make_text().table
    data = Dataset.of(table, Roles(content=("text",), label="label"), "text")
    parts = [table.slice(i, 7) for i in range(0, table.num_rows, 7)][::-1]
    assert Dataset.of(pa.concat_tables(parts), data.roles, "text").fingerprint == data.fingerprint


def test_the_fingerprint_is_blind_to_the_hash_seed():
    path = "import sys; sys.path.insert(0, 'tests'); "
    code = path + "from conftest import make_text; print(make_text().fingerprint)"
    seen = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
                       capture_output=True, text=True).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_a_flipped_bit_is_seen(tmp_path):
    store = Store(tmp_path)
    name = store.save(make_text())
    file = tmp_path / "datasets" / name / "shard-00000.parquet"
    rng = np.random.default_rng(0)
    good = file.read_bytes()
    file.chmod(0o644)
    for bit in rng.integers(0, len(good) * 8, 40):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << (bit % 8)
        file.write_bytes(bytes(bad))
        with pytest.raises(Corrupt):
            store.load(name)
    file.write_bytes(good)
    assert store.load(name).fingerprint == name


def test_a_failed_write_leaves_nothing_with_a_final_name(tmp_path):
    store = Store(tmp_path)

    def make(folder):
        (folder / "half").write_text("half")
        raise RuntimeError("no power")

    with pytest.raises(RuntimeError):
        store.artifact(Key("key", {}), make)
    assert not (tmp_path / "artifacts").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_busy_workspace_names_its_holder(tmp_path):
    store = Store(tmp_path)
    with store.lock(), pytest.raises(Busy, match=str(os.getpid())), Store(tmp_path).lock():
        pass
    with store.lock():
        pass


def test_a_step_is_computed_once(tmp_path):
    store, data = Store(tmp_path), make_text()
    stage = build_stage("quality", {}, "text")
    first = run_stage(data, stage, Engine(cache=store), store)
    again_engine = Engine(cache=store)
    again = run_stage(data, stage, again_engine, store)
    assert not first.cached and again.cached and again_engine.computed == []
    assert again.findings.edits.equals(first.findings.edits)
    assert again.after.fingerprint == first.after.fingerprint


def test_a_row_signal_is_computed_for_changed_rows_only(tmp_path):
    store, data = Store(tmp_path), make_text()
    Signals(data, Engine(cache=store))["measures"]
    cells = data.table["text"].to_pylist()
    cells[3] += " And one more thing."
    where = data.table.column_names.index("text")
    table = data.table.set_column(where, "text", pa.array(cells, pa.large_string()))
    engine = Engine(cache=store)
    Signals(Dataset.of(table, data.roles, "text"), engine)["measures"]
    assert engine.computed == ["measures:1"]


def test_findings_refuse_what_nobody_could_judge():
    with pytest.raises(ValueError, match="outside"):
        Findings.of("s", [Edit("a", "x", 1.5, "flag", "too good to be true")])
    with pytest.raises(ValueError, match="no reason"):
        Findings.of("s", [Edit("a", "x", 0.5, "flag", "")])
    with pytest.raises(ValueError, match="needs a row"):
        Findings.of("s", [Edit(None, "x", 0.5, "drop", "the whole dataset")])


def test_head_moves_only_with_a_whole_run(tmp_path):
    store = Store(tmp_path)
    number = store.save_run("k", lambda folder, n: {"n": n}, "abc")
    assert store.head() == {"run": number, "snapshot": "abc"}
    with pytest.raises(ZeroDivisionError):
        store.save_run("k2", lambda folder, n: {"n": 1 / 0}, "def")
    assert store.head() == {"run": number, "snapshot": "abc"} and store.runs() == [number]
    assert json.loads((tmp_path / "HEAD").read_text()).items() >= store.head().items()
