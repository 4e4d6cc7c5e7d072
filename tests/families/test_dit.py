"""DiT: conformance, the zero initialisation, and that every block drops the same labels."""

from __future__ import annotations

import pytest
import torch
from conformance import SPECS, Conformance, conditions_for, fresh_networks, seeded

from models_backend.contract.family import DataSpec
from models_backend.contract.fields import build, merged, plain
from models_backend.families.dit import Config, DiT
from models_backend.networks.dit import ROWS


def member(spec: DataSpec = SPECS["image"], **changes) -> DiT:
    """The tiny preset with changes to its network."""
    tiny = next(p for p in DiT.presets if p.name == "tiny")
    return DiT(build(Config, merged(merged(plain(Config()), tiny.config), {"network": changes})), spec)


class TestDiT(Conformance):
    key, family = "dit", DiT


def asked(net, x, time, classes):
    with torch.no_grad():
        return net(x, time, classes)


def test_the_output_is_exactly_zero_and_each_block_the_identity_at_first():
    net = fresh_networks(member())["denoiser"].eval()
    x, time = torch.randn(3, 1, 8, 8, generator=seeded()), torch.tensor([0.0, 500.0, 999.0])
    assert torch.equal(asked(net, x, time, torch.arange(3)), torch.zeros(3, 1, 8, 8))
    kept = {}
    for block in net.transformer.transformer_blocks:
        block.register_forward_hook(lambda module, given, made: kept.update(same=torch.equal(given[0], made)))
    asked(net, x, time, torch.arange(3))
    assert kept["same"]


def test_no_block_drops_labels_by_itself():
    """The library's own dropout would let each block hear another class."""
    net = fresh_networks(member())["denoiser"].train()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=seeded(1))
    x, time, classes = torch.randn(8, 1, 8, 8, generator=seeded()), torch.full((8,), 300.0), torch.zeros(8, dtype=torch.long)
    assert torch.equal(asked(net, x, time, classes), asked(net, x, time, classes))
    assert not torch.equal(asked(net, x, time, classes), asked(net, x, time, classes + 1))


def test_the_null_class_is_the_row_that_the_published_pipeline_takes():
    net = fresh_networks(member())["denoiser"].eval()
    seen = []
    net.transformer.register_forward_pre_hook(lambda module, given: seen.append(given[2].tolist()))
    asked(net, torch.zeros(3, 1, 8, 8), torch.zeros(3), torch.tensor([0, 2, 3]))
    assert seen == [[0, 2, ROWS]]


def test_sides_that_are_no_multiple_of_the_patch_are_padded_and_cropped():
    spec = DataSpec("image", (3, 10, 10), classes=("a", "b"))
    net = fresh_networks(member(spec, patch=4))["denoiser"].eval()
    assert asked(net, torch.zeros(2, 3, 10, 10), torch.zeros(2), torch.zeros(2, dtype=torch.long)).shape == (2, 3, 10, 10)


@pytest.mark.parametrize(
    ("spec", "changes", "words"),
    [
        (SPECS["image"], {"width": 48, "heads": 5}, "network.width"),
        (SPECS["image"], {"patch": 16}, "network.patch"),
        (DataSpec("image", (1, 8, 8)), {}, "one folder a class"),
        (DataSpec("image", (1, 8, 8), classes=("a",)), {}, "one class only"),
    ],
)
def test_what_does_not_fit_is_named(spec, changes, words):
    (problem,) = member(spec, **changes).problems()
    assert words in problem


def test_time_and_class_are_embedded_once_for_all_blocks():
    blocks = fresh_networks(member())["denoiser"].transformer.transformer_blocks
    assert len(blocks) > 1 and all(block.norm1.emb is blocks[0].norm1.emb for block in blocks)


def test_weights_load_into_the_librarys_own_class():
    from diffusers import DiTTransformer2DModel

    net = fresh_networks(member())["denoiser"].eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=seeded(1))
    again = DiTTransformer2DModel.from_config(net.transformer.config).eval()
    again.load_state_dict(weights.read_bytes(weights.to_bytes(weights.tensors_of(net.transformer)), "DiT"))
    x, time, classes = torch.randn(2, 1, 8, 8, generator=seeded()), torch.tensor([10.0, 700.0]), torch.tensor([0, 1])
    with torch.no_grad():
        assert torch.equal(again(x, time, classes, return_dict=False)[0], asked(net, x, time, classes))
    assert conditions_for(DiT, SPECS["image"], 2)["class"].tolist() == [0, 0]
