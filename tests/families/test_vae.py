"""The VAE: conformance, its bound in nats, its annealing, and what it finds on linear-Gaussian data."""

from __future__ import annotations

import math

import pytest
import torch
from conformance import Conformance, built, data, draw, fresh_networks, seeded
from sklearn.decomposition import PCA

from models_backend.contract.family import Batch, DataSpec
from models_backend.contract.fields import build
from models_backend.families.vae import VAE, Config

LINEAR = {"type": "mlp", "width": 8, "depth": 0}


def make(spec: DataSpec, **config) -> VAE:
    return VAE(build(Config, config), spec)


class TestVAE(Conformance):
    key, family = "vae", VAE


def test_bound_is_summed_over_dimensions_not_averaged():
    """Twice the same pixels, with an encoder that says nothing: exactly twice the reconstruction, the same KL."""
    found = {}
    for repeat in (1, 2):
        member = make(
            DataSpec("points", (4 * repeat,)), encoder=LINEAR, decoder=LINEAR, likelihood={"type": "gaussian", "sigma": 1.0}
        )
        nets = member.networks()
        for parameter in nets["vae"].parameters():
            torch.nn.init.zeros_(parameter)
        x = torch.ones(8, 4 * repeat)
        (loss,) = member.losses(nets, Batch(x, torch.arange(8), seeded(), 10, 1.0))
        found[repeat] = (loss.figures["reconstruction_nats"].item(), loss.figures["kl"].item())
    each = 0.5 + 0.5 * math.log(2 * math.pi)
    assert found[1] == (pytest.approx(4 * each, rel=1e-5), 0.0)
    assert found[2] == (pytest.approx(8 * each, rel=1e-5), 0.0)


@pytest.mark.parametrize(
    ("annealing", "expected"),
    [
        ({"type": "full"}, {0.0: 3.0, 1.0: 3.0}),
        ({"type": "warm_up", "share": 0.5}, {0.0: 0.0, 0.25: 1.5, 0.5: 3.0, 1.0: 3.0}),
        ({"type": "warm_up", "share": 0.0}, {0.0: 3.0}),
        ({"type": "cycles", "cycles": 2, "rise": 0.5}, {0.0: 0.0, 0.125: 1.5, 0.25: 3.0, 0.5: 0.0, 0.75: 3.0, 1.0: 3.0}),
    ],
)
def test_kl_weight_follows_its_annealing(annealing, expected):
    member = make(DataSpec("points", (2,)), beta=3.0, annealing=annealing)
    assert {p: pytest.approx(member.kl_weight(p)) for p in expected} == expected


def test_free_bits_give_no_gradient_to_a_dimension_below_them():
    member = make(DataSpec("points", (2,)), latent=3, free_bits=5.0, annealing={"type": "full"})
    nets = member.networks()
    (loss,) = member.losses(nets, Batch(data(DataSpec("points", (2,))), torch.arange(8), seeded(), 1, 1.0))
    assert loss.value.item() == pytest.approx(15.0 + loss.figures["reconstruction_nats"].item(), rel=1e-5)


def test_learned_scale_never_falls_below_its_floor():
    member = make(DataSpec("points", (2,)), likelihood={"type": "learned_gaussian", "floor": 0.05})
    net = member.networks()["vae"]
    with torch.no_grad():
        net.raw_log_scale.fill_(-50.0)
    assert net.log_scale.exp().item() == pytest.approx(0.05, rel=1e-5)


def test_convolutions_on_points_are_a_problem_that_names_its_remedy():
    (problem,) = make(DataSpec("points", (2,)), encoder={"type": "conv"}).problems()
    assert problem.startswith("encoder") and "mlp" in problem


def test_path_runs_from_one_common_item_to_each_item():
    member = built(VAE, DataSpec("image", (1, 8, 8)))
    nets = fresh_networks(member)
    told = []
    items = draw(member, nets, count=3, on_step=told.append)
    first = told[0].channels["x"]
    assert torch.allclose(first[0], first[1], atol=1e-6) and not torch.allclose(items[0], items[1])
    assert [told[0].time, told[-1].time] == [0.0, 1.0] and len(told) == 24


def test_a_recorded_item_is_where_its_branch_starts():
    member = built(VAE, DataSpec("image", (1, 8, 8)))
    nets = fresh_networks(member)
    x, told = data(member.spec, 2), []
    draw(member, nets, noise=x, start=0.5, on_step=told.append)
    assert torch.allclose(told[0].channels["x"], member.decode(nets, member.encode(nets, x), None), atol=1e-5)


def linear_gaussian(count: int, dimensions: int, latent: int, seed: int) -> torch.Tensor:
    """x = W u + m + 0.5 e with W, m fixed by ``dimensions`` and ``latent``."""
    fixed = torch.Generator().manual_seed(1)
    weight, mean = torch.randn(latent, dimensions, generator=fixed), torch.randn(dimensions, generator=fixed)
    generator = seeded(seed)
    return (
        torch.randn(count, latent, generator=generator) @ weight
        + mean
        + 0.5 * torch.randn(count, dimensions, generator=generator)
    )


def fit(member: VAE, x: torch.Tensor, steps: int, rate: float = 0.02) -> dict:
    torch.manual_seed(0)
    nets, generator = member.networks(), seeded(5)
    optimiser = torch.optim.Adam(nets["vae"].parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        index = torch.randint(len(x), (256,), generator=generator)
        (loss,) = member.losses(nets, Batch(x[index], index, generator, step, step / steps))
        optimiser.zero_grad()
        loss.value.backward()
        optimiser.step()
        schedule.step()
    return nets


def test_a_linear_vae_reaches_the_exact_marginal_of_ppca():
    """Tipping & Bishop 1999: the best linear-Gaussian model is known in closed form; ours is within .02 nats of it."""
    train, held_out = linear_gaussian(20_000, 5, 2, 10), linear_gaussian(4000, 5, 2, 11)
    member = make(DataSpec("points", (5,)), latent=2, encoder=LINEAR, decoder=LINEAR, annealing={"type": "full"})
    nets = fit(member, train, 1500)
    exact = PCA(2).fit(train.numpy()).score(held_out.numpy())
    with torch.no_grad():
        told = member.diagnostics(nets, held_out, seeded(3))
        marginal = member.log_likelihood(nets, held_out, seeded(4)).mean().item()
    assert marginal == pytest.approx(exact, abs=0.02)
    assert told["elbo"] < marginal + 0.02
    assert told["active_units"] == 2


def test_importance_bound_rises_with_the_number_of_draws():
    x = linear_gaussian(2000, 5, 2, 10)
    member = make(DataSpec("points", (5,)), latent=2, encoder=LINEAR, decoder=LINEAR, annealing={"type": "full"})
    nets = fit(member, x, 20)
    with torch.no_grad():
        bounds = [member.log_likelihood(nets, x, seeded(3), k).mean().item() for k in (1, 8, 64)]
    assert bounds[0] + 0.01 < bounds[1] < bounds[2]
