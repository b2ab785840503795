"""Pictures in the report: small JPEGs and nothing else, each once, within the limit, gone when redacted."""

import base64
import io
import json
import random
import re

import numpy as np
import pyarrow as pa
import pytest
from report_data import full_record
from report_page import Page

from pipeline.apply import apply, make_children
from pipeline.dataset import Dataset, Roles
from pipeline.findings import Edit, Findings
from pipeline.hashing import IMAGE, image_cell
from pipeline.report import dataset_record, write
from pipeline.report.page import LEVELS, MOST_BYTES, render
from pipeline.report.pictures import SIDE_PX, Pictures, plain_jpeg

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("cv2")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.PWN=1"><script>window.PWN=1</script></svg>'


def jpeg(seed=0, size=(48, 32), noisy=False, **more):
    draw = np.random.default_rng(seed)
    if noisy:
        pixels = draw.integers(0, 255, (size[1], size[0], 3), np.uint8)
    else:
        pixels = np.full((size[1], size[0], 3), draw.integers(0, 255, 3), np.uint8)
        pixels[: size[1] // 2] //= 2
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", **more)
    return out.getvalue()


def pictures(n=16, **more):
    cells = [image_cell(jpeg(i, (48, 12 if i == 3 else 32), **more)) for i in range(n)]
    rows = {"row_id": [f"p{i:04d}" for i in range(n)], "image": pa.array(cells, IMAGE),
            "label": ["ab"[i % 2] for i in range(n)],
            "split": ["test" if i % 4 == 3 else "train" for i in range(n)]}  # fmt: skip
    return Dataset.of(pa.table(rows), Roles(content=("image",), label="label"), "image")


def found_in(raw):
    """Something of every kind: a repair, copies, a leak, wrong labels, outliers, odd sizes, children."""
    ids = [str(i) for i in raw.ids if raw.splits[raw.position[i]] == "train"]
    held_out = str(raw.ids[raw.splits == "test"][0])
    old = raw.table["image"].to_pylist()[raw.position[ids[0]]]
    steps = [
        ("clean", Findings.of("clean", [Edit(ids[0], "malformed", 0.0, "set", "turned", "image", old,
                                             image_cell(jpeg(99)))])),
        ("quality", Findings.of("quality", [Edit(held_out, "odd_aspect_ratio", 0.1, "flag", "4 to 1"),
                                            *(Edit(i, "dark", 0.1, "flag", "dark") for i in ids[1:])])),
        ("duplicates", Findings.of("duplicates", [
            Edit(ids[1], "near_duplicate", 0.1, "drop", "a copy", related=[ids[2]]),
            Edit(ids[3], "leakage", 0.1, "drop", "in test", related=[held_out])])),
        ("label_noise", Findings.of("label_noise", [Edit(i, "label", 0.1, "flag", "wrong") for i in ids[4:]],
                                    metrics={"suggested": {ids[4]: "b"}})),
        ("anomalies", Findings.of(
            "anomalies", [Edit(ids[5], "outlier", 0.1, "flag", "far", related=ids[6:8])],
            [("outlier", ids, [0.5] * len(ids))])),
    ]  # fmt: skip
    data = raw
    for stage, findings in steps:
        data = apply(data, findings, "all" if stage == "clean" else "train")
    child = make_children(data, [{"parents": [ids[2]], "image": image_cell(jpeg(77))}], "augment", "{}")
    made = Findings.of("augment", [Edit(child["row_id"][0].as_py(), "augmented", 1.0, "add", "flipped",
                                        related=[ids[2]])], added=child)  # fmt: skip
    return apply(data, made), [*steps, ("augment", made)]


def record_of(raw):
    curated, steps = found_in(raw)
    quarantine = [{"file": "broken.png", "line": 1, "reason": "not a picture", "raw": ""}]
    return {"title": "Photos", "steps": [], "quarantine": quarantine,
            "dataset": dataset_record(raw, curated, steps)}  # fmt: skip


@pytest.fixture(scope="module")
def record():
    return record_of(pictures())


def sources_of(html):
    return [a["src"] for tag, a in Page(html).elements if tag == "img"]


def test_every_picture_is_a_small_jpeg_inside_the_page(record):
    for source in (found := sources_of(render(record))):
        kind, _, body = source.partition(",")
        assert kind == "data:image/jpeg;base64"
        assert max(Image.open(io.BytesIO(base64.b64decode(body))).size) <= SIDE_PX
    assert len(set(found)) >= 14  # the train rows, one held-out one, the repaired one, the child
    assert all(a["alt"] and a["width"] for tag, a in Page(render(record)).elements if tag == "img")


def test_every_section_that_names_rows_shows_them(record):
    html = render(record)
    for section in ("issues", "label-issues", "duplicates", "outliers", "made"):
        part = re.search(rf'<section id="{section}">.*?</section>', html, re.DOTALL)[0]
        assert "<img " in part, section
    assert "broken.png" in Page(html).words and "not a picture" in Page(html).words


def test_a_repaired_picture_stands_beside_what_it_was(record):
    example = next(i for i in record["dataset"]["issues"] if i["issue"] == "malformed")["examples"][0]
    assert example["picture_after"] and example["picture"] != example["picture_after"]
    assert "base64" not in json.dumps(example) and "px" in example["before"]


def test_the_twin_holds_each_picture_once(record, tmp_path):
    write(record, tmp_path)
    text = (tmp_path / "report.json").read_text()
    kept = json.loads(text)["dataset"]["pictures"]["by_key"]
    assert kept and all(text.count(entry["jpeg"]) == 1 for entry in kept.values())
    assert all(plain_jpeg(base64.b64decode(entry["jpeg"])) for entry in kept.values())  # masking spared them


def test_a_redacted_report_holds_no_picture(record, tmp_path):
    html = write(record, tmp_path, redact=True).read_text("utf-8")
    assert "<img" not in html and "data:image" not in html
    assert "jpeg" not in (tmp_path / "report.json").read_text().lower()


def test_sizes_and_measures_are_drawn_and_text_is_not(record):
    html = render(record)
    words = Page(html).words
    assert record["dataset"]["sizes"]["odd"] == 1 and "1 row has an odd size or shape" in words
    assert "sharpness" in words and 'id="measures"' in html
    for other in ("lengths", "turns", "table"):
        assert f'id="{other}"' not in html
    assert "Tokens, and what is cut" not in words


def test_text_has_no_pictures_and_no_sizes():
    html = render(full_record())
    assert "<img" not in html and 'id="measures"' not in html and "Pictures are redrawn" not in html


def test_thousands_of_noisy_pictures_stay_within_the_limit(tmp_path):
    raw = pictures(1200, noisy=True)
    ids = [str(i) for i in raw.ids if raw.splits[raw.position[i]] == "train"]
    steps = [("quality", Findings.of("quality", [
        Edit(i, f"odd_{k}", 0.1, "flag", "odd") for k in range(40) for i in ids[20 * k : 20 * k + 30]]))]
    record = {"title": "t", "steps": [], "dataset": dataset_record(raw, raw, steps)}
    html = write(record, tmp_path).read_text("utf-8")
    assert 0 < len(html.encode()) <= MOST_BYTES and len(sources_of(html)) > 50
    assert f"shows at most {LEVELS[0].tiles} rows" in Page(html).words
    assert (tmp_path / "report.json").stat().st_size < 2 * MOST_BYTES


def test_the_same_rows_in_another_order_give_the_same_page():
    raw = pictures()
    order = list(range(raw.n_rows))
    random.Random(1).shuffle(order)
    again = Dataset.of(raw.table.take(pa.array(order)), raw.roles, raw.modality)
    assert render(record_of(raw)) == render(record_of(again))


# -- what is not a plain JPEG -------------------------------------------------------------------------------


def with_exif():
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    return jpeg(exif=exif)


HOSTILE = {
    "svg": SVG, "html": b"<html><script>window.PWN=1</script></html>", "empty": b"",
    "a page behind the end": jpeg() + SVG, "a page inside": jpeg()[:2] + SVG + jpeg()[2:],
    "metadata": with_exif(), "a comment": jpeg(comment=b"<script>window.PWN=1</script>"),
    "the first bytes alone": b"\xff\xd8\xff\xe0" + SVG + b"\xff\xd9", "a cut file": jpeg()[:-20],
    "gif": b"GIF89a/*" + SVG, "without a frame": b"\xff\xd8\xff\xd9",
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_bytes_that_are_not_a_plain_jpeg_are_left_out(what):
    drawn = Pictures(lambda cells, side_px: HOSTILE[what])
    assert drawn.of({}) is None and drawn.left_out == 1 and not drawn.kept
    entry = {"jpeg": base64.b64encode(HOSTILE[what]).decode(), "size_px": [1, 1]}
    record = {"title": "t", "steps": [], "dataset": {"pictures": {"side_px": 128, "left_out": 0,
                                                                  "by_key": {"k": entry}}}}  # fmt: skip
    assert entry["jpeg"] not in render(record) or not entry["jpeg"]


@pytest.mark.parametrize("made", [{}, {"progressive": True}, {"optimize": True}, {"quality": 95}])
def test_plain_jpegs_of_every_make_are_taken(made):
    assert plain_jpeg(jpeg(noisy=True, **made)) == (48, 32)
    grey = io.BytesIO()
    Image.open(io.BytesIO(jpeg())).convert("L").save(grey, "JPEG", **made)
    assert plain_jpeg(grey.getvalue()) == (48, 32)


def test_a_picture_that_is_no_text_or_no_base64_is_left_out():
    for jpeg_text in (None, 3, "<svg onload=window.PWN=1>", '"><script>'):
        by_key = {"k": {"jpeg": jpeg_text, "size_px": [1, 1]}}
        record = {"title": "t", "steps": [], "dataset": {"pictures": {"side_px": 1, "left_out": 0,
                                                                      "by_key": by_key}}}  # fmt: skip
        assert "PWN" not in render(record) and "<img" not in render(record)


def test_a_file_that_holds_a_page_reaches_the_report_only_as_pixels():
    body = with_exif()
    rows = {"row_id": ["a", "b"], "image": pa.array([image_cell(body), image_cell(SVG)], IMAGE)}
    raw = Dataset.of(pa.table(rows), Roles(content=("image",)), "image")
    step = ("quality", Findings.of("quality", [Edit(i, "dark", 0.1, "flag", "dark") for i in "ab"]))
    html = render({"title": "t", "steps": [], "dataset": dataset_record(raw, raw, [step])})
    assert len(sources_of(html)) == 1 and base64.b64encode(body).decode() not in html
    assert "PWN" not in html and "taken at home" not in html
