"""Stable Diffusion: conformance, and everything that happens in latents, on a codec that is known exactly."""

from __future__ import annotations

import msgspec
import pytest
import torch
from conformance import SPECS, Conformance, batch, conditions_for, draw, fresh_networks, seeded, stirred
from halving_codec import halving

from models_backend.contract.family import DataSpec
from models_backend.contract.fields import build, merged, plain
from models_backend.families.stable_diffusion import Config, Sampling, StableDiffusion

PICTURES = DataSpec("image", (1, 16, 16), classes=("a", "b", "c"), captioned=True)


def member(codec=True, spec: DataSpec = PICTURES) -> StableDiffusion:
    """The tiny preset, with a codec."""
    tiny = next(p for p in StableDiffusion.presets if p.name == "tiny")
    parts = {"codec": halving(spec)} if codec else {}
    return StableDiffusion(build(Config, merged(plain(Config()), tiny.config)), spec, parts)


class TestStableDiffusion(Conformance):
    key, family = "stable_diffusion", StableDiffusion


def test_noise_and_network_have_the_shape_of_the_latents():
    family = member()
    assert family.noise_shape() == (4, 8, 8) and family.inner.classes == PICTURES.classes
    net = fresh_networks(family)["denoiser"].net.unet
    assert net.config.in_channels == 4 and net.config.sample_size == 8
    assert member(codec=False).noise_shape() == (1, 16, 16)


def test_training_items_are_encoded_once_and_stay_row_by_row():
    family = member()
    x = torch.rand(5, 1, 16, 16, generator=seeded()) * 2 - 1
    made = family.derive({}, x, seeded())
    assert list(made) == ["x"] and torch.allclose(family.out(made["x"]), x)
    assert member(codec=False).derive({}, x, seeded()) is None


def test_latents_train_as_they_are_and_held_out_pictures_are_encoded():
    family = member()
    nets, made = fresh_networks(family), batch(StableDiffusion, PICTURES)
    passes = family.codec.nets["passes"]
    next(iter(family.losses(nets, made)))
    assert passes == ["in"]
    made.x = family.into(made.x)
    passes.clear()
    next(iter(family.losses(nets, made)))
    assert passes == []


def test_samples_are_pictures_and_steps_are_decoded_only_when_looked_at():
    family = member()
    nets, told = stirred(fresh_networks(family)), []
    items = draw(family, nets, on_step=told.append)
    assert items.shape == (4, 1, 16, 16) and items.abs().max() <= 1
    assert family.codec.nets["passes"] == ["out"], "the items alone"
    assert set(told[0].channels) <= {"x", "x0"} and told[0].state.shape == (4, 4, 8, 8)
    assert torch.equal(told[-1].channels["x"], items)


def test_a_branch_goes_on_from_the_latent_state():
    family = member()
    nets, told = stirred(fresh_networks(family)), []
    items = draw(family, nets, on_step=told.append)
    again = draw(family, nets, noise=told[-2].state.clone(), start=told[-2].time)
    assert torch.allclose(again, items, atol=1e-4)


def test_latents_are_never_clipped():
    """Latents reach beyond [-1, 1]: a perfect network of latents N(3, .1^2) must be heard."""
    family = member(codec=True, spec=msgspec.structs.replace(PICTURES, captioned=False))

    class Three(torch.nn.Module):
        def forward(self, x, told, given):
            log_snr = family.schedule({}).log_snr(told / 1000).view(-1, 1, 1, 1)
            alpha, sigma = log_snr.sigmoid().sqrt(), (-log_snr).sigmoid().sqrt()
            return (alpha * x - 3.0) / sigma.clamp(min=1e-3)

    seen = []
    noise = torch.randn(2, 4, 8, 8, generator=seeded())
    with torch.no_grad():
        family.sample({"denoiser": Three()}, noise, {}, Sampling(steps=20), seen.append, None)
    assert float(seen[-1].state.mean()) == pytest.approx(3.0, abs=0.02)


def test_a_codec_of_other_pictures_is_named():
    family = member(codec=False)
    family.parts["codec"] = halving(DataSpec("image", (3, 32, 32)))
    (problem,) = family.problems()
    assert problem.startswith("codec") and "3x32x32" in problem and "1x16x16" in problem


def test_encoded_pictures_come_back_nearly():
    """There and back through the ODE of a network that says nothing: the latents scaled, the picture's order kept."""
    family = member()
    nets = fresh_networks(family)
    x = torch.rand(3, 1, 16, 16, generator=seeded()) * 2 - 1
    with torch.no_grad():
        z = family.encode({k: n.eval() for k, n in nets.items()}, x)
        back = family.decode(nets, z, Sampling(steps=10))
    assert z.shape == (3, 4 * 64) and back.shape == x.shape and conditions_for(StableDiffusion, SPECS["image"], 1)
