"""DiT: conformance, the zero initialisation, and that every block drops the same labels."""

from __future__ import annotations

import math

import msgspec
import pytest
import torch
from conformance import SPECS, Conformance, batch, conditions_for, draw, fresh_networks, seeded, stirred, train
from halving_codec import halving

from models_backend.contract.family import DataSpec
from models_backend.contract.fields import build, merged, plain
from models_backend.families.dit import Config, DiT, Sampling
from models_backend.networks import weights
from models_backend.networks.dit import ROWS
from models_backend.objectives import step_variance


def member(spec: DataSpec = SPECS["image"], config: dict | None = None, **changes) -> DiT:
    """The tiny preset with changes to its network, and to the rest of its config."""
    tiny = next(p for p in DiT.presets if p.name == "tiny")
    return DiT(build(Config, merged(merged(plain(Config()), tiny.config), {"network": changes, **(config or {})})), spec)


class TestDiT(Conformance):
    key, family = "dit", DiT


LEARNED = {"variance": "learned"}


class Learned(DiT):
    """DiT whose preset "tiny" learns the variance of its steps and samples with it."""

    presets = tuple(
        msgspec.structs.replace(
            p, config=p.config | LEARNED, sampling=p.sampling | {"sampler": {"type": "ddpm", "variance": "learned"}}
        )
        if p.name == "tiny"
        else p
        for p in DiT.presets
    )


class TestLearnedVariance(Conformance):
    key, family = "dit", Learned


@pytest.mark.parametrize("kind, changes", [(DiT, {}), (Learned, LEARNED)], ids=["fixed variance", "learned variance"])
def test_given_a_codec_it_works_on_latents_and_a_codec_of_other_items_is_named(kind, changes):
    classed = SPECS["image"]
    family = kind(member(classed, changes).config, classed)
    family.parts["codec"] = halving(classed)
    nets, (channels, *sides) = fresh_networks(family), classed.shape
    assert family.problems() == [] and family.noise_shape() == (4 * channels, *(side // 2 for side in sides))
    for loss in family.losses(nets, batch(DiT, classed)):
        assert torch.isfinite(loss.value)
    assert draw(family, stirred(nets)).shape[1:] == classed.shape
    family.parts["codec"] = halving(msgspec.structs.replace(classed, shape=(1, 16, 16)))
    (problem,) = family.problems()
    assert problem.startswith("codec: it was trained on pictures of 1x16x16")


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


# ------------------------------------------------------------------------------------------------ learned variance


def final_rows(net, variance: bool) -> torch.Tensor:
    """Which rows (p p 2C) of the last layer make the variance, or the prediction."""
    channels = net.transformer.out_channels
    return (torch.arange(net.transformer.proj_out_2.out_features) % channels >= channels // 2) == variance


def test_the_bound_teaches_the_variance_and_leaves_the_prediction_alone(monkeypatch):
    family, gradients = member(config=LEARNED), []
    for share in (0.001, 0.0):
        monkeypatch.setattr(step_variance, "SHARE", share)
        net = stirred(fresh_networks(family))["denoiser"]
        (loss,) = family.losses({"denoiser": net}, batch(DiT, SPECS["image"]))
        loss.value.backward()
        gradients.append(net.transformer.proj_out_2.weight.grad)
        assert float(loss.figures["vlb_bits"]) > 0
    prediction, variance = final_rows(net, False), final_rows(net, True)
    assert torch.allclose(gradients[0][prediction], gradients[1][prediction], rtol=1e-5) and gradients[0][prediction].any()
    assert gradients[0][variance].any(1).all() and not gradients[1][variance].any()


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction": "eps", "schedule": {"type": "linear"}, "weighting": {"type": "min_snr"}},
        {"prediction": "x0", "timesteps": {"type": "loss_aware"}},
        {"schedule": {"type": "sigmoid"}, "timesteps": {"type": "importance"}, "weighting": {"type": "min_snr"}},
        {"timesteps": {"type": "logit_normal"}},
    ],
)
def test_a_learned_variance_trains_with_every_choice(changes):
    family = member(config=LEARNED | changes)
    nets = fresh_networks(family)
    assert all(math.isfinite(v) for v in train(family, nets, 3))


def test_only_the_ancestral_sampler_hears_the_variance():
    family = member(config=LEARNED)
    nets, noise = stirred(fresh_networks(family)), torch.randn(2, 1, 8, 8, generator=seeded())

    def drawn(sampler):
        settings = build(Sampling, {"sampler": sampler, "steps": 4})
        with torch.no_grad():
            return family.sample(nets, noise, {}, settings, None, seeded(1))

    others = [{"type": kind} for kind in ("ddim", "dpmpp_2m", "euler", "heun", "unipc", "ddpm")]
    learned = {"type": "ddpm", "variance": "learned"}
    before = [drawn(sampler) for sampler in (*others, learned)]
    layer = nets["denoiser"].transformer.proj_out_2
    with torch.no_grad():
        layer.bias[final_rows(nets["denoiser"], True)] += 0.7
    after = [drawn(sampler) for sampler in (*others, learned)]
    assert all(torch.equal(a, b) for a, b in zip(before[:-1], after[:-1], strict=True))
    assert not torch.equal(before[-1], after[-1])


def test_guidance_moves_the_prediction_and_the_variance_is_that_of_the_class():
    family = member(config=LEARNED)
    nets, x = stirred(fresh_networks(family)), torch.randn(3, 1, 8, 8, generator=seeded())
    time, classes = torch.full((3,), 400.0), torch.tensor([0, 1, 2])
    with_it, without = (asked(nets["denoiser"], x, time, rows) for rows in (classes, torch.full((3,), 3)))
    with torch.no_grad():
        said, variance = family.spoken(nets, x, time, {"class": classes}, Sampling(guidance=3.0))
    assert torch.allclose(said, (without + 3 * (with_it - without))[:, :1], atol=1e-5)
    assert torch.allclose(variance, with_it[:, 1:], atol=1e-6) and not torch.allclose(variance, without[:, 1:], atol=1e-4)


def test_without_a_learned_variance_the_sampler_falls_back_to_the_posteriors():
    family = member()
    nets, noise = stirred(fresh_networks(family)), torch.randn(2, 1, 8, 8, generator=seeded())
    settings = [build(Sampling, {"sampler": {"type": "ddpm", "variance": v}, "steps": 4}) for v in ("learned", "small")]
    with torch.no_grad():
        one, other = (family.sample(nets, noise, {}, s, None, seeded(1)) for s in settings)
    assert torch.equal(one, other)


# ------------------------------------------------------------------------------------------------ bad input


def test_a_learned_schedule_has_no_steps_for_a_learned_variance():
    (problem,) = member(config=LEARNED | {"schedule": {"type": "learned"}}).problems()
    assert problem.startswith("variance:") and "take fixed" in problem


@pytest.mark.parametrize(
    ("spec", "changes", "words"),
    [
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


@pytest.mark.parametrize("variance", ["fixed", "learned"])
def test_weights_load_into_the_librarys_own_class(variance):
    from diffusers import DiTTransformer2DModel

    net = fresh_networks(member(config={"variance": variance}))["denoiser"].eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=seeded(1))
    again = DiTTransformer2DModel.from_config(net.transformer.config).eval()
    again.load_state_dict(weights.read_bytes(weights.to_bytes(weights.tensors_of(net.transformer)), "DiT"))
    x, time, classes = torch.randn(2, 1, 8, 8, generator=seeded()), torch.tensor([10.0, 700.0]), torch.tensor([0, 1])
    with torch.no_grad():
        made = again(x, time, classes, return_dict=False)[0]
    assert torch.equal(made, asked(net, x, time, classes)) and made.shape[1] == (2 if variance == "learned" else 1)
    assert conditions_for(DiT, SPECS["image"], 2)["class"].tolist() == [0, 0]
