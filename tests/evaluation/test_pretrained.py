"""Features of pretrained models: tiny ones with random weights, written as the real ones lie in their folders."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from small_families import LinearSampling

from models_backend.contract.family import Condition, Family, LoadedRun
from models_backend.contract.messages import TroubleError
from models_backend.data.builtin import make
from models_backend.data.reading import open_data
from models_backend.evaluation import features as built_in
from models_backend.evaluation import likeness, pretrained
from models_backend.evaluation.evaluate import _of_features, evaluate

CPU = torch.device("cpu")
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A whole CLIP with a tokenizer that knows bytes."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    folder = tmp_path_factory.mktemp("clip")
    letters = list(bytes_to_unicode().values())
    words = letters + [f"{letter}</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[]).save_pretrained(folder)
    text = SMALL | {"vocab_size": 514, "max_position_embeddings": 40, "bos_token_id": 512, "eos_token_id": 513}
    torch.manual_seed(0)
    config = CLIPConfig(text_config=text, vision_config=SMALL | {"image_size": 16, "patch_size": 8}, projection_dim=8)
    CLIPModel(config).save_pretrained(folder)
    told = {"do_center_crop": True, "crop_size": {"height": 16, "width": 16}, "size": {"shortest_edge": 20}}
    (folder / "preprocessor_config.json").write_text(json.dumps(told | {"image_mean": MEAN, "image_std": STD}))
    return folder


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    """A ViT whose weights have no pooler, as those of DINO."""
    from transformers import ViTConfig, ViTModel

    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(1)
    ViTModel(ViTConfig(**SMALL, image_size=16, patch_size=8), add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes")
    return open_data(root, make(root, "scenes:size=16,count=400").id)


def noise(count, channels=3, side=16):
    return np.random.default_rng(0).uniform(-1, 1, (count, channels, side, side)).astype(np.float32)


class Speaks(Family):
    title = "Speaks"
    modalities = ("image",)
    conditions = (Condition("text"),)
    Sampling = LinearSampling


class Classes(Speaks):
    conditions = (Condition("class"),)


def loaded(data, family=Speaks) -> LoadedRun:
    return LoadedRun(family(None, data.spec), {}, msgspec.structs.asdict(LinearSampling()), data.spec, CPU)


# ------------------------------------------------------------------------------------------------ what a model sees


def test_clip_is_given_what_its_processor_would_give_it(clip):
    from transformers import CLIPModel

    x = noise(3)
    pixels = (torch.from_numpy(x) / 2 + 0.5 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    with torch.no_grad():
        wanted = CLIPModel.from_pretrained(clip).get_image_features(pixel_values=pixels).pooler_output.numpy()
    found = pretrained.opened(str(clip), CPU)
    assert found.name == "clip" and found.size == (16, 16)
    assert found(x) == pytest.approx(wanted, abs=1e-5)
    grey = noise(2, channels=1)
    assert found(grey) == pytest.approx(found(np.repeat(grey, 3, 1)), abs=1e-6)


def test_pictures_are_resized_whole_and_antialiased_as_pillow_does(vit):
    found, x = pretrained.opened(str(vit), CPU), noise(1, side=48)
    assert found.mean == found.std == (0.5,) * 3 and found.size == (16, 16), "nothing is told: the usual, and its own size"
    for picture, seen in zip(x[0], found._prepared(x)[0].numpy(), strict=True):
        wanted = np.asarray(Image.fromarray(picture).resize((16, 16), Image.Resampling.BICUBIC))
        assert seen == pytest.approx(wanted.clip(-1, 1), abs=1e-4)


def test_a_pooler_that_was_never_trained_is_passed_over_for_the_class_token(vit):
    from transformers import ViTModel

    x = noise(2)
    with torch.no_grad():
        wanted = ViTModel.from_pretrained(vit, add_pooling_layer=False)(torch.from_numpy(x)).last_hidden_state[:, 0].numpy()
    assert pretrained.opened(str(vit), CPU)(x) == pytest.approx(wanted, abs=1e-5)


def test_a_trained_pooler_and_a_projection_are_used(clip, tmp_path):
    from transformers import CLIPModel, CLIPVisionModelWithProjection, Dinov2Config, Dinov2Model

    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
    dino = Dinov2Model(Dinov2Config(**shape)).eval()
    dino.save_pretrained(tmp_path / "dino")
    x = noise(2)
    with torch.no_grad():
        wanted = dino(torch.from_numpy(x)).pooler_output.numpy()
    found = pretrained.opened(str(tmp_path / "dino"), CPU)
    assert found.name == "dinov2" and found(x) == pytest.approx(wanted, abs=1e-5)
    whole = CLIPModel.from_pretrained(clip)
    whole.config.vision_config.projection_dim = 8
    half = CLIPVisionModelWithProjection(whole.config.vision_config)
    half.load_state_dict({name: whole.state_dict()[name] for name in half.state_dict()})
    half.save_pretrained(tmp_path / "half")
    (tmp_path / "half" / "preprocessor_config.json").write_bytes((clip / "preprocessor_config.json").read_bytes())
    found = pretrained.opened(str(tmp_path / "half"), CPU)
    assert found.name == "clip" and found.say is None
    assert found(x) == pytest.approx(pretrained.opened(str(clip), CPU)(x), abs=1e-5)


def test_torchscript_takes_bytes_and_is_asked_for_its_features(tmp_path):
    class Means(torch.nn.Module):
        def forward(self, img, return_features: bool = False):
            means = img.to(torch.float64).mean((2, 3)) * float(img.dtype == torch.uint8)
            return means + img.shape[2] if return_features else means.softmax(1)

    torch.jit.script(Means()).save(str(tmp_path / "inception-tiny.pt"))
    flat = np.stack([np.full((3, 8, 8), level, np.float32) for level in (-1.0, 0.2, 1.0)])
    for path in (tmp_path, tmp_path / "inception-tiny.pt"):
        found = pretrained.opened(str(path), CPU)
        assert found.name == "inception" and found(flat)[:, 0].tolist() == [299, 299 + 153, 299 + 255]


# ------------------------------------------------------------------------------------------------ what is measured


def test_clip_score_and_feature_distance_are_those_of_the_angles():
    turn = np.array([0.0, np.pi / 4, np.pi / 2, np.pi])
    a, b = np.stack([np.cos(turn), np.sin(turn)], 1), np.array([[3.0, 0.0]] * 4)
    assert likeness.clip_score(a, b) == pytest.approx((100 + 100 / np.sqrt(2)) / 4), "what points away counts as nothing"
    assert likeness.feature_distance(a, b) == pytest.approx((0 + 1 - 1 / np.sqrt(2) + 1 + 2) / 4)


def test_captions_and_pictures_score_as_clip_itself_has_it(clip):
    from transformers import CLIPModel, CLIPTokenizer

    x, captions = noise(4), ["a red ring", "blue", "", "a very long caption " * 9]
    found = pretrained.opened(str(clip), CPU)
    rows = CLIPTokenizer.from_pretrained(clip)(captions, padding=True, truncation=True, max_length=40, return_tensors="pt")
    net = CLIPModel.from_pretrained(clip)
    with torch.no_grad():
        told = net(**rows, pixel_values=found._prepared(x)).logits_per_image.diagonal() / net.logit_scale.exp()
    assert likeness.clip_score(found(x), found.words(captions)) == pytest.approx(
        (100 * told.clamp(min=0)).mean().item(), abs=1e-3
    )


def test_a_maker_of_the_held_out_pictures_is_perfect_and_the_built_in_measures_stay(clip, scenes, monkeypatch):
    monkeypatch.setattr(built_in, "STEPS", 2)
    monkeypatch.setattr("models_backend.evaluation.evaluate.NEIGHBOURS", 10)
    whole = scenes.validation

    def draw(count, seed, sampling, trace=0, conditions=None):
        return whole.raw(range(whole.count)), None

    without, found = (evaluate(None, loaded(scenes), scenes, whole.count, 0, {}, draw, features=f) for f in ("", str(clip)))
    assert {name: found[name] for name in without} == without
    assert found["fd_clip"] == pytest.approx(0, abs=1e-6) and found["fd_floor_clip"] > 10 * found["fd_clip"]
    assert found["precision_clip"] == found["recall_clip"] == found["coverage_clip"] == 1
    assert {"kid_clip", "kid_floor_clip", "density_clip"} <= set(found)
    assert found["clip_score"] == pytest.approx(found["clip_score_real"], abs=1e-3), "each picture is that of its caption"


def test_variety_within_a_class_is_held_against_that_of_real_items(vit, tmp_path):
    data = open_data(tmp_path, make(tmp_path, "digits").id)
    x, labels, found = (
        data.validation.take(range(data.validation.count)),
        data.validation.labels,
        pretrained.opened(str(vit), CPU),
    )
    of = [x[labels == k] for k in range(10)]
    real = np.stack([of[i % 10][i // 10] for i in range(120)])
    lively, frozen = (_of_features(found, loaded(data, Classes), data, made, 0) for made in (real, real[np.arange(120) % 10]))
    assert lively["class_diversity_vit"] == pytest.approx(1, abs=0.1) and frozen["class_diversity_vit"] < 1e-6
    assert frozen["recall_vit"] < 0.5 * lively["recall_vit"]


# ------------------------------------------------------------------------------------------------ what cannot be used


def refused(data, path) -> str:
    def draw(*_):
        raise AssertionError("nothing is made")

    with pytest.raises(TroubleError) as caught:
        evaluate(None, loaded(data), data, 10, 0, {}, draw, features=str(path))
    assert caught.value.trouble.advice
    return str(caught.value)


def test_folders_that_hold_no_such_model_are_named_before_anything_is_made(scenes, vit, tmp_path):
    assert "no such folder" in refused(scenes, tmp_path / "nowhere")
    assert "no config.json" in refused(scenes, tmp_path)
    (tmp_path / "notes.pt").write_bytes(b"not a program")
    assert "no TorchScript file" in refused(scenes, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 8}))
    assert "does not take pictures" in refused(scenes, tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert "config.json" in refused(scenes, tmp_path)
    (tmp_path / "config.json").write_bytes((vit / "config.json").read_bytes())
    assert "weights cannot be read" in refused(scenes, tmp_path)
    weights = (vit / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    assert "weights cannot be read" in refused(scenes, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(weights)
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": "grey"}')
    assert "preprocessor_config.json" in refused(scenes, tmp_path)


def test_weights_that_lack_a_part_are_refused(scenes, vit, tmp_path):
    import safetensors.torch

    state = safetensors.torch.load_file(vit / "model.safetensors")
    gone = state.pop(next(name for name in state if "layer" in name))
    (tmp_path / "config.json").write_bytes((vit / "config.json").read_bytes())
    safetensors.torch.save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    assert gone.numel() and "lack 1 of its parts" in refused(scenes, tmp_path)


def test_points_have_no_features(vit, tmp_path):
    data = open_data(tmp_path, make(tmp_path, "points:density=moons,count=100").id)
    assert "makes points" in refused(data, vit)
