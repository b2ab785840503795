import json

import numpy as np
import pytest
from tiny_images import COLOURS, picture_rows, pictures, save_tiny_network

from finetune.settings import Training
from finetune.train import fit, load
from pipeline.hashing import image_cell
from pipeline.ingest import InputError
from pipeline.signals.engine import Engine
from pipeline.stage import NotApplicable

KINDS = ("resnet", "vit", "mobilenet")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return {kind: save_tiny_network(folder / kind, kind) for kind in KINDS}


def settings(method, folder, **more):
    given = {"epochs": 2, "batch_rows": 16, "precision": "fp32", "layers": 1, **more}
    return Training(method=method, model=str(folder), **given)


def weights(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["partial", "full"])
def test_the_same_seed_gives_the_same_bytes_and_a_saved_model_says_the_same(method, kind, networks, tmp_path):
    data, training = pictures(picture_rows(36)), settings(method, networks[kind])
    seeds = ((7, "a"), (7, "b"), (8, "c"))
    one, two, other = (fit(data, training, Engine(), seed, tmp_path / name) for seed, name in seeds)
    read = [(m.folder / "model.safetensors").read_bytes() for m in (one, two, other)]
    assert read[0] == read[1] != read[2]
    said = one.predict(data, Engine())
    assert (load(one.folder).predict(data, Engine()) == said).all()
    np.testing.assert_allclose(said.sum(axis=1), 1.0)
    assert one.classes == tuple(COLOURS)
    assert json.loads((one.folder / "assay_dataset.json").read_text())["modality"] == "image"
    assert "max_tokens" not in one.describe() and one.describe().startswith(f"{method} of {kind} on 24 rows")


def test_a_network_learns_the_colours(networks, tmp_path):
    data = pictures(picture_rows(180))
    training = settings("full", networks["resnet"], epochs=6, learning_rate=0.01, batch_norm="learnt")
    model = fit(data, training, Engine(), 0, tmp_path / "m")
    held = data.where(data.splits == "test")
    said = np.array(model.classes)[model.predict(held, Engine()).argmax(axis=1)]
    assert (said == held.labels).mean() > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_partial_moves_the_last_blocks_only_and_no_batch_statistics(kind, networks, tmp_path):
    fit(pictures(picture_rows(36)), settings("partial", networks[kind]), Engine(), 0, tmp_path / "m")
    before, after = weights(networks[kind]), weights(tmp_path / "m")
    moved = {k for k, v in before.items() if v.shape != after[k].shape or not (after[k] == v).all()}
    last = {"resnet": "resnet.encoder.stages.2", "vit": "vit.encoder.layer.2",
            "mobilenet": "mobilenet_v2.layer.15"}  # fmt: skip
    after_it = ("vit.layernorm", "mobilenet_v2.conv_1x1", "classifier")
    assert any(k.startswith(last[kind]) for k in moved)
    assert all(k.startswith((last[kind], *after_it)) for k in moved)
    assert not [k for k in moved if "running" in k or "tracked" in k]


def test_kept_batch_statistics_stay_and_learnt_ones_move(networks, tmp_path):
    data, before = pictures(picture_rows(36)), weights(networks["resnet"])
    for how in ("kept", "learnt"):
        training = settings("full", networks["resnet"], batch_norm=how)
        fit(data, training, Engine(), 0, tmp_path / how)
        after = weights(tmp_path / how)
        moved = [k for k in before if "running" in k and not (before[k] == after[k]).all()]
        assert bool(moved) == (how == "learnt")
        assert not (before["resnet.embedder.embedder.normalization.weight"] == after[
            "resnet.embedder.embedder.normalization.weight"]).all()  # the affine part learns


@pytest.mark.parametrize("kind", KINDS)
def test_cached_and_plain_partial_training_end_at_the_same_weights(kind, networks, tmp_path, monkeypatch):
    from finetune.inputs.image import ImageReader

    made = []
    shortcut = ImageReader.shortcut

    def noted(*args):
        made.append(shortcut(*args))
        return made[-1]

    monkeypatch.setattr(ImageReader, "shortcut", noted)
    data, training = pictures(picture_rows(36)), settings("partial", networks[kind])
    fit(data, training, Engine(), 0, tmp_path / "cached")
    assert made[0] is not None
    monkeypatch.setattr("finetune.blocks.CACHE_BYTES", 0)
    fit(data, training, Engine(), 0, tmp_path / "plain")
    assert made[1] is None
    one, two = weights(tmp_path / "cached"), weights(tmp_path / "plain")
    for key in one:
        np.testing.assert_allclose(one[key], two[key], atol=1e-4)


def test_a_weight_of_two_is_the_row_twice(networks, tmp_path):
    rows = picture_rows(18)
    heavy = [{**r, "weight": 2.0 if i < 2 else 1.0} for i, r in enumerate(rows)]
    twice = [*rows, *({**r, "row_id": f"{r['row_id']}x", "parents": [r["row_id"]]} for r in rows[:2])]
    training = settings("full", networks["resnet"], batch_rows=64, epochs=3, learning_rate=1e-3)
    after = [weights(fit(pictures(r), training, Engine(), 0, tmp_path / n).folder)
             for n, r in (("a", heavy), ("b", twice), ("c", rows))]  # fmt: skip
    for key in after[0]:
        np.testing.assert_allclose(after[0][key], after[1][key], atol=2e-4)
    assert max(np.abs(after[0][k] - after[2][k]).max() for k in after[0]) > 1e-3


def test_transformers_itself_loads_the_folder_and_predicts_the_same(networks, tmp_path):
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    data = pictures(picture_rows(18))
    model = fit(data, settings("full", networks["vit"]), Engine(), 0, tmp_path / "m")
    network = AutoModelForImageClassification.from_pretrained(tmp_path / "m").eval()
    assert network.config.id2label == dict(enumerate(COLOURS))
    processor = AutoImageProcessor.from_pretrained(tmp_path / "m")
    import io

    import torch

    files = [Image.open(io.BytesIO(c["bytes"])).convert("RGB") for c in data.content["image"].to_pylist()]
    with torch.no_grad():
        theirs = torch.softmax(network(**processor(files, return_tensors="pt")).logits, dim=-1).numpy()
    np.testing.assert_allclose(theirs, model.predict(data, Engine()), atol=1e-5)


def test_augmentation_varies_the_train_pictures_and_repeats_with_the_seed(networks, tmp_path):
    data = pictures(picture_rows(18))
    for how in ("flip", "crop"):
        training = settings("partial", networks["resnet"], augmentation=how)
        still = settings("partial", networks["resnet"])
        one, two, plain = (weights(fit(data, given, Engine(), 3, tmp_path / f"{how}{n}").folder)
                           for n, given in (("a", training), ("b", training), ("c", still)))  # fmt: skip
        assert all((one[k] == two[k]).all() for k in one)
        assert any((one[k] != plain[k]).any() for k in one)


def test_pictures_are_kept_within_the_room_there_is(networks, monkeypatch):
    from finetune.inputs.image import INPUTS

    data = pictures(picture_rows(18))
    training = settings("full", networks["resnet"])
    reader = INPUTS.open_model(training, list(COLOURS), data)[1]
    items = reader.rows(data)
    first = reader.collate(items)["pixel_values"]
    assert len(reader.pictures.kept) == len({c["sha256"] for c in data.content["image"].to_pylist()})
    monkeypatch.setattr("finetune.pictures.KEPT_BYTES", 3 * 32 * 32 * 3)
    small = INPUTS.open_model(training, list(COLOURS), data)[1]
    assert (small.collate(items)["pixel_values"] == first).all()
    assert len(small.pictures.kept) == 3


def test_odd_pictures_are_read_or_named_in_one_line(networks, tmp_path):
    import io

    from PIL import Image

    def encoded(mode, size, kind):
        file = io.BytesIO()
        Image.new(mode, size).save(file, kind)
        return image_cell(file.getvalue())

    rows = picture_rows(18)
    odd = [encoded("L", (7, 90), "PNG"), encoded("CMYK", (33, 20), "JPEG"),
           encoded("RGBA", (50, 50), "PNG"), encoded("P", (20, 20), "GIF"),
           encoded("I;16", (20, 20), "PNG"), encoded("RGB", (1, 1), "JPEG")]  # fmt: skip
    data = pictures([{**r, "image": odd[i]} if i < len(odd) else r for i, r in enumerate(rows)])
    model = fit(data, settings("full", networks["resnet"], epochs=1), Engine(), 0, tmp_path / "m")
    assert np.isfinite(model.predict(data, Engine())).all()
    whole = rows[0]["image"]["bytes"]
    for cell in (None, image_cell(b""), image_cell(whole[: len(whole) // 2]), image_cell(b"no picture")):
        bad = pictures([{**rows[0], "image": cell}, *rows[1:]])
        with pytest.raises(InputError, match="row 'p000' has no picture to read") as caught:
            fit(bad, settings("full", networks["resnet"], epochs=1), Engine(), 0, tmp_path / "bad")
        assert "\n" not in str(caught.value)


def test_models_that_are_none_are_named(networks, tmp_path):
    data = pictures(picture_rows(18))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no config\.json"):
        fit(data, settings("full", tmp_path / "empty"), Engine(), 0, tmp_path / "m")
    with pytest.raises(ValueError, match="cannot be loaded for images"):
        fit(data, Training(method="full", model="minilm"), Engine(), 0, tmp_path / "m")
    with pytest.raises(NotApplicable, match="for tables, this dataset is image"):
        fit(data, Training(method="boosting"), Engine(), 0, tmp_path / "m")


def test_efficientnet_trains_from_its_package_and_opens_without_it(tmp_path, monkeypatch):
    data = pictures(picture_rows(18))
    training = Training(method="partial", layers=1, epochs=2, precision="fp32")
    model = fit(data, training, Engine(), 0, tmp_path / "m")
    assert model.about["model"] == "efficientnet-lite0"
    assert {p.suffix for p in (tmp_path / "m").iterdir()} == {".json", ".safetensors"}
    said = model.predict(data, Engine())

    def unpickled(*_, **__):
        raise AssertionError("a saved model must not be unpickled")

    monkeypatch.setattr("torch.load", unpickled)
    assert (load(tmp_path / "m").predict(data, Engine()) == said).all()
