"""What the image modality finds, repairs, compares, varies and shows."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from image_data import file_of, make_image, pixels_of, scene, turned_by_exif
from PIL import Image, ImageFilter

from pipeline.hashing import IMAGE, image_cell
from pipeline.modalities import modality
from pipeline.modalities.image.decode import Unreadable, decode
from pipeline.modalities.image.options import ImageAugment, ImageClean, ImageQuality
from pipeline.modalities.image.perturb import perturb_cells
from pipeline.modalities.image.repair import repair
from pipeline.modalities.image.rules import rules
from pipeline.signals.engine import Engine, Signals
from pipeline.stages.duplicates import Duplicates
from pipeline.stages.quality import Quality

IMAGES = modality("image")


def table(*files: bytes | None) -> pa.Table:
    return pa.table({"image": pa.array([None if f is None else image_cell(f) for f in files], IMAGE)})


def views(n: int, side: int = 64, seed: int = 7) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [scene(("meadow", "shore", "wall")[k % 3], rng, side) for k in range(n)]


class TestDecoding:
    @pytest.mark.parametrize("orientation", range(2, 9))
    def test_turns_pixels_as_exif_says(self, orientation):
        from PIL import ImageOps

        body = turned_by_exif(views(1)[0][:40], orientation)
        right = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(body))))
        assert np.array_equal(decode(body), right)

    def test_scales_sixteen_bits_instead_of_clipping_them(self):
        ramp = np.linspace(0, 65_535, 64).astype(np.uint16).reshape(8, 8)
        out = decode(file_of(Image.fromarray(ramp), "PNG"))
        assert out[0, 0, 0] == 0 and out[-1, -1, 0] == 255 and abs(int(out[4, 0, 0]) - 32 * 255 / 63) <= 1

    def test_lays_transparent_pixels_on_white(self):
        clear = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
        half = Image.new("LA", (4, 4), (0, 128))
        palette = Image.new("P", (4, 4), 0)
        assert (decode(file_of(clear, "PNG")) == 255).all()
        assert (np.abs(decode(file_of(half, "PNG")).astype(int) - 127) <= 1).all()
        assert (decode(file_of(palette, "GIF", transparency=0)) == 255).all()

    @pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB", "I", "F"])
    def test_gives_rgb_for_every_mode(self, mode):
        picture = Image.fromarray(views(1)[0]).convert("RGB")
        picture = picture.convert("L").convert(mode) if mode in "IF" else (
            picture.convert(mode) if mode != "LAB" else picture.convert("L"))
        out = decode(file_of(picture, "TIFF"))
        assert out.shape == (64, 64, 3) and out.dtype == np.uint8 and out.std() > 5

    def test_refuses_what_is_no_picture_in_one_line(self):
        whole = file_of(views(1)[0])
        for body in (b"", b"hello", whole[:300], b"\x89PNG\r\n\x1a\n" + b"\0" * 50, whole[:30]):
            with pytest.raises(Unreadable) as error:
                decode(body)
            assert "\n" not in str(error.value) and str(error.value)

    def test_refuses_a_bomb_before_it_decodes_it(self):
        body = file_of(Image.new("1", (9_000, 9_000)), "PNG")
        with pytest.raises(Unreadable, match="million"):
            decode(body)

    def test_reads_a_jpeg_smaller_where_less_will_do(self):
        body = file_of(views(1, 512)[0])
        assert decode(body, least_px=60).shape == (64, 64, 3)
        assert decode(body, least_px=500).shape == (512, 512, 3)


class TestMeasures:
    def test_do_not_depend_on_the_other_rows_or_their_number(self):
        files = [file_of(v) for v in views(6)]
        whole = IMAGES.measure(table(*files))
        for k, body in enumerate(files):
            assert whole.iloc[[k]].reset_index(drop=True).equals(IMAGES.measure(table(body)))

    def test_are_zero_without_a_picture_and_numbers_for_all(self):
        frame = IMAGES.measure(table(None, b"no picture", file_of(views(1)[0])))
        assert (frame.iloc[:2] == 0).all().all() and np.isfinite(frame.to_numpy()).all()
        assert len(IMAGES.measure(table())) == 0

    def test_of_sharpness_see_blur_and_not_contrast(self):
        view = views(3, 200)[2]
        pale = (128 + (view.astype(int) - 128) * 0.3).astype(np.uint8)
        blurred = Image.fromarray(view).filter(ImageFilter.GaussianBlur(3))
        sharp, low, smeared, flat = IMAGES.measure(
            table(*(file_of(p, "PNG") for p in (view, pale, blurred, np.full_like(view, 90)))))["sharpness"]
        assert abs(low / sharp - 1) < 0.1 and smeared < 1 < sharp and flat == 2

    def test_give_the_size_as_seen(self):
        frame = IMAGES.measure(table(turned_by_exif(views(1)[0][:40])))
        assert frame[["width_px", "height_px", "aspect_ratio"]].to_numpy().tolist() == [[40, 64, 1.6]]

    def test_every_fault_fires_its_own_rule_and_no_good_picture_fires_any(self):
        data = make_image()
        found = Quality().find(data, Signals(data, Engine()))
        issues = {}
        for row in found.rows():
            issues.setdefault(row["issue"], set()).add(row["row_id"])
        faults = {"null", "dark", "light", "blurry", "low_information", "odd_aspect_ratio", "odd_size",
                  "grayscale"}  # fmt: skip
        assert faults <= set(issues)
        good = {i for i in data.ids if i < "i064"}  # nothing was done to these
        assert not set().union(*(issues[f] for f in faults)) & good
        assert {row["action"] for row in found.rows() if row["issue"] == "null"} == {"drop"}


class TestRules:
    def frame(self, **columns) -> pd.DataFrame:
        usual = IMAGES.measure(table(file_of(views(1)[0])))
        return pd.concat([usual] * 20, ignore_index=True).assign(**columns)

    def bound(self, issue: str, frame: pd.DataFrame):
        return next((r for r in rules(ImageQuality(), frame) if r.issue == issue), None)

    def test_a_grey_picture_is_an_issue_only_where_most_have_colour(self):
        assert self.bound("grayscale", self.frame()) is not None
        half = self.frame(chroma_p99=[0.0, 0.5] * 10)
        assert self.bound("grayscale", half) is None

    def test_odd_size_follows_the_usual_size_and_its_spread(self):
        narrow = self.bound("odd_size", self.frame(side_px=[100.0] * 20))
        wide = self.bound("odd_size", self.frame(side_px=np.geomspace(20, 2_000, 20)))
        assert narrow.low == pytest.approx(40) and narrow.high == pytest.approx(250)
        assert wide.low < 20 and wide.high > 2_000
        assert self.bound("odd_size", self.frame().head(3)) is None  # too few to say what is usual

    def test_long_pictures_are_usual_among_long_pictures(self):
        assert self.bound("odd_aspect_ratio", self.frame(aspect_ratio=4.0)).high == 8
        assert self.bound("odd_aspect_ratio", self.frame()).high == 3


class TestCopies:
    def copies(self, view: np.ndarray) -> dict[str, bytes]:
        picture = Image.fromarray(view)
        side = picture.width
        cut = round(side * 0.05)
        return {
            "smaller": file_of(picture.resize((side // 2, side // 2), Image.Resampling.BICUBIC)),
            "re-encoded": file_of(picture, quality=60),
            "cropped": file_of(picture.crop((cut, 0, side, side - cut))),
            "brighter": file_of((view * 1.1).clip(0, 255).astype(np.uint8), "PNG"),
            "darker": file_of((view * 0.9).astype(np.uint8), "PNG"),
            "mirrored": file_of(view[:, ::-1]),
        }

    def test_of_every_kind_are_found_and_nothing_else(self):
        originals = views(12, 160)
        made = [(k, how, body) for k, view in enumerate(originals) for how, body in self.copies(view).items()]
        content = table(*(file_of(v) for v in originals), *(body for _, _, body in made))
        origin = [*range(12), *(k for k, _, _ in made)]
        pairs = IMAGES.pairs(content, 0.4, None)
        near = pairs.similarity >= IMAGES.near_copy
        found = set(zip(pairs.left[near].tolist(), pairs.right[near].tolist(), strict=True))
        missed = [how for j, (k, how, _) in enumerate(made, 12) if (k, j) not in found]
        assert len(missed) <= 2, missed
        assert all(origin[i] == origin[j] for i, j in found)
        assert pairs.similarity.min() >= 0.4 and pairs.similarity.max() <= 1

    def test_blank_and_missing_pictures_pair_with_nothing(self):
        blank = file_of(np.full((50, 50, 3), 9, np.uint8))
        assert len(IMAGES.pairs(table(blank, blank, None, None), 0.4, None).left) == 0
        assert len(IMAGES.pairs(table(), 0.4, None).left) == 0

    def test_many_equal_pictures_make_a_chain_and_held_out_ones_pair_with_train_only(self):
        body = file_of(views(1)[0])
        pairs = IMAGES.pairs(table(*[body] * 5), 0.4, np.array([False, True, True, True, False]))
        assert list(zip(pairs.left, pairs.right, strict=True)) == [(0, 1), (1, 2), (1, 3), (1, 4)]
        assert (pairs.similarity == 1).all()

    def test_identity_is_of_the_pixels_not_of_the_file(self):
        view = views(1)[0]
        same = IMAGES.identity(table(file_of(view, "PNG"), file_of(view, "BMP"), file_of(view[::-1], "PNG"),
                                     None, b"no picture"))  # fmt: skip
        assert same[0] == same[1] != same[2] and list(same[3:]) == ["", ""]
        turned = turned_by_exif(view, 3)
        upright = file_of(decode(turned), "PNG")
        assert len(set(IMAGES.identity(table(turned, upright)))) == 1

    def test_the_stage_names_each_copy(self):
        data = make_image()
        found = Duplicates().find(data, Signals(data, Engine()))
        counts = found.counts()
        assert counts["exact_duplicate"]["drop"] == 2 and counts["near_duplicate"]["drop"] == 1
        assert counts["leakage"]["drop"] == 1 and counts["conflicting_labels"]["flag"] == 2


class TestRepair:
    def check(self, body: bytes, reason: str, **settings) -> Image.Image:
        options = ImageClean(**settings)
        fixed, reasons = repair(image_cell(body), options)
        assert any(reason in r for r in reasons), reasons
        assert fixed["sha256"] == hashlib.sha256(fixed["bytes"]).hexdigest()
        assert repair(fixed, options) == (fixed, [])  # once is enough
        assert np.abs(pixels_of(fixed["bytes"]).astype(int) - decode(body)).mean() < 4
        return Image.open(io.BytesIO(fixed["bytes"]))

    def test_puts_the_orientation_into_the_pixels(self):
        assert self.check(turned_by_exif(views(1)[0]), "EXIF orientation 6").getexif().get(0x0112) is None

    def test_brings_odd_modes_to_rgb(self):
        picture = Image.fromarray(views(1)[0])
        assert self.check(file_of(picture.convert("CMYK")), "mode CMYK").mode == "RGB"
        assert self.check(file_of(picture.quantize(32), "PNG"), "palette").format == "PNG"
        deep = Image.fromarray(views(1)[0][..., 0].astype(np.uint16) * 257)
        self.check(file_of(deep, "PNG"), "16-bit grey")

    def test_strips_the_position_only_when_asked(self):
        exif = Image.Exif()
        exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0)}
        body = file_of(views(1)[0], exif=exif.tobytes())
        assert repair(image_cell(body), ImageClean()) == (image_cell(body), [])
        assert not self.check(body, "GPS position", strip_metadata=True).getexif()

    def test_leaves_good_and_unreadable_pictures_alone(self):
        for cell in (image_cell(file_of(views(1)[0])), image_cell(b"no picture"), None):
            assert repair(cell, ImageClean(strip_metadata=True)) == (cell, [])


class TestVariations:
    @pytest.mark.parametrize("operation", ImageAugment().operations)
    def test_of_each_kind_change_the_picture_and_say_how(self, operation):
        cells = {"image": image_cell(file_of(views(1)[0], "PNG"))}
        options = ImageAugment(operations=(operation,))
        one, how = perturb_cells(cells, 5, options)
        again, _ = perturb_cells(cells, 5, options)
        other, other_how = perturb_cells(cells, 6, options)
        assert one == again and "(seed 5)" in how
        assert operation == "flip" or (one != other and how.split(" (")[0] != other_how.split(" (")[0])
        assert one["image"]["sha256"] != cells["image"]["sha256"]
        assert pixels_of(one["image"]["bytes"]).shape == (64, 64, 3)

    def test_leave_grey_pictures_grey_and_missing_ones_missing(self):
        grey = {"image": image_cell(file_of(Image.fromarray(views(1)[0]).convert("L")))}
        for seed in range(6):
            child, _ = perturb_cells(grey, seed, ImageAugment(strength=2))
            assert Image.open(io.BytesIO(child["image"]["bytes"])).mode == "L"
        assert perturb_cells({"image": None}, 0, ImageAugment()) == ({"image": None}, "nothing to change")


class TestEmbeddings:
    content = table(*(file_of(v) for v in views(5)), None)

    def test_are_unit_vectors_that_company_does_not_change(self):
        content = self.content
        vectors = IMAGES.embed(content, {}, {})
        assert vectors.shape == (6, 1280) and vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors[:5], axis=1), 1, atol=1e-5) and not vectors[5].any()
        backwards = IMAGES.embed(content.take([4, 1]), {}, {})
        assert np.array_equal(backwards, vectors[[4, 1]])

    def test_hardly_depend_on_the_precision(self):
        content = self.content
        exact, fast = (IMAGES.embed(content, {}, {"precision": p})[:5] for p in ("fp32", "bf16"))
        assert (exact * fast).sum(axis=1).min() >= 0.999

    def test_come_from_a_folder_of_transformers_too(self, tmp_path):
        content = self.content
        from transformers import ConvNextConfig, ConvNextModel

        small = ConvNextConfig(hidden_sizes=[8, 8, 8, 16], depths=[1, 1, 1, 1], image_size=64)
        ConvNextModel(small).save_pretrained(tmp_path)
        assert IMAGES.embed(content, {}, {"encoder": str(tmp_path)}).shape == (6, 16)
        with pytest.raises(ValueError, match="no folder"):
            IMAGES.embed(content, {}, {"encoder": "./nowhere"})

    def test_weights_that_are_not_the_known_ones_are_refused(self, monkeypatch):
        from pipeline.modalities.image import networks

        monkeypatch.setattr(networks, "_WEIGHTS_SHA256", "0" * 64)
        with pytest.raises(ValueError, match="not the known file"):
            networks.efficientnet()


def test_views_are_fitted_on_train_only():
    content = table(*(file_of(v) for v in views(6)))
    is_train = np.array([True] * 4 + [False] * 2)
    one = IMAGES.views(content, is_train)["shape_colour"]
    two = IMAGES.views(content.slice(0, 5), is_train[:5])["shape_colour"]
    assert one.shape == (6, 640) and np.array_equal(one[:5], two)
    assert np.abs(one[is_train].mean(axis=0)).max() < 1e-5


def test_shows_a_picture_in_words_and_as_a_thumbnail():
    cells = {"image": image_cell(file_of(views(1, 200)[0][:100]))}
    assert IMAGES.show(cells).startswith("200 x 100 px, JPEG, ")
    small = Image.open(io.BytesIO(IMAGES.picture(cells, 64)))
    assert small.size == (64, 32) and small.format == "JPEG"
    assert IMAGES.show({"image": None}) == "no picture" and IMAGES.picture({"image": None}, 64) is None
    assert "unreadable" in IMAGES.show({"image": image_cell(b"no picture")})


def test_importing_the_modality_loads_nothing_heavy():
    code = ("import sys; from pipeline.modalities import modality; modality('image'); "
            "heavy = ('torch', 'cv2', 'PIL', 'albumentations', 'transformers'); "
            "print([m for m in heavy if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
