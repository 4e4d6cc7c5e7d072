"""The beta-VAE: conformance, the price of the KL, the capacity that rises, and what a high price does to a code."""

from __future__ import annotations

import pytest
import torch
from conformance import Conformance, data, seeded

from models_backend.contract.family import Batch, DataSpec
from models_backend.contract.fields import build
from models_backend.families.beta_vae import BetaVAE, Config, Rising

LINEAR = {"type": "mlp", "width": 8, "depth": 0}
FULL = {"type": "full"}


def make(spec: DataSpec, **config) -> BetaVAE:
    return BetaVAE(build(Config, config), spec)


class TestBetaVAE(Conformance):
    key, family = "beta_vae", BetaVAE


def charged(progress: float = 1.0, **config) -> float:
    """What a KL of 1 + 2 + 3 nats costs."""
    kl = torch.tensor([1.0, 2.0, 3.0]).expand(5, 3)
    return make(DataSpec("points", (2,)), annealing=FULL, **config).charged(kl, progress).item()


def test_every_nat_costs_beta():
    assert charged(beta=1.0) == pytest.approx(6.0) and charged(beta=4.0) == pytest.approx(24.0)


@pytest.mark.parametrize(("progress", "expected"), [(0.0, 60.0), (0.25, 10.0), (0.5, 40.0), (1.0, 40.0)])
def test_a_rising_capacity_is_wanted_from_both_sides(progress, expected):
    """gamma |6 - C| with C from 0 to 10 over half of the run: 0, 5, 10, 10."""
    assert charged(progress, beta=10.0, capacity={"type": "rising", "nats": 10.0, "share": 0.5}) == pytest.approx(expected)


def test_capacity_at_once():
    assert Rising(7.0, 0.0).at(0.0) == 7.0


def test_the_loss_is_the_price_and_the_reconstruction():
    member = make(DataSpec("points", (2,)), beta=3.0, annealing=FULL)
    nets = member.networks()
    (loss,) = member.losses(nets, Batch(data(DataSpec("points", (2,))), torch.arange(8), seeded(), 1, 1.0))
    assert loss.value.item() == pytest.approx((3.0 * loss.figures["kl"] + loss.figures["reconstruction_nats"]).item(), rel=1e-5)


def fit(member: BetaVAE, x: torch.Tensor, steps: int = 800) -> dict:
    torch.manual_seed(0)
    nets, generator = member.networks(), seeded(5)
    optimiser = torch.optim.Adam(nets["vae"].parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        index = torch.randint(len(x), (256,), generator=generator)
        (loss,) = member.losses(nets, Batch(x[index], index, generator, step, step / steps))
        optimiser.zero_grad()
        loss.value.backward()
        optimiser.step()
        schedule.step()
    return nets


def two_lengths(count: int = 4000) -> torch.Tensor:
    """Two independent Gaussians of standard deviations 1 and .4, turned by 45 degrees, without noise."""
    turn = torch.tensor([[1.0, 1.0], [-1.0, 1.0]]) / 2**0.5
    return (torch.randn(count, 2, generator=seeded(1)) * torch.tensor([1.0, 0.4])) @ turn


@pytest.mark.parametrize(("beta", "expected"), [(2.0, (1.0, 0.4)), (4.0, (1.0, 0.4)), (16.0, (1.0,))])
def test_a_linear_code_holds_what_its_price_allows(beta, expected):
    """Reverse water-filling: a direction of standard deviation s is coded at log(s / (sqrt(beta) sigma)) nats, if above 0."""
    sigma = 0.15
    member = make(DataSpec("points", (2,)), latent=2, encoder=LINEAR, decoder=LINEAR, annealing=FULL, beta=beta,
                  likelihood={"type": "gaussian", "sigma": sigma})  # fmt: skip
    x = two_lengths()
    nets = fit(member, x)
    with torch.no_grad():
        told = member.diagnostics(nets, x, seeded(3))
    nats = sum(torch.tensor(s / (beta**0.5 * sigma)).log().item() for s in expected)
    assert told["kl"] == pytest.approx(nats, abs=0.08) and told["active_units"] == len(expected)


def test_a_capacity_is_filled():
    """With a firm price the code of data that could fill more holds just what it was given."""
    member = make(DataSpec("points", (2,)), latent=2, encoder=LINEAR, decoder=LINEAR, annealing=FULL, beta=100.0,
                  capacity={"type": "rising", "nats": 1.2, "share": 0.5},
                  likelihood={"type": "gaussian", "sigma": 0.15})  # fmt: skip
    x = two_lengths()
    nets = fit(member, x)
    with torch.no_grad():
        told = member.diagnostics(nets, x, seeded(3))
    assert told["kl"] == pytest.approx(1.2, abs=0.15)
