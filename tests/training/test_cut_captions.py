"""A caption that is longer than is read never blocks a run: its beginning is learnt, and how many are cut is told."""

from types import SimpleNamespace

import frozen_folders
import numpy as np
import torch
from PIL import Image

from models_backend.conditions import text
from models_backend.contract.family import Condition
from models_backend.contract.settings import DataSettings
from models_backend.data.importing import import_paths
from models_backend.data.reading import open_data
from models_backend.networks.frozen_text import FrozenEncoder, FrozenText
from models_backend.training import given


def captioned(root, folder, captions):
    """The opened data of pictures with these captions, and a family that follows captions."""
    folder.mkdir(exist_ok=True)
    for i, caption in enumerate(captions):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (16, 16, 3), np.uint8)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(caption)
    data = open_data(root, import_paths(root, [folder])[0].id, DataSettings(resolution=16))
    return data, SimpleNamespace(conditions=(Condition("text"),), spec=data.spec)


def test_long_captions_are_cut_counted_and_given_to_the_model(library_root, tmp_path):
    data, family = captioned(
        library_root, tmp_path / "set", [f"picture {i} " + "very " * (68 * (i in (4, 7))) for i in range(12)]
    )
    assert data.train.cut + data.validation.cut == 2
    assert given.shortened(family, data, {}) == ["2 captions are cut to the 255 bytes that are read"]
    rows = given.Given(family, data.train).at(range(data.train.count), data.train.count, torch.device("cpu"))["text"]
    assert sum(text.text(row.numpy()).startswith(("picture 4 very", "picture 7 very")) for row in rows) == data.train.cut
    assert [item.caption for item in data.items if len(item.caption) > 255], "the data keep them whole"


def test_nothing_is_said_where_all_are_whole_or_the_model_reads_none(library_root, tmp_path):
    data, family = captioned(library_root, tmp_path / "set", ["short", "x" * 255])
    assert given.shortened(family, data, {}) == []
    data, family = captioned(library_root, tmp_path / "set", ["short", "x" * 256])
    assert given.shortened(family, data, {}) == ["1 caption is cut to the 255 bytes that are read"]
    assert given.shortened(SimpleNamespace(conditions=(Condition("class"),), spec=data.spec), data, {}) == []


def test_the_limit_of_a_frozen_encoder_is_told_too(library_root, tmp_path):
    data, family = captioned(library_root, tmp_path / "set", ["red", "red " * 30, "blue " * 5])
    where, _ = frozen_folders.folder(tmp_path / "encoder")
    nets = {"net": torch.nn.Sequential(FrozenEncoder(FrozenText(where)))}
    assert given.shortened(family, data, nets) == ["1 caption is cut to the 12 tokens of the text encoder that are read"]
