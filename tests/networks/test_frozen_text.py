"""Frozen text encoders: they say what the library's own model says, hold no weights, and know their folder again."""

from __future__ import annotations

from pathlib import Path

import frozen_folders
import pytest
import safetensors.torch
import torch

from models_backend.conditions import prompts, text
from models_backend.contract.messages import TroubleError
from models_backend.networks.frozen_text import FrozenEncoder, FrozenText, problems


def said(encoder, *captions, write=text.tokens):
    return encoder(torch.from_numpy(write(captions)))


@pytest.mark.parametrize("kind", frozen_folders.KINDS)
def test_it_says_what_the_librarys_own_model_says(tmp_path, kind):
    where, model = frozen_folders.folder(tmp_path, kind)
    asked = FrozenEncoder(FrozenText(where)).eval()
    tokens, real, mean = said(asked, "a red circle", "blue", "")
    begin = [2] if kind.startswith("CLIP") else []
    ids = torch.tensor([[*begin, 4, 6, 8, 3]])
    own = {"CLIPModel": "text_model", "T5ForConditionalGeneration": "encoder"}.get(kind)
    with torch.no_grad():
        expected = (getattr(model, own) if own else model)(input_ids=ids).last_hidden_state[0]
    assert torch.allclose(tokens[0], expected, atol=1e-5) and torch.allclose(mean[0], expected.mean(0), atol=1e-5)
    assert real.sum(1).tolist() == [len(begin) + 4, len(begin) + 2, len(begin) + 1] and not tokens[~real].any()
    assert torch.equal(said(asked, "blue")[0][0], tokens[1, : len(begin) + 2]), "alone and beside others the same"


def test_long_captions_are_cut_and_networks_that_need_it_are_filled(tmp_path):
    where, _ = frozen_folders.folder(tmp_path)
    tokens, real, _ = said(FrozenEncoder(FrozenText(where)), "red " * 40, "red")
    assert tokens.shape == (2, 12, 16) and real.sum(1).tolist() == [12, 3]
    tokens, real, _ = said(FrozenEncoder(FrozenText(where, length=9), True), "red", "blue")
    assert tokens.shape == (2, 9, 16) and real.sum(1).tolist() == [3, 3]


def test_a_checkpoint_keeps_no_weights_and_refuses_a_folder_that_has_changed(tmp_path):
    where, _ = frozen_folders.folder(tmp_path)
    encoder = FrozenEncoder(FrozenText(where))
    kept = safetensors.torch.load(safetensors.torch.save(encoder.state_dict()))
    assert list(kept) == ["identity"] and not list(encoder.parameters())
    FrozenEncoder(FrozenText(where)).load_state_dict(kept)
    frozen_folders.folder(tmp_path, seed=1)
    with pytest.raises(TroubleError, match="not the one that the run was trained with"):
        FrozenEncoder(FrozenText(where)).load_state_dict(kept)
    Path(where, "tokenizer.json").unlink()
    with pytest.raises(TroubleError, match=r"has no tokenizer\.json"):
        FrozenEncoder(FrozenText(where))


def test_a_folder_that_will_not_do_is_named_at_setup(tmp_path):
    where, _ = frozen_folders.folder(tmp_path)
    assert problems(FrozenText(where)) == [] and "no folder" in problems(FrozenText())[0]
    assert "has no config.json" in problems(FrozenText(str(tmp_path / "gone")))[0]
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert "no CLIP or T5" in problems(FrozenText(where))[0]


def test_weights_that_are_missing_or_damaged_are_told(tmp_path):
    where, _ = frozen_folders.folder(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file({k: v for k, v in tensors.items() if "fc1" not in k}, path, {"format": "pt"})
    with pytest.raises(TroubleError, match="lacks"):
        said(FrozenEncoder(FrozenText(where)), "red")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TroubleError, match="cannot be read"):
        said(FrozenEncoder(FrozenText(where)), "red")


def test_a_prompts_weights_reach_the_folders_tokens(tmp_path):
    where, _ = frozen_folders.folder(tmp_path, "T5EncoderModel")
    encoder = FrozenEncoder(FrozenText(where)).eval()
    plain = said(encoder, "a red circle", "blue")[0]
    heavy, real, _ = said(encoder, "a (red:2) circle", "blue", write=prompts.tokens)
    moved = heavy[0] - plain[0] * torch.tensor([1.0, 2.0, 1.0, 1.0])[:, None]
    assert torch.allclose(moved, moved[0, 0].expand_as(moved), atol=1e-5) and moved.abs().max() > 1e-4
    assert torch.allclose(heavy[0].mean(), plain[0].mean(), atol=1e-6)
    assert torch.equal(heavy[1], plain[1]) and not heavy[~real].any()
