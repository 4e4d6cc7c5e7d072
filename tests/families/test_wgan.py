"""The WGAN: conformance, the critic's many steps, its two constraints, and its estimate against the exact distance."""

from __future__ import annotations

import pytest
import torch
from conformance import Conformance, batch, data, fresh_networks, seeded, train

from models_backend.contract.family import DataSpec
from models_backend.contract.fields import build
from models_backend.evaluation import measures
from models_backend.families.wgan import WGAN, Config

POINTS = DataSpec("points", (2,))
PICTURES = DataSpec("image", (1, 8, 8))
CLIPPED = {"constraint": {"type": "clipping", "bound": 0.05}}


def make(spec: DataSpec = POINTS, **config) -> WGAN:
    small = {"type": "auto", "width": 8, "depth": 0}
    return WGAN(build(Config, {"latent": 4, "generator": small, "critic": small, "critic_steps": 3, **config}), spec)


class TestWGAN(Conformance):
    key, family = "wgan", WGAN


def test_critic_learns_several_times_on_fresh_latents_before_the_generator_does():
    member = make()
    nets = fresh_networks(member)
    told = list(member.losses(nets, batch(WGAN, POINTS)))
    assert [loss.network for loss in told] == ["critic"] * 3 + ["generator"]
    distances = [loss.figures["wasserstein"].item() for loss in told[:3]]
    assert len(set(distances)) == 3, "the weights have not moved: only fresh latents make these differ"


def test_critic_loss_leaves_the_generator_alone():
    member = make()
    nets = fresh_networks(member)
    next(member.losses(nets, batch(WGAN, POINTS))).value.backward()
    assert all(p.grad is None for p in nets["generator"].parameters())
    assert any(p.grad is not None for p in nets["critic"].parameters())


def test_loss_is_minus_the_estimate_and_what_the_slope_costs():
    plain, heavy = (make(constraint={"type": "gradient_penalty", "weight": w}) for w in (0.0, 10.0))
    nets = fresh_networks(plain)
    free, paid = (next(member.losses(nets, batch(WGAN, POINTS))) for member in (plain, heavy))
    assert free.value.item() == pytest.approx(-free.figures["wasserstein"].item(), rel=1e-5)
    assert paid.value.item() > free.value.item()


def test_clipping_keeps_every_weight_in_its_interval_and_needs_no_penalty():
    member = make(**CLIPPED)
    nets = fresh_networks(member)
    assert max(p.abs().max().item() for p in nets["critic"].parameters()) > 0.05
    train(member, nets, 2)
    assert max(p.abs().max().item() for p in nets["critic"].parameters()) <= 0.05 + 1e-7
    assert max(p.abs().max().item() for p in nets["generator"].parameters()) > 0.05
    assert "critic_slope" not in next(member.losses(nets, batch(WGAN, POINTS))).figures


def test_looking_on_clips_nothing():
    member = make(**CLIPPED)
    nets = fresh_networks(member)
    with torch.no_grad():
        told = [loss.network for loss in member.losses(nets, batch(WGAN, POINTS))]
    assert told == ["critic", "generator"]
    assert max(p.abs().max().item() for p in nets["critic"].parameters()) > 0.05


@pytest.mark.parametrize("spec", [POINTS, PICTURES], ids=["points", "image"])
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_every_item_is_judged_by_itself(spec, norm):
    """No normalisation over the batch: the score of an item does not depend on its company."""
    critic = fresh_networks(make(spec, critic_norm=norm))["critic"].train()
    x = data(spec, 6)
    assert torch.allclose(critic(x)[:2], critic(x[:2]), atol=1e-6)
    assert any("Norm" in type(m).__name__ for m in critic.modules()) == (norm == "layer")


def test_a_trained_critic_measures_the_exact_distance():
    """Against a generator that stands still, the estimate comes near what an assignment gives."""
    member = make(critic={"type": "mlp", "width": 64, "depth": 2}, critic_norm="none")
    nets = fresh_networks(member)
    real = 0.3 * torch.randn(256, 2, generator=seeded(1)) + torch.tensor([2.0, 1.0])
    with torch.no_grad():
        made = nets["generator"](torch.randn(256, 4, generator=seeded(2)))
    optimiser = torch.optim.Adam(nets["critic"].parameters(), lr=2e-3)
    for step in range(300):
        critic = member.critic_loss(nets, _batch_of(real, step))
        optimiser.zero_grad()
        critic.value.backward()
        optimiser.step()
    with torch.no_grad():
        told = member.diagnostics(nets, real, seeded(3))
    exact = measures.w1(real.numpy(), made.numpy())
    assert told["wasserstein"] == pytest.approx(exact, rel=0.15)
    assert told["critic_slope"] == pytest.approx(1.0, abs=0.15)


def _batch_of(x, step):
    from models_backend.contract.family import Batch

    return Batch(x, torch.arange(len(x)), seeded(100 + step), step, 0.0)


def test_shifts_on_points_are_a_problem():
    (problem,) = make(shifts=True).problems()
    assert "shifts" in problem
