"""How images are read, measured, repaired and shown."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_data import file_of, make_image, table, turned_by_exif, views
from PIL import Image, ImageFilter

from pipeline.hashing import image_cell
from pipeline.modalities import modality
from pipeline.modalities.image.decode import Unreadable, decode, look, size_px
from pipeline.modalities.image.options import ImageClean, ImageQuality
from pipeline.modalities.image.pixels import shrunk
from pipeline.modalities.image.repair import repair
from pipeline.modalities.image.rules import rules
from pipeline.signals.engine import Engine, Signals
from pipeline.stages.quality import Quality

IMAGES = modality("image")


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

    @pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
    def test_scales_deep_pixels_by_the_bits_that_they_fill(self, bits):
        ramp = np.linspace(0, 2**bits - 1 - 2**bits // 64, 256).round().astype(np.uint16).reshape(16, 16)
        for picture in (Image.fromarray(ramp), Image.fromarray(ramp.astype(np.float32))):
            out = decode(file_of(picture, "TIFF"))[..., 0]
            assert np.abs(out - ramp * (255 / (2**bits - 1))).max() <= 0.5

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

    @pytest.mark.parametrize(("side", "fits"), [(7_070, True), (7_080, False)])
    def test_reads_the_pictures_that_come_in_and_no_others(self, side, fits):
        body = file_of(Image.new("1", (side, side)), "PNG")
        assert (not IMAGES.intake(table(body), ("image",)).unreadable) == fits
        if fits:
            assert size_px(body) == (side, side)
        else:
            with pytest.raises(Unreadable, match="50 million"):
                size_px(body)

    def test_reads_a_jpeg_smaller_where_less_will_do(self):
        body = file_of(views(1, 512)[0])
        assert decode(body, least_px=60).shape == (64, 64, 3)
        assert decode(body, least_px=500).shape == (512, 512, 3)

    @pytest.mark.parametrize("kind", ["4:2:0", "4:4:4", "grey", "cmyk", "rgb", "exif", "turn", "png", "long"])
    def test_luma_is_the_same_with_and_without_colour(self, kind):
        view = views(1, 600)[0]
        picture = Image.fromarray(view)
        body = {
            "4:2:0": lambda: file_of(picture, subsampling=2),
            "4:4:4": lambda: file_of(picture, subsampling=0),
            "grey": lambda: file_of(picture.convert("L")),
            "cmyk": lambda: file_of(picture.convert("CMYK")),
            "rgb": lambda: file_of(picture, keep_rgb=True),
            "exif": lambda: _without_jfif(turned_by_exif(view, 1)),
            "turn": lambda: turned_by_exif(view[:400], 6),
            "png": lambda: file_of(picture, "PNG"),
            "long": lambda: file_of(picture.crop((0, 0, 600, 90))),
        }[kind]()
        whole, grey = look(body, 256, colour=True), look(body, 256, colour=False)
        assert np.array_equal(whole.luma, grey.luma) and whole.size_px == grey.size_px
        pixels = shrunk(decode(body, least_px=256), 256)
        assert whole.luma.shape == pixels.shape[:2] and grey.rgb.size == 0
        assert np.abs(whole.luma - np.asarray(Image.fromarray(pixels).convert("L"), float)).mean() < 1
        assert np.abs(whole.rgb.mean((0, 1)) - pixels.mean((0, 1))).max() < 2


def _without_jfif(body: bytes) -> bytes:
    """A JPEG as cameras write it: no APP0 segment."""
    assert body[2:4] == b"\xff\xe0"
    return body[:2] + body[4 + int.from_bytes(body[4:6], "big"):]


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


class TestRepair:
    def check(self, body: bytes, reason: str, **settings) -> Image.Image:
        options = ImageClean(**settings)
        fixed, reasons = repair(image_cell(body), options)
        assert any(reason in r for r in reasons), reasons
        assert fixed["sha256"] == hashlib.sha256(fixed["bytes"]).hexdigest()
        assert repair(fixed, options) == (fixed, [])  # once is enough
        assert np.abs(decode(fixed["bytes"]).astype(int) - decode(body)).mean() < 4
        return Image.open(io.BytesIO(fixed["bytes"]))

    def test_puts_the_orientation_into_the_pixels(self):
        assert self.check(turned_by_exif(views(1)[0]), "EXIF orientation 6").getexif().get(0x0112) is None

    def test_brings_odd_modes_to_rgb(self):
        picture = Image.fromarray(views(1)[0])
        assert self.check(file_of(picture.convert("CMYK")), "mode CMYK").mode == "RGB"
        assert self.check(file_of(picture.quantize(32), "PNG"), "palette").format == "PNG"
        deep = Image.fromarray(views(1)[0][..., 0].astype(np.uint16) * 257)
        assert self.check(file_of(deep, "PNG"), "16-bit grey to grey").mode == "L"
        assert self.check(file_of(picture.convert("1"), "PNG"), "black and white to grey").mode == "L"
        assert self.check(file_of(picture.convert("L").convert("F"), "TIFF"), "to grey").mode == "L"

    def test_of_deep_grey_say_how_many_bits_it_fills(self):
        deep = Image.fromarray(views(1)[0][..., 0].astype(np.uint16) * 16)
        fixed = self.check(file_of(deep, "PNG"), "16-bit grey that fills 12 bits to grey")
        assert np.abs(np.asarray(fixed) - views(1)[0][..., 0].astype(int)).max() <= 1

    def test_keep_what_is_transparent_or_say_that_they_do_not(self):
        pixels = np.dstack([views(1)[0], np.arange(64 * 64).reshape(64, 64) // 16]).astype(np.uint8)[:40]
        exif = Image.Exif()
        exif[0x0112] = 6
        body = file_of(Image.fromarray(pixels), "PNG", exif=exif.tobytes())
        turned = self.check(body, "EXIF orientation 6")
        assert np.array_equal(np.asarray(turned), np.rot90(pixels, 3))
        for mode in ("LA", "PA"):
            picture = Image.fromarray(pixels).convert(mode) if mode == "LA" else (
                Image.fromarray(pixels[..., :3]).quantize(16))
            options = {"transparency": 0} if mode == "PA" else {}
            self.check(file_of(picture, "PNG", **options), "to RGB, transparent parts on white")

    def test_strips_the_position_only_when_asked(self):
        exif = Image.Exif()
        exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0)}
        body = file_of(views(1)[0], exif=exif.tobytes())
        assert repair(image_cell(body), ImageClean()) == (image_cell(body), [])
        assert not self.check(body, "GPS position", strip_metadata=True).getexif()

    def test_leaves_good_and_unreadable_pictures_alone(self):
        for cell in (image_cell(file_of(views(1)[0])), image_cell(b"no picture"), None):
            assert repair(cell, ImageClean(strip_metadata=True)) == (cell, [])


def test_shows_a_picture_in_words_and_as_a_thumbnail():
    cells = {"image": image_cell(file_of(views(1, 200)[0][:100]))}
    assert IMAGES.show(cells).startswith("200 x 100 px, JPEG, ")
    small = Image.open(io.BytesIO(IMAGES.picture(cells, 64)))
    assert small.size == (64, 32) and small.format == "JPEG"
    assert IMAGES.show({"image": None}) == "no picture" and IMAGES.picture({"image": None}, 64) is None
    assert "unreadable" in IMAGES.show({"image": image_cell(b"no picture")})


def test_the_modality_takes_nothing_of_text_but_how_models_are_found():
    folder = Path(decode.__code__.co_filename).parent
    users = [f.name for f in folder.glob("*.py") if "modalities.text" in f.read_text("utf-8")]
    assert users == ["networks.py"] and len(list(folder.glob("*.py"))) > 20


def test_importing_the_modality_loads_nothing_heavy():
    code = ("import sys; from pipeline.modalities import modality; modality('image'); "
            "heavy = ('torch', 'cv2', 'PIL', 'albumentations', 'transformers'); "
            "print([m for m in heavy if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
