"""Pictures get in: folders, tables, names of files, idx; what cannot be decoded is quarantined, with why."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile.images import BAD, CUTS, GOOD, JPEG, PNG, bomb, gif
from pictures import make_pictures, photo, write_folder
from PIL import Image

from flows.columns import Reading
from pipeline.export import Origin, export_hf
from pipeline.hashing import IMAGE
from pipeline.ingest import InputError, RoleNames, Source, ingest, input_digest
from pipeline.ingest.idx import png
from pipeline.modalities import modality
from pipeline.modalities.image import intake as image_intake
from pipeline.outputs import write_data
from pipeline.recipe import Data, RecipeError
from pipeline.source import open_plan
from pipeline.store import Store


def read(path, image=None, **options):
    roles = RoleNames(content=(image,) if image else ())
    source = Source("", str(path), image=image)
    options.setdefault("modality", "image" if image else None)
    return ingest([source], roles, near_pairs=False, **options)


def by_file(done):
    table = done.dataset.table
    names = table["file_name"].to_pylist()
    return dict(zip(names, table.select(["label", "split"]).to_pylist(), strict=True))


def test_folders_are_labels(tmp_path):
    done = read(write_folder(tmp_path))
    data = done.dataset
    assert data.modality == "image" and data.roles.content == ("image",) and data.n_rows == 8
    assert data.table.schema.field("image").type == IMAGE
    assert {name: row["label"] for name, row in by_file(done).items()} == {
        f"{c}/{k}.png": c for c in ("red", "blue") for k in range(4)
    }
    first = data.table["image"][0].as_py()
    assert hashlib.sha256(first["bytes"]).hexdigest() == first["sha256"]


def test_folders_are_splits_where_they_cover_all_files(tmp_path):
    done = read(write_folder(tmp_path, "split"))
    assert {row["split"] for row in by_file(done).values()} >= {"train", "test"}
    assert by_file(done)["test/red/3.png"] == {"label": "red", "split": "test"}
    assert any("cover all files" in g for g in done.guesses)


def test_a_folder_that_is_no_split_is_explained_not_guessed(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "x.png").write_bytes(photo(77))
    done = read(tmp_path)
    assert by_file(done)["train/x.png"]["label"] == "train"
    assert any("split: not taken" in g and "blue/0.png" in g for g in done.guesses)
    write_folder(tmp_path / "deep", "split")
    for colour in ("red", "blue", "train"):
        for path in (tmp_path / colour).iterdir():
            path.unlink()
    with pytest.raises(InputError, match="two or more folders deep under deep"):
        read(tmp_path)


def test_pictures_in_split_folders_need_no_labels(tmp_path):
    for split, k in (("train", 1), ("train", 2), ("test", 3)):
        (tmp_path / split).mkdir(exist_ok=True)
        (tmp_path / split / f"{k}.png").write_bytes(photo(k))
    done = read(tmp_path)
    assert done.dataset.roles.label is None and done.dataset.n_rows == 3
    assert done.dataset.splits.tolist().count("test") == 1


def write_rows(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        import json

        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_metadata_file_names_the_pictures(tmp_path, ending):
    write_folder(tmp_path, "flat")
    rows = [{"file_name": f"red-{k}.png", "label": "r", "site": "a b"[k % 2]} for k in range(4)]
    write_rows(tmp_path / f"metadata.{ending}", [*rows, {"file_name": "gone.png", "label": "r", "site": "c"}])
    done = read(tmp_path)
    assert done.dataset.n_rows == 4 and done.dataset.roles.content == ("image",)
    assert "site" in done.dataset.table.column_names
    (bad,) = done.quarantine.to_pylist()
    assert bad["file"] == f"metadata.{ending}" and bad["line"] == 5 and "gone.png" in bad["reason"]
    assert any("not used" in n and "blue-0.png" in n for n in done.notes)


def test_a_metadata_file_may_name_two_pictures_and_lie_in_split_folders(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        for k in range(3):
            (tmp_path / split / f"{k}.png").write_bytes(photo(k if split == "train" else 50 + k))
        rows = [{"file_name": f"{k}.png", "back_file_name": f"{2 - k}.png", "label": "x"} for k in range(3)]
        write_rows(tmp_path / split / "metadata.csv", rows)
    data = read(tmp_path).dataset
    assert data.n_rows == 6 and data.table.schema.field("back").type == IMAGE
    assert sorted(set(data.splits)) == ["test", "train"]
    assert not [n for n in read(tmp_path).notes if "used" in n]


def test_a_metadata_file_without_names_is_refused(tmp_path):
    write_folder(tmp_path, "flat")
    write_rows(tmp_path / "metadata.csv", [{"name": "red-0.png", "label": "r"}])
    with pytest.raises(InputError, match="has no column 'file_name'"):
        read(tmp_path)


def test_a_column_names_files_beside_the_data(tmp_path):
    write_folder(tmp_path / "in")
    rows = [{"path": f"red/{k}.png", "y": "r"} for k in range(4)] + [{"path": "blue/0.png", "y": "b"}]
    write_rows(tmp_path / "in" / "rows.csv", rows)
    done = read(tmp_path / "in" / "rows.csv", image="path")
    assert done.dataset.roles.content == ("path",) and done.dataset.table.schema.field("path").type == IMAGE
    assert sorted(done.dataset.table["file_name"].to_pylist())[0] == "blue/0.png"


def test_a_recipe_and_the_command_line_name_the_column_of_pictures(tmp_path):
    write_folder(tmp_path / "in")
    rows = str(tmp_path / "in" / "rows.csv")
    write_rows(Path(rows), [{"path": f"red/{k}.png", "text": "t", "y": "r"} for k in range(4)])
    plan = Reading(rows, image_column="path").plan()
    assert plan == Data(path=rows, image="path", test_fraction=0, validation_fraction=0)
    assert open_plan(plan, 0, Store(tmp_path / "w")).dataset.roles.content == ("path",)
    with pytest.raises(RecipeError, match="both text and image"):
        Reading(rows, image_column="path", text_column="text").plan()
    with pytest.raises(RecipeError, match="modality is 'text'"):
        Reading(rows, image_column="path", modality="text").plan()


def test_changing_a_named_picture_changes_the_input(tmp_path):
    write_folder(tmp_path)
    write_rows(tmp_path / "rows.csv", [{"path": "red/0.png", "y": "r"}])
    source = Source("", str(tmp_path / "rows.csv"), image="path")
    before = input_digest([source])
    (tmp_path / "red" / "1.png").write_bytes(b"other")
    assert input_digest([source]) == before
    (tmp_path / "red" / "0.png").write_bytes(photo(5))
    assert input_digest([source]) != before


OUTSIDE = ["../secret.png", "red/../../secret.png", "/etc/passwd", "C:\\x.png", "link.png", "linked/0.png",
           "red", "http://x/y.png", "", "a\x00b.png", "pipe.png", "x" * 300]  # fmt: skip


def test_no_name_leads_out_of_the_folder_or_over_a_link(tmp_path):
    folder = write_folder(tmp_path / "in")
    (tmp_path / "secret.png").write_bytes(photo(1))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "linked").symlink_to(folder / "red")
    os.mkfifo(folder / "pipe.png")
    rows = [{"path": name, "y": "r"} for name in [*OUTSIDE, "red/0.png", "red/1.png"]]
    write_rows(folder / "rows.jsonl", rows)
    done = read(folder / "rows.jsonl", image="path")
    assert done.dataset.n_rows == 2
    assert done.quarantine["line"].to_pylist() == list(range(1, len(OUTSIDE) + 1))


def test_links_and_pipes_in_a_folder_are_passed_over(tmp_path):
    folder = write_folder(tmp_path / "in")
    (folder / "red" / "link.png").symlink_to(folder / "blue" / "0.png")
    os.mkfifo(folder / "red" / "pipe.png")
    done = read(folder)
    assert done.dataset.n_rows == 8 and "link.png (a symbolic link)" in " ".join(done.notes)


def test_names_of_files_may_be_anything(tmp_path):
    folder = write_folder(tmp_path / "in")
    for name in ("new\nline.png", "emoji\U0001f642.png", "\u202ertl.png", "x" * 250 + ".png", "no ending"):
        (folder / "red" / name).write_bytes(photo(len(name)))
    done = read(folder)
    assert done.dataset.n_rows == 13 and "red/no ending" in by_file(done)


def test_a_picture_is_known_by_its_bytes_and_a_text_by_its_own(tmp_path):
    folder = write_folder(tmp_path, kind="JPEG")
    (folder / "red" / "really.jpg").write_bytes(photo(9, kind="PNG"))
    (folder / "red" / "page.jpg").write_text("<html>404</html>")
    (folder / "red" / "notes.txt").write_text("hello")
    done = read(folder)
    assert "red/really.jpg" in by_file(done) and done.dataset.n_rows == 9
    (bad,) = done.quarantine.to_pylist()
    assert bad["file"] == "red/page.jpg" and "a web page" in bad["reason"]
    assert any("not used: red/notes.txt" in n for n in done.notes)


def hf_table(n=6, path=None):
    cells = [{"bytes": photo(k), "path": path and path.format(k)} for k in range(n)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table({"img": pa.array(cells, kind), "label": ["a", "b"] * (n // 2)})


def test_parquet_holds_pictures_as_bytes_or_as_datasets_writes_them(tmp_path):
    pq.write_table(hf_table(path="/pictures/cats/{}.png"), tmp_path / "a.parquet")
    data = read(tmp_path / "a.parquet").dataset
    assert data.roles.content == ("img",) and sorted(data.table["file_name"].to_pylist())[0] == "0.png"
    bare = pa.table({"img": [photo(k) for k in range(6)], "label": ["a", "b"] * 3})
    pq.write_table(bare, tmp_path / "b.parquet")
    other = read(tmp_path / "b.parquet").dataset
    assert "file_name" not in other.table.column_names
    assert sorted(c["sha256"] for c in other.table["img"].to_pylist()) == sorted(
        c["sha256"] for c in data.table["img"].to_pylist())  # fmt: skip


def test_codes_of_classes_become_the_names_that_the_file_gives(tmp_path):
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=["cat", "dog"])
    features = datasets.Features({"image": datasets.Image(), "label": names})
    rows = {"image": [{"bytes": photo(k), "path": None} for k in range(4)], "label": [0, 1, -1, 1]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "d.parquet")
    done = read(tmp_path / "d.parquet")
    assert sorted(map(str, done.dataset.labels)) == ["None", "cat", "dog", "dog"]
    assert any("codes in 'label'" in g for g in done.guesses)
    short = b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": ["cat"]}}}}'
    for stated in (b"{", b"[]", short):
        table = pq.read_table(tmp_path / "d.parquet").replace_schema_metadata({"huggingface": stated})
        pq.write_table(table, tmp_path / "e.parquet")
        assert set(read(tmp_path / "e.parquet").dataset.labels) == {0, 1, -1}


def test_a_name_without_bytes_is_quarantined(tmp_path):
    table = hf_table(path="{}.png").to_pylist()
    table[1]["img"]["bytes"] = None
    pq.write_table(pa.Table.from_pylist(table, schema=hf_table().schema), tmp_path / "a.parquet")
    done = read(tmp_path / "a.parquet")
    assert done.dataset.n_rows == 5 and "only the name of a file" in done.quarantine["reason"][0].as_py()


def test_our_own_dataset_is_read_as_it_was_written(tmp_path):
    data = make_pictures()
    write_data(tmp_path, data)
    again = read(tmp_path / "dataset.parquet").dataset
    assert again.fingerprint == data.fingerprint and again.table.equals(data.table)


def test_a_digest_that_is_not_of_its_bytes_is_not_believed(tmp_path):
    data = make_pictures()
    rows = data.table.to_pylist()
    rows[2]["image"]["sha256"] = "0" * 64
    pq.write_table(pa.Table.from_pylist(rows, schema=data.table.schema), tmp_path / "d.parquet")
    done = read(tmp_path / "d.parquet")
    assert done.dataset.n_rows == data.n_rows - 1
    assert "not the one its sha256 is of" in done.quarantine["reason"][0].as_py()


def test_intake_of_what_has_its_form_changes_nothing():
    content = make_pictures().content
    again = modality("image").intake(content, ("image",))
    assert again.table.equals(content) and not again.unreadable


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder, n=6):
    rng = np.random.default_rng(0)
    for part, k in (("train", n), ("t10k", 3)):
        pictures, labels = rng.integers(0, 256, (k, 7, 5), np.uint8), (np.arange(k) % 3).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


def test_idx_files_become_png_cells(tmp_path):
    data = read(write_idx(tmp_path)).dataset
    assert data.n_rows == 9 and data.splits.tolist().count("test") == 3
    assert set(data.labels) == {"0", "1", "2"}
    place = data.table["file_name"].to_pylist().index("train-00000.png")
    body = data.table["image"][place].as_py()["bytes"]
    expected = np.random.default_rng(0).integers(0, 256, (6, 7, 5), np.uint8)[0]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(body))), expected)


LABELS, PICTURES = "train-labels-idx1-ubyte", "train-images-idx3-ubyte.gz"
HARMS = [
    (LABELS, None, "no train-labels"), (LABELS, idx(np.zeros(2, np.uint8)), "but 2 labels"),
    (LABELS, b"\0\0\x08\x01\xff\xff\xff\xff", "4,294,967,295"), (LABELS, b"hello, world", "no idx file"),
    (PICTURES, b"\x1f\x8b\x08junk", "not readable as gzip"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "says"), HARMS)
def test_broken_idx_files_are_refused(tmp_path, name, body, says):
    (write_idx(tmp_path) / name).unlink()
    if body is not None:
        (tmp_path / name).write_bytes(body)
    with pytest.raises(InputError, match=says):
        read(tmp_path)


def test_an_idx_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.ingest.idx.UNPACKED_BYTES", 100)
    with pytest.raises(InputError, match="more than 100 bytes unpacked"):
        read(write_idx(tmp_path))


# -- hostile pictures --


def taken_in(*bodies: bytes):
    return modality("image").intake(pa.table({"x": pa.array(bodies, pa.binary())}), ("x",))


@pytest.mark.parametrize("name", BAD)
def test_a_hostile_file_is_one_unreadable_row(name):
    body, says = BAD[name]
    done = taken_in(JPEG, body() if callable(body) else body, PNG)
    assert list(done.unreadable) == [1]
    assert any(part in done.unreadable[1] for part in says.split("|")), done.unreadable[1]
    assert "\n" not in done.unreadable[1] and len(done.unreadable[1]) < 300


@pytest.mark.parametrize("name", GOOD)
def test_an_unusual_picture_is_read(name):
    done = taken_in(GOOD[name]())
    assert not done.unreadable
    modality("image").measure(done.table)  # and can be looked at


@pytest.mark.parametrize(("kind", "eighths"), CUTS)
def test_a_file_cut_short_is_unreadable_wherever_it_is_cut(kind, eighths):
    whole = photo(3, kind=kind, side=48)
    body = whole[: len(whole) * eighths // 9]
    assert list(taken_in(JPEG, body).unreadable) == [1]


def test_frames_after_the_first_are_told_of():
    assert "1 picture has several frames" in taken_in(gif(), JPEG).notes[0]
    assert taken_in(JPEG, PNG).notes == ()


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
    def never(*_):
        raise AssertionError("decoded")

    body = bomb()
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", never)
    assert image_intake.look(body).fault.startswith("more than") or "px" in image_intake.look(body).fault


def test_a_missing_picture_is_a_missing_cell():
    done = taken_in(JPEG, None)
    assert not done.unreadable and done.table["x"].null_count == 1


def test_a_table_in_which_nothing_is_a_picture_is_refused(tmp_path):
    pq.write_table(pa.table({"x": [b"a", b"b"], "label": ["u", "v"]}), tmp_path / "d.parquet")
    with pytest.raises(InputError, match="no row can be read, the first because"):
        read(tmp_path / "d.parquet", image="x")


# -- getting out --


def test_an_exported_folder_is_read_back_as_it_was(tmp_path):
    data = read(write_folder(tmp_path / "in", "split")).dataset
    export_hf(Origin(data), tmp_path / "out")
    again = read(tmp_path / "out").dataset
    assert again.fingerprint == data.fingerprint


def test_datasets_loads_an_exported_folder_with_a_column_of_images(tmp_path):
    datasets = pytest.importorskip("datasets")
    data = read(write_folder(tmp_path / "in", "split")).dataset
    export_hf(Origin(data), tmp_path / "out")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert isinstance(loaded["train"].features["image"], datasets.Image)
    row, own = loaded["test"][0], data.where(data.splits == "test").table.to_pylist()[0]
    assert row["image"].size == (24, 24) and row["row_id"] == own["row_id"]
    shard = next((tmp_path / "out" / "data").glob("test-*.parquet"))
    bare = datasets.Dataset.from_parquet(str(shard), cache_dir=str(tmp_path / "cache"))
    assert isinstance(bare.features["image"], datasets.Image)


def test_croissant_gives_the_pictures_back(tmp_path):
    croissant = pytest.importorskip("mlcroissant")
    data = read(write_folder(tmp_path / "in", "split")).dataset
    export_hf(Origin(data), tmp_path / "out")
    found = croissant.Dataset(jsonld=tmp_path / "out" / "croissant.json")
    rows = list(found.records("rows"))
    assert len(rows) == data.n_rows and rows[0]["rows/image"].size == (24, 24)


def test_an_image_folder_is_read_back_with_the_same_pictures(tmp_path):
    data = read(write_folder(tmp_path / "in", "split")).dataset
    export_hf(Origin(data), tmp_path / "out", layout="imagefolder")
    again = read(tmp_path / "out").dataset
    own, other = ({r["row_id"]: (r["image"], r["label"], r["split"]) for r in d.table.to_pylist()}
                  for d in (data, again))  # fmt: skip
    assert own == other
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert isinstance(loaded["train"].features["image"], datasets.Image)
    assert loaded["train"].num_rows == (data.splits == "train").sum()


def test_an_image_folder_takes_odd_ids_and_refuses_rows_without_a_picture(tmp_path):
    data = make_pictures()
    with pytest.raises(RecipeError, match="row 'p-none' has no picture"):
        export_hf(Origin(data), tmp_path / "out", layout="imagefolder")
    assert not (tmp_path / "out").exists()
    rows = [r for r in data.table.drop_columns(["back"]).to_pylist() if r["image"]]
    for row, odd in zip(rows, ("../../up", "P05", "a/b", ".hid", "x" * 300), strict=False):
        row["row_id"] = odd
    odd = type(data).of(pa.Table.from_pylist(rows, schema=data.table.drop_columns(["back"]).schema),
                        data.roles, "image")  # fmt: skip
    export_hf(Origin(odd), tmp_path / "out", layout="imagefolder")
    assert read(tmp_path / "out").dataset.n_rows == odd.n_rows
    assert {p.name for p in tmp_path.iterdir()} == {"out"}


def test_png_of_an_array_is_that_array():
    grey = np.arange(35, dtype=np.uint8).reshape(5, 7)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(grey)))), grey)
