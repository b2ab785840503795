"""Exports are read back by the programs they are made for, and give the same rows."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import make_table, make_text, table_rows
from front_door import assay
from promises import count, record
from table_run import write_table_recipe
from tiny import KINDS, dataset, rows, save_tiny_encoder

from pipeline.dataset import OWN_COLUMNS, SPLITS, Dataset, Roles
from pipeline.export import About, Origin, describe_files, export_hf
from pipeline.ingest import RoleNames, Source, ingest
from pipeline.recipe import RecipeError

ODD = ["NO", "12:30", "0777", "null", "1e5", "a: b", "- x", "---", "é🙂", "<b>&|`", "two\nlines", "\u2028",
       " "]


def hub(folder, tmp_path):
    """Read the folder as `datasets` does."""
    import datasets

    return datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))


def rows_by_hub(folder, tmp_path):
    """Return every row, classes by name, sorted by id; and the features."""
    import datasets

    loaded, out = hub(folder, tmp_path), []
    for part in loaded.values():
        named = {n: f for n, f in part.features.items() if isinstance(f, datasets.ClassLabel)}
        for row in part.with_format(None):
            for name, feature in named.items():
                row[name] = None if row[name] is None else feature.int2str(row[name])
            out.append(row)
    return sorted(out, key=lambda r: r["row_id"])


def rows_by_croissant(path):
    """Return every row as mlcroissant reads it, texts decoded, sorted by id."""
    import mlcroissant

    def plain(value):
        if isinstance(value, bytes):
            return value.decode("utf-8")
        if isinstance(value, list):
            return [plain(v) for v in value]
        if isinstance(value, dict):
            return {plain(k).rpartition("/")[2]: plain(v) for k, v in value.items()}
        return value

    read = mlcroissant.Dataset(jsonld=str(path))
    assert not read.metadata.ctx.issues.errors
    out = [{str(k).partition("/")[2]: plain(v) for k, v in r.items()} for r in read.records("rows")]
    return sorted(out, key=lambda r: r["row_id"]), sorted(read.metadata.ctx.issues.warnings)


def odd_dataset(seed=0):
    """Text with classes, cells and column names that YAML, Markdown and readers of CSV spoil."""
    rows = []
    for i, word in enumerate(ODD * 2):
        made = ["r000"] if i == len(ODD) else []
        text = [word, f"\ttext {seed} {word}\r\n", "", "a" * 3000][i % 4]
        rows.append({
            "row_id": f"r{i:03d}", "body: x": text, "class|of": ODD[(i + seed) % len(ODD)] if i % 7 else None,
            "split": "train" if made else SPLITS[i % 3], "stars": None if i % 5 == 0 else i, "ok": i % 2 == 0,
            "when": datetime.datetime(2026, 1, 1, i % 24), "day": datetime.date(2026, 1, 1 + i % 28),
            "share": i / 7, "tags": ODD[: i % 3], "weight": 1 + i / 10, "parents": made,
        })  # fmt: skip
    return Dataset.of(pa.Table.from_pylist(rows), Roles(content=("body: x",), label="class|of"), "text")


def test_a_folder_reads_back_equal_through_datasets_croissant_and_assay(tmp_path):
    passed, wrong = 0, []
    for case in range(count(3, 40)):
        data = [make_text, make_table, odd_dataset][case % 3](case)
        folder = tmp_path / f"case{case}"
        export_hf(Origin(data), folder, shard_bytes=(500_000_000, 4_000, 900)[case // 3 % 3])
        told = data.table.to_pylist()
        croissant, _ = rows_by_croissant(folder / "croissant.json")
        for row in croissant:
            for name, value in row.items():
                if hasattr(value, "to_pydatetime"):
                    row[name] = value.to_pydatetime()
        dates = [n for n in data.table.column_names if pa.types.is_date(data.table.schema.field(n).type)]
        for row in croissant:
            row.update({n: row[n].date() for n in dates})
        renamed = [{n.replace(" ", "%20").replace(":", "%3A").replace("|", "%7C"): v for n, v in r.items()}
                   for r in told]  # fmt: skip
        roles = RoleNames(content=data.roles.content, label=data.roles.label)
        again = ingest([Source("", str(folder))], roles, modality=data.modality).dataset
        for way, same in {
            "datasets": rows_by_hub(folder, tmp_path / str(case)) == told,
            "mlcroissant": croissant == renamed,
            "assay": again.fingerprint == data.fingerprint,
        }.items():
            passed += same
            wrong += [] if same else [(case, way)]
    record("export_round_trip", passed=passed, failed=len(wrong), datasets=count(3, 40))
    assert not wrong


def test_a_label_is_a_class_label_and_the_card_agrees_with_what_datasets_finds(tmp_path):
    import datasets
    from huggingface_hub import DatasetCard

    data = make_text()
    done = export_hf(Origin(data), tmp_path / "out", About(license="cc-by-4.0", language=("en",)))
    loaded = hub(tmp_path / "out", tmp_path)
    assert {k: v.num_rows for k, v in loaded.items()} == {s.name: s.n_rows for s in done.splits}
    feature = loaded["train"].features["label"]
    assert feature == datasets.ClassLabel(names=sorted(set(data.labels)))
    card = DatasetCard.load(tmp_path / "out" / "README.md").data.to_dict()
    assert card["dataset_info"]["features"] == loaded["train"].features._to_yaml_list()
    assert [s["num_bytes"] for s in card["dataset_info"]["splits"]] == [
        loaded[s.name].info.splits[s.name].num_bytes for s in done.splits
    ]
    files = sum((tmp_path / "out" / f).stat().st_size for s in done.splits for f in s.files)
    assert card["dataset_info"]["download_size"] == files == done.download_bytes
    assert card["license"] == "cc-by-4.0" and card["language"] == ["en"] and card["pretty_name"] == "out"
    assert card["size_categories"] == ["n<1K"] and card["task_categories"] == ["text-classification"]
    assert "annotations_creators" not in card and "source_datasets" not in card  # nobody said


def test_large_splits_are_cut_into_numbered_shards(tmp_path):
    done = export_hf(Origin(make_text()), tmp_path / "out", shard_bytes=6_000)
    train = done.splits[0]
    n = len(train.files)
    assert n >= 3 and train.files[0] == f"data/train-00000-of-{n:05d}.parquet"
    assert sum(pq.read_metadata(tmp_path / "out" / f).num_rows for f in train.files) == train.n_rows


def test_croissant_has_no_warning_once_the_publisher_has_spoken(tmp_path):
    said = About(
        license="https://spdx.org/licenses/MIT.html", version="1.0.0", published="2026-11-23",
        citation="Doe, 2026", language=("en",), tags=("news",), url="https://example.org/x",
    )  # fmt: skip
    export_hf(Origin(make_text()), tmp_path / "a", said)
    assert rows_by_croissant(tmp_path / "a" / "croissant.json")[1] == []
    export_hf(Origin(make_text()), tmp_path / "b")
    silent = rows_by_croissant(tmp_path / "b" / "croissant.json")[1]
    assert len(silent) == 4 and all("is recommended" in w for w in silent)  # nothing else, nothing invented


def test_croissant_describes_one_file_and_nested_columns(tmp_path):
    turns = [{"role": "user", "content": "é"}, {"role": "bot", "content": ""}]
    rows = [{"row_id": str(i), "messages": turns, "meta": {"lang": "en", "n": i}} for i in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "chat.parquet")
    made = describe_files(tmp_path / "chat.parquet", About())
    assert made == tmp_path / "croissant.json"
    assert rows_by_croissant(made)[0] == rows
    fields = {f["name"]: f for f in json.loads(made.read_text())["recordSet"][0]["field"]}
    assert fields["messages"]["isArray"] and fields["messages"]["arrayShape"] == "-1"
    assert "isArray" not in fields["meta"] and fields["row_id"]["dataType"] == "sc:Text"
    with pytest.raises(RecipeError, match="already there"):
        describe_files(tmp_path, About())


def test_a_file_that_was_changed_after_the_export_is_noticed_by_croissant(tmp_path):
    pq.write_table(pa.table({"row_id": ["a"], "text": ["x"]}), tmp_path / "one.parquet")
    made = describe_files(tmp_path / "one.parquet", About())
    pq.write_table(pa.table({"row_id": ["a"], "text": ["y"]}), tmp_path / "one.parquet")
    with pytest.raises(Exception, match=r"Download\(one.parquet\)"):  # where it compares digests
        rows_by_croissant(made)


def test_a_card_is_inert_and_quotes_no_row(tmp_path):
    export_hf(Origin(odd_dataset()), tmp_path / "out")
    body = (tmp_path / "out" / "README.md").read_text("utf-8").split("\n---\n", 1)[1]
    assert "<b>" not in body and "aaaa" not in body and "class|of" not in body.replace("`", "")
    assert all(line.count("|") in (0, 5, 4) for line in body.splitlines())  # no cell broke out of its table


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(RecipeError, match="not empty"):
        export_hf(Origin(make_text()), tmp_path / "full")
    (tmp_path / "empty").mkdir()
    export_hf(Origin(make_text()), tmp_path / "empty")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "full"]
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]


def test_a_failed_export_leaves_nothing(tmp_path):
    odd = make_text().table.append_column("d", pa.array([datetime.timedelta(1)] * make_text().n_rows))
    with pytest.raises(RecipeError, match=r"column 'd' is duration.*Croissant has no type"):
        export_hf(Origin(Dataset.of(odd, make_text().roles, "text")), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """A folder with a table and a run of one round in workspace `w`."""
    from flows.improve import run_recipe

    folder = tmp_path_factory.mktemp("export")
    run_recipe(write_table_recipe(folder), folder / "w", [], 1, lambda line: None)
    return folder


def test_the_command_exports_the_newest_run_with_its_curation(worked, tmp_path, monkeypatch, capsys):
    from pipeline.store import Store

    monkeypatch.chdir(worked)
    out = tmp_path / "out"
    code, said, _ = assay(capsys, "export", "hf", out, "-w", "w", "--json", "-q")
    facts, store = json.loads(said), Store(worked / "w")
    curated = store.load(store.run_facts(1)["facts"]["curated"])
    assert code == 0 and facts["run"] == 1 and facts["fingerprint"] == curated.fingerprint
    assert sum(facts["rows"].values()) == curated.n_rows
    assert rows_by_hub(out, tmp_path) == curated.table.to_pylist()
    text = (out / "README.md").read_text("utf-8")
    told = [line.split(" | ") for line in text.splitlines() if line.startswith("| duplicates |")]
    dropped = store.load(store.run_facts(1)["facts"]["root"]).n_rows - curated.n_rows
    assert dropped and sum(int(cells[2].strip() or 0) for cells in told) == dropped
    assert "points of macro_f1" in text
    assert "license: unknown" in text and "The licence is unknown" in text
    again = tmp_path / "again"
    _, _, told = assay(capsys, "export", "hf", again, "--snapshot", curated.fingerprint[:10], "-w", "w",
                       "--license", "mit")  # fmt: skip
    assert told == "" and "| duplicates |" in (again / "README.md").read_text("utf-8")


def test_the_command_exports_a_file_and_describes_it(worked, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(worked)
    _, _, told = assay(capsys, "export", "hf", tmp_path / "o", "rows.jsonl", "-w", tmp_path / "w")
    assert "label" in told and "nothing is known of its curation" in (tmp_path / "o/README.md").read_text()
    assert hub(tmp_path / "o", tmp_path)["test"].num_rows == 18
    (tmp_path / "o" / "croissant.json").unlink()
    _, made, _ = assay(capsys, "export", "croissant", tmp_path / "o", "--license", "mit")
    assert made.strip() == f"{tmp_path}/o/croissant.json"
    assert len(rows_by_croissant(made.strip())[0]) == len(table_rows())


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("hf", "x", "-w", "nowhere"), 2, "no workspace there"),
        (("hf", "x", "-w", "w", "--run", "7"), 2, "no run 7; there are 1"),
        (("hf", "x", "-w", "w", "--snapshot", "zz0000"), 2, "no snapshot 'zz0000'"),
        (("hf", "x", "-w", "w", "--run", "1", "--snapshot", "a"), 2, "name one of"),
        (("hf", "w", "-w", "w"), 2, "w: not empty"),
        (("hf", "x", "-w", "w", "--dataset-version", "one"), 2, "version"),
        (("hf", "x", "nowhere.csv", "-w", "w"), 65, "nowhere.csv"),
        (("croissant", "nowhere"), 2, "no such file"),
        (("croissant", "rows.jsonl"), 2, "no Parquet file"),
        (("croissant", "bad.parquet"), 65, "not readable as Parquet"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(arguments, code, says, worked, monkeypatch, capsys):
    monkeypatch.chdir(worked)
    (worked / "bad.parquet").write_bytes(b"PAR1 no")
    exit_code, out, told = assay(capsys, "export", *arguments)
    assert (exit_code, out) == (code, ""), told
    errors = [line for line in told.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and says in errors[0]
    assert not (worked / "x").exists() and not (worked / "nowhere").exists()


def test_without_huggingface_hub_the_line_to_install_it_is_told(tmp_path):
    code = ("import sys; sys.modules['huggingface_hub'] = None\n"
            "from conftest import make_text\nfrom pipeline.export import Origin, export_hf\n"
            "from pathlib import Path\nexport_hf(Origin(make_text()), Path(sys.argv[1]))")  # fmt: skip
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": path})  # fmt: skip
    assert 'pip install "assay[export]"' in done.stderr and not (tmp_path / "out").exists()


def test_own_columns_are_explained():
    from pipeline.export.croissant import MEANINGS

    assert set(OWN_COLUMNS) < set(MEANINGS)


def test_the_probe_s_folder_is_read_by_the_lines_that_the_docs_give(tmp_path, monkeypatch):
    from finetune.settings import Training
    from finetune.train import fit
    from pipeline.signals.engine import Engine

    page = (Path(__file__).parent.parent / "docs" / "export.md").read_text("utf-8")
    snippet = page.split("```python\n")[2].split("```")[0]
    assert "finetune.train" in snippet
    small = {"encoder": str(save_tiny_encoder(tmp_path / "encoder")), "max_tokens": 32}
    fit(dataset(rows(30)), Training(method="probe"), Engine({"embeddings": small}), 0, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    *lines, last = snippet.strip().splitlines()
    named: dict = {}
    exec("\n".join(lines), named)
    classes, probabilities = eval(last.split("#")[0], named)
    assert classes == KINDS and probabilities.shape == (1, 3)
    assert abs(probabilities.sum() - 1) < 1e-9
