"""The GAN: conformance, the order of its two losses, its penalty, and its two time scales."""

from __future__ import annotations

import pytest
import torch
from conformance import Conformance, batch, built, data, draw, fresh_networks, seeded

from models_backend.contract.family import Batch, DataSpec
from models_backend.contract.fields import build
from models_backend.contract.messages import TroubleError
from models_backend.families.gan import GAN, Config

POINTS = DataSpec("points", (2,))
PICTURES = DataSpec("image", (1, 8, 8))


def make(spec: DataSpec, **config) -> GAN:
    small = {"type": "auto", "width": 8, "depth": 0}
    return GAN(build(Config, {"latent": 4, "generator": small, "discriminator": small, **config}), spec)


class TestGAN(Conformance):
    key, family = "gan", GAN


def test_discriminator_comes_first_and_its_loss_leaves_the_generator_alone():
    member = make(POINTS)
    nets = fresh_networks(member)
    losses = member.losses(nets, batch(GAN, POINTS))
    first = next(losses)
    first.value.backward()
    assert first.network == "discriminator"
    assert all(p.grad is None for p in nets["generator"].parameters())
    assert next(losses).network == "generator"
    assert next(losses, None) is None


def test_generator_is_judged_by_the_discriminator_as_it_was_just_stepped():
    member = make(POINTS)
    nets = fresh_networks(member)
    losses = member.losses(nets, batch(GAN, POINTS))
    next(losses)
    with torch.no_grad():
        for parameter in nets["discriminator"].parameters():
            parameter.zero_()
    assert next(losses).value.item() == pytest.approx(0.6931472, abs=1e-6)


def test_penalty_comes_every_so_many_steps_and_weighs_that_much_more():
    member, plain = make(POINTS, penalty={"type": "r1", "gamma": 2.0, "every": 4}), make(POINTS, penalty={"type": "none"})
    nets = fresh_networks(member)

    def loss_at(family, step):
        x = data(POINTS)
        return next(family.losses(nets, Batch(x, torch.arange(8), seeded(), step, 0.0)))

    on, off = loss_at(member, 4), loss_at(member, 5)
    assert "r1" in on.figures and "r1" not in off.figures
    assert off.value.item() == pytest.approx(loss_at(plain, 5).value.item())
    extra = on.value.item() - loss_at(plain, 4).value.item()
    assert extra == pytest.approx(0.5 * 2.0 * 4 * on.figures["r1"].item(), rel=1e-4)


def test_discriminator_learns_at_its_own_rate():
    member = make(POINTS, discriminator_rate=4.0, beta1=0.5, beta2=0.9)
    assert (member.sharing("discriminator").rate, member.sharing("generator").rate) == (4.0, 1.0)
    assert member.sharing("generator").betas == member.sharing("discriminator").betas == (0.5, 0.9)


@pytest.mark.parametrize("spec", [POINTS, PICTURES], ids=["points", "image"])
def test_spectral_norm_bounds_every_layer_by_one(spec):
    member = make(spec, spectral_norm=True, discriminator={"type": "mlp", "width": 16, "depth": 2})
    judge = member.networks()["discriminator"].train()
    for _ in range(30):
        judge(data(spec))
    judge.eval()
    largest = [
        torch.linalg.matrix_norm(m.weight.flatten(1), 2).item() for m in judge.modules() if isinstance(m, torch.nn.Linear)
    ]
    assert largest and all(v == pytest.approx(1.0, abs=0.02) for v in largest)


@pytest.mark.parametrize(
    "extra", [{"spectral_norm": True}, {"batch_spread": True}, {"shifts": True}, {"generator_norm": "batch"}]
)
def test_every_option_trains(extra):
    member = make(PICTURES, **extra)
    nets = fresh_networks(member)
    for loss in member.losses(nets, batch(GAN, PICTURES)):
        loss.value.backward()
        assert torch.isfinite(loss.value)
    assert draw(member, nets).shape == (4, 1, 8, 8)


def test_shifts_on_points_are_a_problem():
    (problem,) = make(POINTS, shifts=True).problems()
    assert "shifts" in problem and "points" in problem


def test_truncation_zero_gives_one_item_and_its_path_stands_still():
    member = built(GAN, POINTS)
    nets = fresh_networks(member)
    noise, told = torch.randn(3, 4, generator=seeded()), []
    items = member.sample(nets, noise, {}, member.Sampling(truncation=0.0), told.append, seeded())
    assert torch.allclose(items, items[:1].expand_as(items), atol=1e-6)
    assert torch.allclose(told[0].channels["x"], items, atol=1e-6)


def test_a_branch_from_an_item_is_refused_in_plain_words():
    member = built(GAN, POINTS)
    with pytest.raises(TroubleError, match="no way back"):
        draw(member, fresh_networks(member), noise=data(POINTS), start=0.5)


def test_diagnostics_tell_a_collapsed_generator_from_a_perfect_one():
    member = built(GAN, POINTS)
    nets = fresh_networks(member)
    x = data(POINTS, 200)
    with torch.no_grad():
        for parameter in nets["generator"].parameters():
            parameter.zero_()
        told = member.diagnostics(nets, x, seeded())
    assert told["recall"] < 0.02 and told["spread"] < 1e-6 and 0 < told["d_held_out"] < 1
