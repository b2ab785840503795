"""How images are compared, varied and brought into vectors."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from image_data import file_of, make_image, pixels_of, table, turned_by_exif, views
from PIL import Image

from pipeline.dataset import Dataset, Roles
from pipeline.hashing import IMAGE, image_cell
from pipeline.modalities import modality
from pipeline.modalities.image.options import ImageAugment
from pipeline.modalities.image.perturb import perturb_cells
from pipeline.signals.engine import Engine, Signals
from pipeline.stages.duplicates import Duplicates

IMAGES = modality("image")


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

    def coloured(self, view: np.ndarray, *order: int) -> bytes:
        """A vivid picture whose luma is that of the view and whose colours come in this order."""
        grey = view.mean(axis=2) * 0.4 + 80
        tint = np.array([80.0, -40.0, 0.0])[list(order)]
        tint -= tint @ [0.299, 0.587, 0.114]
        return file_of((grey[..., None] + tint).clip(0, 255).astype(np.uint8), "PNG")

    def near(self, *files: bytes) -> set[tuple[int, int]]:
        pairs = IMAGES.pairs(table(*files), 0.4, None)
        near = pairs.similarity >= IMAGES.near_copy
        return set(zip(pairs.left[near].tolist(), pairs.right[near].tolist(), strict=True))

    def test_of_other_colours_are_other_pictures(self):
        for view in views(6, 96):
            red, green = self.coloured(view, 0, 1, 2), self.coloured(view, 1, 0, 2)
            assert self.near(red, green) == set()
            faint = file_of(Image.fromarray(pixels_of(red)).convert("L"))
            assert self.near(red, faint) == {(0, 1)} == self.near(green, faint)
            again = file_of(pixels_of(green)[:, ::-1])
            assert self.near(red, green, again) == {(1, 2)}

    def test_with_a_thing_of_another_colour_are_other_pictures_and_in_another_light_the_same(self):
        view = (views(3, 96)[2].mean(axis=2, keepdims=True) * 0.4 + 90).repeat(3, axis=2)
        red, green = view.copy(), view.copy()
        red[30:60, 30:60] += np.array([70, -35, -3])
        green[30:60, 30:60] += np.array([-45, 25, -3])
        warm = red * np.array([1.08, 1.0, 0.93])
        assert self.near(*(file_of(p.clip(0, 255).astype(np.uint8), "PNG") for p in (red, green, warm))) == {
            (0, 2)}

    def test_are_surer_where_their_colours_agree(self):
        for view in views(4, 96):
            picture = Image.fromarray(view)
            pair = [picture, picture.crop((0, 4, 92, 96))]
            sure, less = (IMAGES.pairs(table(*(file_of(p.convert(mode), "PNG") for p in pair)), 0.2, None)
                          for mode in ("RGB", "L"))
            assert len(sure.left) == len(less.left) == 1 and less.similarity[0] < 0.99
            assert sure.similarity[0] > less.similarity[0] + 0.1 * (1 - less.similarity[0])

    def test_of_equal_grey_thumbnails_are_told_apart_by_their_colours(self):
        view = np.repeat(np.repeat(views(1, 16)[0][..., 1], 4, 0), 4, 1) // 2 + 40
        red, blue = (np.stack([view + r, view, view + b], -1) for r, b in ((80, 0), (0, 80 * 299 // 114)))
        files = [file_of(np.minimum(p, 255).astype(np.uint8), "PNG") for p in (red, blue)]
        files.append(file_of(Image.open(io.BytesIO(files[0])), "BMP"))
        assert self.near(*files) == {(0, 2)}

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
        plain, turned = file_of(view), turned_by_exif(view, 3)
        commented = file_of(view, comment="the same")
        assert commented != plain
        one, two, three = IMAGES.identity(table(plain, commented, turned))
        assert one == two != three

    @pytest.mark.parametrize("turn", range(3))
    def test_keep_the_largest_and_of_equal_sizes_the_least_compressed(self, turn):
        big, other = (Image.fromarray(view) for view in views(2, 128))
        best = file_of(big, quality=95)
        small = [file_of(big.resize((64, 64), Image.Resampling.BICUBIC), "PNG")] * 2
        files = [best, file_of(big, quality=50), *small, file_of(other)]
        files = files[turn:] + files[:turn]
        data = Dataset.of(
            pa.table({"row_id": list("abcde"), "image": pa.array([image_cell(f) for f in files], IMAGE)}),
            Roles(content=("image",)), "image")
        found = Duplicates().find(data, Signals(data, Engine())).rows()
        kept = {files["abcde".index(i)] for i in set("abcde") - {r["row_id"] for r in found}}
        assert kept == {best, file_of(other)} and len(found) == 3
        assert {files["abcde".index(r["related"][0])] for r in found} == {best}

    def test_the_stage_names_each_copy(self):
        data = make_image()
        found = Duplicates().find(data, Signals(data, Engine()))
        counts = found.counts()
        assert counts["exact_duplicate"]["drop"] == 2 and counts["near_duplicate"]["drop"] == 1
        assert counts["leakage"]["drop"] == 1 and counts["conflicting_labels"]["flag"] == 2


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
