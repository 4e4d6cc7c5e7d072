"""Files that a model is asked to work on: read as they are, never changed, and named where they cannot be used."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from kinds_of_files import icc
from PIL import Image

from models_backend.conditions.values import read_images
from models_backend.contract.family import DataSpec
from models_backend.contract.messages import TroubleError
from models_backend.data.asked_pictures import given, opened

SPEC = DataSpec("image", (3, 8, 8), classes=("a", "b"))


def test_a_file_is_read_into_the_models_size_and_left_alone(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (32, 24), (255, 0, 0)).save(path)
    before = path.read_bytes()
    found = opened([str(path)] * 2, SPEC)
    assert found.shape == (2, 3, 8, 8) and found.dtype == np.float32
    assert (found[:, 0] == 1).all() and (found[:, 1:] == -1).all()
    assert path.read_bytes() == before
    assert opened(str(path), DataSpec("image", (1, 6, 8))).shape == (1, 1, 6, 8)


def test_what_cannot_be_used_is_named(tmp_path):
    good, bad, pipe = tmp_path / "good.png", tmp_path / "bad.png", tmp_path / "pipe.png"
    Image.new("RGB", (8, 8)).save(good)
    bad.write_bytes(good.read_bytes()[:40])
    os.mkfifo(pipe)
    for path in (bad, pipe, tmp_path, tmp_path / "none.png"):
        with pytest.raises(TroubleError) as caught:
            opened([str(good), str(path)], SPEC)
        assert str(path) in str(caught.value)


def test_arrays_and_nothing_stay_as_they_are():
    x = np.zeros((2, 3, 8, 8), np.float32)
    assert opened(x, SPEC) is x and opened(None, SPEC) is None and opened("", SPEC) is None
    assert torch.equal(read_images(x, SPEC), torch.from_numpy(x))
    assert read_images(None, SPEC).isnan().all() and read_images(None, SPEC).shape == (1, 3, 8, 8)
    with pytest.raises(TroubleError):
        read_images(np.zeros((2, 3, 4, 4)), SPEC)
    with pytest.raises(TroubleError):
        read_images({"not": "a picture"}, SPEC)


# --------------------------------------------------------------------------------------------------- masks

LEFT = np.zeros((32, 32), bool)
LEFT[:, :16] = True


def layer(colour, share):
    return Image.fromarray(np.dstack([np.broadcast_to(np.array(colour, np.uint8), (32, 32, 3)), share.astype(np.uint8)]))


def photograph():
    return np.random.default_rng(0).integers(40, 220, (32, 32, 3), np.uint8)


def both(black, white):
    return np.where(LEFT[..., None], white, black).astype(np.uint8)


HARDLY = np.where(LEFT | (np.arange(32)[:, None] < 28), 255, 0).astype(np.uint8)

#: ways to say that the left half is made anew
WAYS = {
    "grey": lambda: Image.fromarray(255 * LEFT.astype(np.uint8)),
    "one-bit": lambda: Image.fromarray(LEFT),
    "rgb": lambda: Image.fromarray(both((0, 0, 0), (255, 255, 255))),
    "labels of 0 and 1": lambda: Image.fromarray(LEFT.astype(np.uint8)),
    "16-bit": lambda: Image.fromarray(65535 * LEFT.astype(np.uint16)),
    "palette": lambda: Image.fromarray(both((0, 0, 0), (255, 255, 255))).quantize(2),
    "red on black": lambda: Image.fromarray(both((0, 0, 0), (128, 0, 0))),
    "white strokes on nothing": lambda: layer((255, 255, 255), 255 * LEFT),
    "black strokes on nothing": lambda: layer((0, 0, 0), 255 * LEFT),
    "red strokes on nothing": lambda: layer((230, 20, 20), 255 * LEFT),
    "white and black paint on nothing": lambda: Image.fromarray(np.dstack([both((0, 0, 0), (255, 255, 255)), HARDLY])),
    "opaque with an alpha channel": lambda: Image.fromarray(np.dstack([both((0, 0, 0), (255, 255, 255)), HARDLY | 255])),
    "erased from a photograph": lambda: Image.fromarray(np.dstack([photograph(), np.where(LEFT, 0, 255).astype(np.uint8)])),
    "grey with alpha": lambda: Image.merge("LA", [Image.new("L", (32, 32), 0), Image.fromarray(255 * LEFT.astype(np.uint8))]),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_mask_is_understood_in_whatever_way_it_was_made(tmp_path, way):
    path = tmp_path / "mask.png"
    WAYS[way]().save(path)
    found = opened(str(path), SPEC, mask=True)
    assert found.shape == (1, 3, 8, 8)
    assert (found[..., :4] > 0.98).all() and (found[..., 4:] < -0.98).all()


def test_soft_masks_stay_soft(tmp_path):
    ramp = np.linspace(0, 255, 32).astype(np.uint8)[None].repeat(32, 0)
    for name, image in (("grey", Image.fromarray(ramp)), ("strokes", layer((255, 0, 0), ramp))):
        image.save(tmp_path / f"{name}.png")
        found = opened(str(tmp_path / f"{name}.png"), SPEC, mask=True)
        assert np.allclose(found[0, 0, 4], np.linspace(-0.9, 0.9, 8), atol=0.05)


def test_a_mask_covers_its_picture_whatever_its_size_and_one_of_another_shape_is_refused(tmp_path):
    Image.new("RGB", (64, 32), (255, 0, 0)).save(tmp_path / "picture.png")
    wide = np.zeros((32, 64), np.uint8)
    wide[:, :32] = 255
    picture = str(tmp_path / "picture.png")
    for name, mask in (("same", wide), ("smaller", wide[::4, ::4]), ("larger", wide.repeat(3, 0).repeat(3, 1))):
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
        found = given({"image": picture, "mask": str(tmp_path / f"{name}.png"), "class": 1}, SPEC)
        assert found["class"] == 1 and (found["mask"][..., :4] > 0.9).all() and (found["mask"][..., 4:] < -0.9).all()
    Image.fromarray(255 * LEFT.astype(np.uint8)).save(tmp_path / "models.png")  # made for what the model sees
    assert (given({"image": picture, "mask": str(tmp_path / "models.png")}, SPEC)["mask"][..., :4] > 0.9).all()
    Image.fromarray(wide.T.copy()).save(tmp_path / "tall.png")
    with pytest.raises(TroubleError, match="32 × 64 pixels and its picture 64 × 32") as caught:
        given({"image": [picture] * 2, "mask": [str(tmp_path / "same.png"), str(tmp_path / "tall.png")]}, SPEC)
    assert "tall.png" in str(caught.value)
    assert given({"class": 1}, SPEC) == {"class": 1}
    assert given({"image": None, "mask": ""}, SPEC) == {
        "image": None,
        "mask": None,
    }


def test_pictures_that_are_asked_for_are_converted_as_imported_ones_are(tmp_path):
    Image.new("RGB", (32, 32), (200, 80, 60)).save(tmp_path / "wide.png", icc_profile=icc())
    found = (opened(str(tmp_path / "wide.png"), SPEC)[0, :, 4, 4] + 1) * 127.5
    assert abs(found - (230, 79, 56)).max() <= 4
