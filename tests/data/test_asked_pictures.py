"""Files that a model is asked to work on: read as they are, never changed, and named where they cannot be used."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

from models_backend.conditions.values import read_images
from models_backend.contract.family import DataSpec
from models_backend.contract.messages import TroubleError
from models_backend.data.asked_pictures import opened

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
