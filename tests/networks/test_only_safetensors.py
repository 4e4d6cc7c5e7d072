"""An index of somebody's model that names anything but safetensors beside it is refused before anything is loaded."""

import json
import pickle

import pytest
import torch

from models_backend.contract.messages import TroubleError
from models_backend.evaluation import pretrained
from models_backend.networks import frozen_text
from models_backend.networks.weights import refuse_other_files

NAMED = [
    "weights.bin",
    "model.pt",
    "x.safetensors.bin",
    "../x.safetensors",
    "/tmp/x.safetensors",
    "a/b.safetensors",
    "",
    "X.PT",
]


def folder_of(path, name, index="model.safetensors.index.json"):
    (path / "config.json").write_text(json.dumps({"model_type": "vit", "architectures": ["ViTModel"]}))
    (path / "weights.bin").write_bytes(pickle.dumps({"a": 1}))
    (path / index).write_text(json.dumps({"metadata": {}, "weight_map": {"a": "model-1.safetensors", "b": name}}))
    return path


@pytest.mark.parametrize("name", NAMED)
def test_neither_features_nor_text_encoders_load_it(tmp_path, monkeypatch, name):
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("torch.load was called"))
    folder = str(folder_of(tmp_path, name))
    for load in (lambda: pretrained.opened(folder, torch.device("cpu")), lambda: frozen_text._model(folder)):
        with pytest.raises(TroubleError, match="which is no safetensors file"):
            load()


@pytest.mark.parametrize("index", ["pytorch_model.bin.index.json", "model.safetensors.index.fp16.json"])
def test_indices_of_other_names(tmp_path, index):
    folder = folder_of(tmp_path, "weights.bin", index)
    if index.endswith(".index.json"):
        with pytest.raises(TroubleError):
            refuse_other_files(folder)


@pytest.mark.parametrize("text", ["[" * 100_000, "null", '{"weight_map": {"a": 1}}', "\udcff"])
def test_an_index_that_is_none(tmp_path, text):
    (tmp_path / "model.safetensors.index.json").write_text(text, errors="surrogateescape")
    with pytest.raises(TroubleError, match="cannot be read"):
        refuse_other_files(tmp_path)


def test_a_folder_as_it_should_be(tmp_path):
    refuse_other_files(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "m-1.safetensors"}}))
    refuse_other_files(tmp_path)
