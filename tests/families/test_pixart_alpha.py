"""PixArt-alpha: conformance, its start, and that word order is heard unless it is told to forget it."""

from __future__ import annotations

import frozen_folders
import msgspec
import torch
from conformance import SPECS, Conformance, fresh_networks, seeded, train

from models_backend.conditions import text
from models_backend.contract.fields import build, merged, plain
from models_backend.families.pixart_alpha import Config, PixArtAlpha

CAPTIONED = msgspec.structs.replace(SPECS["image"], captioned=True)


def member(**changes) -> PixArtAlpha:
    """The tiny preset on captions, with changes to its network."""
    tiny = next(p for p in PixArtAlpha.presets if p.name == "tiny")
    return PixArtAlpha(build(Config, merged(merged(plain(Config()), tiny.config), {"network": changes})), CAPTIONED)


class TestPixArtAlpha(Conformance):
    key, family = "pixart_alpha", PixArtAlpha


def said(net, captions):
    given = {"text": torch.from_numpy(text.tokens(captions))}
    x = torch.randn(len(captions), 1, 8, 8, generator=seeded())
    with torch.no_grad():
        return net(x[:1].expand_as(x), torch.full((len(x),), 400.0), given)


def shaken(family):
    net = fresh_networks(family)["denoiser"].eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=seeded(3))
    return net


def test_the_output_is_zero_and_no_word_is_heard_at_first():
    net = fresh_networks(member())["denoiser"].eval()
    assert torch.equal(said(net, ["red", "blue circle"]), torch.zeros(2, 1, 8, 8))
    with torch.no_grad():
        net.transformer.proj_out.weight.normal_(generator=seeded(1))
    one, other = said(net, ["red", "blue circle"])
    assert torch.allclose(one, other, atol=1e-6) and one.abs().sum() > 0


def test_word_order_is_heard():
    one, other = said(shaken(member()), ["a red circle left of a blue square", "a blue circle left of a red square"])
    assert not torch.allclose(one, other, atol=1e-4)


def test_the_words_of_a_frozen_text_encoder_are_heard(tmp_path):
    where, _ = frozen_folders.folder(tmp_path, "T5ForConditionalGeneration")
    config = merged(plain(member().config), {"text": {"type": "frozen", "folder": where}})
    net = shaken(PixArtAlpha(build(Config, config), CAPTIONED))
    one, other, alone = *said(net, ["a red circle left", "a left circle red"]), said(net, ["a red circle left"])[0]
    assert not torch.allclose(one, other, atol=1e-4) and torch.allclose(one, alone, atol=1e-5)


def test_the_pooled_baseline_attends_to_one_vector():
    net = shaken(member(pooled=True))
    seen = []
    net.transformer.register_forward_pre_hook(lambda module, given: seen.append(given[1].shape))
    said(net, ["red", "blue circle"])
    assert seen == [(2, 1, 16)]


def test_what_fills_up_is_not_attended_to():
    net = shaken(member())
    alone, beside = said(net, ["red", "red"])[0], said(net, ["red", "a much longer caption than the other"])[0]
    assert torch.allclose(alone, beside, atol=1e-5)


def test_one_modulation_serves_all_blocks():
    """adaLN-single: blocks have tables of their own, the network that hears the time is one."""
    net = fresh_networks(member())["denoiser"].transformer
    names = [name for name, _ in net.named_parameters()]
    assert sum("adaln_single.linear.weight" in name for name in names) == 1
    assert sum(name.endswith("scale_shift_table") and "blocks" in name for name in names) == 2


def test_captions_teach_every_parameter():
    family, seen = member(), {}
    train(family, fresh_networks(family), 4, seen)
    assert seen and [name for name, had in seen.items() if not had] == []
