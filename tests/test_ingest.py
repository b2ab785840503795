from __future__ import annotations

import csv
import json
import os
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.dataset import Dataset, Roles
from pipeline.ingest import InputError, RoleNames, Source, SplitPlan, ingest, input_digest
from pipeline.outputs import write_data

TRICKY = ["NA", "null", "None", "nan", "", "N/A", "TRUE", "007", "1e5", "2024-01-01", "12:30", "NO", " x ",
          "=1+1", "1,000"]
LETTERS = "bcdfglmnprst"
WORDS = [a + v + b + e for a in LETTERS for v in "aeiou" for b in LETTERS for e in ("a", "or", "ing")]


def read(path, roles=None, **options):
    return ingest([Source("", str(path))], roles, **options)


def sentence(seed: int, n: int = 30) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=n))


def write_csv(path: Path, rows: list[dict]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def reviews(n: int = 120) -> list[dict]:
    return [{"id": f"d{i:03d}", "text": sentence(i), "label": "abc"[i % 3]} for i in range(n)]


def cells(done, column):
    return dict(zip(done.dataset.ids, done.dataset.table[column].to_pylist(), strict=True))


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_text_stays_text_in_every_format(tmp_path, kind):
    rows = [{"id": f"r{i}", "text": "some words of text", "code": cell} for i, cell in enumerate(TRICKY)]
    path = tmp_path / f"data.{kind}"
    if kind in ("csv", "tsv"):
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream, delimiter="," if kind == "csv" else "\t")
            writer.writerows([["id", "text", "code"], *([r["id"], r["text"], r["code"]] for r in rows)])
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    done = read(path, RoleNames(content=("text",)), near_pairs=False)
    assert cells(done, "code") == {f"r{i}": cell for i, cell in enumerate(TRICKY)}
    assert not done.quarantine.num_rows


def test_a_table_of_numbers_is_typed_only_where_nothing_is_lost(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{20 + i},00{i},{i}.5,{'' if i == 3 else i},{'pn'[i % 2]}" for i in range(12)]
    path.write_text("\n".join(["age,code,score,seen,y", *lines]))
    from pipeline.ingest.folder import read_source
    from pipeline.ingest.numbers import typed

    table, changed = typed(read_source(Source("", str(path))).table)
    assert changed == ["age", "score", "seen"]
    assert table["seen"].null_count == 1 and table["code"].to_pylist()[:2] == ["000", "001"]


def test_bad_csv_rows_go_to_quarantine_with_their_lines_and_neighbours_stay(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text('id,text\na,"two\nlines, one cell"\nb,too,many\nc,fine\nd\n\ne,"closed" badly\n'
                    'f,also fine\ng,"never closed\nh,last\n')
    done = read(path, near_pairs=False)
    assert list(done.dataset.ids) == ["a", "c", "f", "h"]
    assert [(r["line"], r["raw"]) for r in done.quarantine.to_pylist()] == [
        (4, "b,too,many"), (6, "d"), (8, 'e,"closed" badly'), (10, 'g,"never closed')]
    assert all(r["file"] == "bad.csv" and r["reason"] for r in done.quarantine.to_pylist())


def test_a_quote_closed_in_a_later_row_swallows_no_row(tmp_path):
    path = tmp_path / "swallow.csv"
    path.write_text('id,text\na,"opened\nb,between\nc,"q\nd,kept\n')
    done = read(path, near_pairs=False)
    assert list(done.dataset.ids) == ["b", "d"]
    assert done.quarantine["line"].to_pylist() == [2, 4]


def test_bad_json_lines_go_to_quarantine(tmp_path):
    path = tmp_path / "bad.jsonl"
    deep = '{"text": ' + "[" * 100_000 + "]" * 100_000 + "}"
    lines = ['{"text": "one"}', "{oops", '["a"]', "", '{"text": "\\ud800"}', deep, '{"text": "two"}', "3"]
    path.write_text("\n".join(lines))
    done = read(path, near_pairs=False)
    assert sorted(done.dataset.table["text"].to_pylist()) == ["one", "two"]
    assert done.quarantine["line"].to_pylist() == [2, 3, 5, 6, 8]
    assert max(map(len, done.quarantine["raw"].to_pylist())) <= 500


def test_json_types_are_kept_and_mixed_columns_become_text(tmp_path):
    path = tmp_path / "types.jsonl"
    rows = [{"text": "a b c", "label": ["x", "y"], "n": 1, "mix": 1, "big": 2**70},
            {"text": "d e f", "label": ["z"], "n": None, "mix": "1e5", "big": 1}]
    path.write_text("\n".join(map(json.dumps, rows)))
    done = read(path, near_pairs=False)
    assert sorted(map(tuple, done.dataset.labels)) == [("x", "y"), ("z",)]
    assert pa.types.is_integer(done.dataset.table["n"].type)
    assert sorted(done.dataset.table["mix"].to_pylist()) == ["1", "1e5"]
    assert any("'mix'" in note for note in done.notes) and any("64 bits" in note for note in done.notes)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings_are_decoded_right(tmp_path, encoding):
    path = tmp_path / "menu.csv"
    path.write_bytes("text\ncafé at £5 said the owner\n".encode(encoding))
    done = read(path)
    assert done.dataset.table["text"].to_pylist() == ["café at £5 said the owner"]
    assert any("not UTF-8" in n for n in done.notes) == (encoding == "cp1252")


def test_one_latin_line_does_not_spoil_a_utf8_file(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_bytes("text\nnaïve — really\n".encode() + "costs £5\n".encode("cp1252"))
    done = read(path, RoleNames(content=("text",)), modality="text")
    assert sorted(done.dataset.table["text"].to_pylist()) == ["costs £5", "naïve — really"]
    assert any("line 3" in note for note in done.notes)


def test_label_folders_are_read_and_unused_files_listed(tmp_path):
    for label in ("good", "bad"):
        (tmp_path / label).mkdir()
        for i in range(3):
            (tmp_path / label / f"{i}.txt").write_text(f"{label} text number {i}")
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / "good" / "link.txt").symlink_to(tmp_path / "notes.md")
    (tmp_path / "train.png").write_bytes(b"x")
    done = read(tmp_path, near_pairs=False)
    assert done.dataset.n_rows == 6 and sorted(set(done.dataset.labels)) == ["bad", "good"]
    listed = " ".join(done.notes)
    assert all(name in listed for name in ("notes.md", "train.png", "link.txt"))


def test_folders_are_splits_only_when_they_cover_every_file(tmp_path):
    for split in ("train", "dev", "test"):
        for label in ("a", "b"):
            (tmp_path / split / label).mkdir(parents=True)
            (tmp_path / split / label / "1.txt").write_text(f"{split} {label}")
    done = read(tmp_path)
    assert sorted(done.dataset.splits) == ["test"] * 2 + ["train"] * 2 + ["validation"] * 2
    (tmp_path / "extra" / "a").mkdir(parents=True)
    (tmp_path / "extra" / "a" / "1.txt").write_text("more")
    with pytest.raises(InputError, match="split names"):
        read(tmp_path)


def test_files_named_after_splits_make_the_split(tmp_path):
    write_csv(tmp_path / "train-00000-of-00001.csv", reviews(40))
    write_csv(tmp_path / "test-00000-of-00001.csv", [{**r, "id": "t" + r["id"]} for r in reviews(10)])
    done = read(tmp_path)
    assert (done.dataset.splits == "test").sum() == 10
    assert any("validation made from the train rows" in g for g in done.guesses)


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="regular file"):
        read(tmp_path / "pipe.csv")


def test_the_split_keeps_copies_and_groups_together_and_is_stratified(tmp_path):
    rows = [{**r, "group": f"g{i % 90}"} for i, r in enumerate(reviews(300))]
    for i in range(0, 60, 3):  # near copies: two words of thirty changed
        words = rows[i]["text"].split()
        words[3], words[20] = "zebra", "quartz"
        rows.append({"id": f"near{i}", "text": " ".join(words), "label": rows[i]["label"], "group": f"n{i}"})
    for i in range(1, 60, 3):
        rows.append({**rows[i], "id": f"copy{i}", "text": rows[i]["text"].upper(), "group": f"c{i}"})
    done = read(write_csv(tmp_path / "d.csv", rows), seed=3)
    split = dict(zip(done.dataset.ids, done.dataset.splits, strict=True))
    assert all(split[f"near{i}"] == split[f"d{i:03d}"] for i in range(0, 60, 3))
    assert all(split[f"copy{i}"] == split[f"d{i:03d}"] for i in range(1, 60, 3))
    assert all(split[f"d{i:03d}"] == split[f"d{i % 90:03d}"] for i in range(300))
    counts = {s: np.mean(done.dataset.splits == s) for s in ("train", "validation", "test")}
    assert abs(counts["test"] - 0.2) < 0.03 and abs(counts["validation"] - 0.1) < 0.03
    for label in "abc":
        held = done.dataset.splits[done.dataset.labels == label] == "test"
        assert abs(held.mean() - 0.2) < 0.05


def test_row_order_changes_nothing(tmp_path):
    rows = [{"text": r["text"], "label": r["label"]} for r in reviews()] + [{"text": "x", "label": "a"}] * 3
    one = read(write_csv(tmp_path / "data.csv", rows))
    random.Random(1).shuffle(rows)
    two = read(write_csv(tmp_path / "data.csv", rows))
    assert one.dataset.fingerprint == two.dataset.fingerprint
    assert sum(i.endswith(("-1", "-2")) for i in one.dataset.ids) == 2


def test_a_seed_changes_the_split(tmp_path):
    path = write_csv(tmp_path / "data.csv", reviews())
    assert list(read(path, seed=0).dataset.splits) != list(read(path, seed=1).dataset.splits)


def test_time_sends_the_latest_rows_to_test(tmp_path):
    rows = [{**r, "date": f"2024-{1 + i // 28:02d}-{1 + i % 28:02d}"} for i, r in enumerate(reviews(100))]
    done = read(write_csv(tmp_path / "d.csv", rows), RoleNames(time="date"))
    order = [done.dataset.splits[done.dataset.position[r["id"]]] for r in rows]
    assert order == ["train"] * 70 + ["validation"] * 10 + ["test"] * 20


def test_unreadable_times_are_refused(tmp_path):
    path = write_csv(tmp_path / "d.csv", [{**r, "when": "last week"} for r in reviews(9)])
    with pytest.raises(InputError, match="'when'"):
        read(path, RoleNames(time="when"))


def test_unique_labels_are_still_held_out(tmp_path):
    rows = [{"id": str(i), "text": sentence(i), "label": f"answer {i}"} for i in range(100)]
    assert (read(write_csv(tmp_path / "d.csv", rows)).dataset.splits == "test").sum() == 20


def test_the_users_split_is_kept_and_validation_is_made_from_train(tmp_path):
    rows = [{**r, "split": "eval" if i % 5 == 0 else "training"} for i, r in enumerate(reviews())]
    done = read(write_csv(tmp_path / "d.csv", rows), split=SplitPlan(test=0.2, validation=0.1))
    assert {i for i, s in zip(done.dataset.ids, done.dataset.splits, strict=True) if s == "test"} == {
        r["id"] for r in rows if r["split"] == "eval"}
    assert (done.dataset.splits == "validation").sum() == 12
    rows[3]["split"] = "tset"  # a slip must not send a test row to train
    with pytest.raises(InputError, match="'tset'"):
        read(write_csv(tmp_path / "d.csv", rows))


def test_several_sources_prefix_ids_and_join_columns(tmp_path):
    one = write_csv(tmp_path / "one.csv", [{"id": "1", "text": "first text here", "label": "a"}])
    two = tmp_path / "two.jsonl"
    two.write_text('{"key": 1, "body": "second text here", "label": "b", "stars": 4}\n')
    done = ingest([Source("shop", str(one)), Source("app", str(two), {"body": "text", "key": "id"})])
    assert list(done.dataset.ids) == ["app:1", "shop:1"]
    assert cells(done, "source") == {"app:1": "app", "shop:1": "shop"}
    assert cells(done, "text") == {"app:1": "second text here", "shop:1": "first text here"}
    assert cells(done, "stars") == {"app:1": 4, "shop:1": None}


def test_our_own_export_reads_back_without_loss(tmp_path):
    first = read(write_csv(tmp_path / "data.csv", reviews()))
    rows = first.dataset.table.append_column("weight", pa.array(np.linspace(0, 2, 120)))
    cells_of_parents = [[first.dataset.ids[0]] if i == 5 else [] for i in range(120)]
    parents = pa.array(cells_of_parents, pa.large_list(pa.large_string()))
    rows = rows.drop_columns(["parents"]).append_column("parents", parents)
    folder = tmp_path / "out"
    folder.mkdir()
    pq.write_table(rows, folder / "dataset.parquet", write_page_checksum=True)
    pq.write_table(rows.slice(0, 1), folder / "findings.parquet")
    again = read(folder)
    for column in ("row_id", "split", "weight", "source", "parents", "text", "label"):
        assert again.dataset.table[column].to_pylist() == rows[column].to_pylist(), column
    assert any("findings.parquet" in note for note in again.notes)


def test_columns_of_our_names_are_renamed_and_said(tmp_path):
    rows = [{**r, "source": "web", "weight": "12 kg"} for r in reviews(20)]
    done = read(write_csv(tmp_path / "d.csv", rows))
    assert set(done.dataset.table["source_"].to_pylist()) == {"web"}
    assert set(done.dataset.table["source"].to_pylist()) == {"d"}
    assert "weight" not in done.dataset.table.column_names
    assert sum("the name is ours" in g for g in done.guesses) == 2


def test_empty_labels_are_kept_as_missing_and_every_guess_is_said(tmp_path):
    rows = [{**r, "label": "" if i < 2 else r["label"]} for i, r in enumerate(reviews(30))]
    done = read(write_csv(tmp_path / "d.csv", rows))
    assert sum(v is None for v in done.dataset.labels) == 2 and done.dataset.n_rows == 30
    assert [g.split(":")[0] for g in done.guesses] == ["id", "label", "modality", "content", "split"]


def test_a_label_is_guessed_by_its_few_values(tmp_path):
    path = write_csv(tmp_path / "d.csv", [{"body": r["text"], "verdict": r["label"]} for r in reviews(30)])
    done = read(path)
    assert done.dataset.roles.label == "verdict" and done.dataset.roles.content == ("body",)


@pytest.mark.parametrize(("name", "content", "roles", "says"), [
    ("none.csv", None, {}, "no such file"),
    ("d.xlsx", "x", {}, "'.xlsx'"),
    ("d.json", "[]", {}, "no rows"),
    ("d.json", "3", {}, "no array"),
    ("d.json", '[{"text": "a b c"},]', {}, "line 1, character"),
    ("d.csv", "", {}, "empty"),
    ("d.csv", "text,label\n", {}, "no rows"),
    ("d.csv", "text,text\na,b\n", {}, "two columns"),
    ("d.csv", "id,text\n1,a b c d\n1,b c d e\n", {"id": "id"}, "'1' stands 2 times"),
    ("d.csv", "id,text\n1,a b c d\n,b c d e\n", {"id": "id"}, "row 2 has no id"),
    ("d.csv", "text,label\na b c,x\n", {"label": "lable"}, "did you mean 'label'"),
    ("d.jsonl", "[\n1\n]", {}, "d.jsonl:1"),
    ("d.parquet", "PAR1 nothing PAR1", {}, "Parquet"),
])
def test_every_refusal_is_one_line_with_the_file_and_what_to_do(tmp_path, name, content, roles, says):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError) as refusal:
        read(tmp_path / name, RoleNames(**roles), modality="text")
    message = str(refusal.value)
    assert says in message and name in message and "\n" not in message and message.endswith(")")


def test_a_flipped_bit_in_a_checksummed_parquet_is_refused(tmp_path):
    path = tmp_path / "d.parquet"
    table = pa.table({"text": [sentence(i) for i in range(500)]})
    pq.write_table(table, path, write_page_checksum=True, use_dictionary=False, compression="none")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"d\.parquet"):
        read(path)


def test_the_input_digest_sees_every_byte_and_name(tmp_path):
    folder = tmp_path / "f"
    (folder / "a").mkdir(parents=True)
    file = folder / "a" / "1.txt"
    file.write_text("x")
    seen = [input_digest([Source("", str(folder))])]
    file.write_text("y")
    seen.append(input_digest([Source("", str(folder))]))
    file.rename(folder / "a" / "2.txt")
    seen.append(input_digest([Source("", str(folder))]))
    assert len(set(seen)) == 3
    moved = tmp_path / "elsewhere" / "f"
    moved.parent.mkdir()
    folder.rename(moved)
    assert input_digest([Source("", str(moved))]) == seen[-1]


def test_a_table_from_csv_is_guessed_as_one(tmp_path):
    path = write_csv(tmp_path / "t.csv", [{"a": i * 1.5, "b": i, "y": "pq"[i % 2]} for i in range(40)])
    done = read(path)
    assert (done.dataset.modality, done.dataset.roles.content) == ("tabular", ("a", "b"))
    assert done.dataset.roles.label == "y"
    assert [str(done.dataset.table[c].type) for c in ("a", "b", "y")] == ["double", "int64", "large_string"]


def test_dictionary_and_nested_parquet_columns_are_read(tmp_path):
    text = pa.array([sentence(1), sentence(2)]).dictionary_encode()
    tags = pa.array([{"a": [1]}, {"a": []}])
    pq.write_table(pa.table({"text": text, "meta": tags}), tmp_path / "d.parquet")
    rows = read(tmp_path / "d.parquet").dataset.table.to_pylist()
    assert {r["text"]: r["meta"] for r in rows} == {sentence(1): {"a": [1]}, sentence(2): {"a": []}}


def test_ids_unique_within_each_source_are_used(tmp_path):
    for name in ("one", "two"):
        write_csv(tmp_path / f"{name}.csv", reviews(5))
    done = ingest([Source("", str(tmp_path / f"{name}.csv")) for name in ("one", "two")])
    assert done.dataset.n_rows == 10 and "one:d000" in done.dataset.position
    split = dict(zip(done.dataset.ids, done.dataset.splits, strict=True))
    assert all(split[f"one:d00{i}"] == split[f"two:d00{i}"] for i in range(5))


def test_every_column_of_a_table_is_told_what_it_was_read_as_and_why(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{20 + i},00{i},1e{i},2024-01-0{1 + i},{i}.5 kg,{'?' if i == 3 else 'word'},{'pn'[i % 2]}"
             for i in range(6)]
    path.write_text("\n".join(["age,code,power,day,mass,job,label", *lines]))
    told = "\n".join(read(path, near_pairs=False).guesses)
    for sentence in (
        "column 'age': whole numbers, as every filled cell is one",
        "column 'code': text, as '000' has leading zeros",
        "column 'power': text, as cells such as 1e5 may be codes",
        "column 'day': text: dates such as '2024-01-01' stay as they are",
        "column 'mass': text, as 6 of 6 cells are no plain numbers, first '0.5 kg'",
        "column 'job': text; 1 cell is '?'",
    ):
        assert sentence in told


def test_a_feature_that_has_one_of_our_names_is_content_under_its_new_name(tmp_path):
    rows = [{"weight": str(50 + i), "source": "web" if i % 2 else "shop", "parents": str(i % 3), "age": "30",
             "y": "pn"[i % 2]} for i in range(40)]  # fmt: skip
    done = read(write_csv(tmp_path / "people.csv", rows), RoleNames(label="y"), near_pairs=False)
    assert done.dataset.modality == "tabular"
    assert done.dataset.roles.content == ("age", "parents_", "source_", "weight_")
    assert pa.types.is_integer(done.dataset.table.schema.field("weight_").type)
    assert np.array_equal(done.dataset.weights, np.ones(40)), "a person's weight weighs no row"
    assert any("'weight_'" in line and "whole numbers" in line for line in done.guesses)
    assert "weight: called 'weight_' here, because the name is ours" in done.guesses


def test_one_sparse_remark_makes_no_text_dataset_of_a_table(tmp_path):
    rows = [{"a": i, "b": i % 7, "c": i * 1.5, "comment": "" if i % 10 else "a long remark about this one",
             "y": "pn"[i % 2]} for i in range(60)]  # fmt: skip
    done = read(write_csv(tmp_path / "t.csv", rows), near_pairs=False)
    assert (done.dataset.modality, done.dataset.n_rows) == ("tabular", 60)
    assert done.dataset.roles.content == ("a", "b", "c", "comment")


def test_columns_that_a_guess_leaves_out_are_named(tmp_path):
    rows = [{**r, "url": f"https://e.org/{i}", "shop": "ab"[i % 2], "stars": i % 5}
            for i, r in enumerate(reviews(30))]  # fmt: skip
    path = write_csv(tmp_path / "d.csv", rows)
    line = "not looked at: 'shop', 'stars' (--modality tabular for a table)"
    assert line in read(path, RoleNames(label="label"), near_pairs=False).guesses
    assert line not in read(path, RoleNames(label="label", content=("text",)), near_pairs=False).guesses


def written_table(folder: Path) -> tuple[Path, Dataset]:
    rows = [{"pid": f"p{i:03d}", "zip": str(100 + i % 9), "mass": i * 1.5, "outcome": "bg"[i % 2],
             "weight": 50 + i} for i in range(60)]  # fmt: skip
    first = read(write_csv(folder / "t.csv", rows), RoleNames(id="pid", label="outcome"), near_pairs=False)
    write_data(folder / "out", first.dataset)
    return folder / "out", first.dataset


def test_a_dataset_that_we_wrote_keeps_its_roles_and_its_fingerprint(tmp_path):
    out, first = written_table(tmp_path)
    for place in (out, out / "dataset.parquet"):
        again = read(place)
        assert again.dataset.roles == first.roles and again.dataset.fingerprint == first.fingerprint
        told = [line for line in again.guesses if line.endswith("as written by assay")]
        assert [line.split(":")[0] for line in told] == ["label", "modality", "content"]


def test_what_the_user_names_outranks_what_a_file_of_ours_states(tmp_path):
    out, _ = written_table(tmp_path)
    other = read(out, RoleNames(label="zip")).dataset
    assert other.roles.label == "zip" and other.roles.content == ("mass", "weight_")
    as_text = read(out, RoleNames(content=("zip",)), modality="text").dataset
    assert (as_text.modality, as_text.roles.label) == ("text", "outcome")
    assert read(out, RoleNames(content=("mass",))).dataset.roles.content == ("mass",)


def test_a_dataset_that_we_wrote_without_a_label_gets_none(tmp_path):
    out, first = written_table(tmp_path)
    write_data(out, Dataset.of(first.table, Roles(content=("mass", "zip")), "tabular"))
    assert read(out).dataset.roles == Roles(content=("mass", "zip"))


@pytest.mark.parametrize("about", ["", "[]", "{", '{"modality": "x"}', '{"modality": "tabular", "roles": 3}',
                                   '{"modality": "tabular", "roles": {"content": ["gone"]}}',
                                   '{"modality": "tabular", "roles": {"content": []}}'])  # fmt: skip
def test_a_statement_that_makes_no_sense_is_passed_over(tmp_path, about):
    out, _ = written_table(tmp_path)
    table = pq.read_table(out / "dataset.parquet").replace_schema_metadata({"assay": about})
    pq.write_table(table, out / "dataset.parquet")
    again = read(out, RoleNames(label="outcome"))
    assert again.dataset.modality == "tabular" and not any("as written" in line for line in again.guesses)
