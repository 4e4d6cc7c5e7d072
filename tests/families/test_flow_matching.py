"""Flow matching: conformance, its paths and couplings, and exact likelihoods."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from conformance import SPECS, Conformance, batch, fresh_networks, seeded, stirred, train

from models_backend.contract.family import DataSpec
from models_backend.contract.fields import build, merged, plain
from models_backend.families.flow_matching import Config, FlowMatching
from models_backend.kinds.flow import Sampling
from models_backend.objectives import paths

MEAN, STD, LEFT = 0.5, 0.3, 0.05
PATHS = {"straight": {"type": "straight"}, "ot": {"type": "ot", "sigma_min": LEFT}, "vp": {"type": "vp"}}
LINE = DataSpec("points", (1,), count=64)


def member(spec: DataSpec = SPECS["points"], **changes) -> FlowMatching:
    """The tiny preset with changes to its config."""
    tiny = next(p for p in FlowMatching.presets if p.name == "tiny")
    return FlowMatching(build(Config, merged(merged(plain(Config()), tiny.config), changes)), spec)


class Perfect(torch.nn.Module):
    """E[dx_t/dt | x_t] for data N(MEAN, STD^2) coupled independently, in closed form."""

    def __init__(self, path: paths.Path):
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        t = (told.to(x) / 1000).view(-1, *[1] * (x.ndim - 1))
        alpha, sigma, d_alpha, d_sigma = paths.coefficients(self.path, t)
        slope = (d_alpha * alpha * STD**2 + d_sigma * sigma) / (alpha**2 * STD**2 + sigma**2)
        return d_alpha * MEAN + slope * (x - alpha * MEAN)


def perfect(name: str, spec: DataSpec = SPECS["points"]) -> tuple[FlowMatching, dict[str, Perfect], float]:
    """A run on that path, its perfect network, and the standard deviation of what it makes."""
    family = member(spec, path=PATHS[name], coupling={"type": "independent"})
    return family, {"velocity": Perfect(family.config.path)}, math.hypot(STD, LEFT if name == "ot" else 0.0)


class TestFlowMatching(Conformance):
    key, family = "flow_matching", FlowMatching


# ------------------------------------------------------------------------------------------------ paths


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun", "rk4", "dopri5"])
@pytest.mark.parametrize("name", PATHS)
def test_a_perfect_network_gives_the_data_back(name, solver):
    family, nets, std = perfect(name)
    steps = {"euler": 200, "dopri5": 1}.get(solver, 50)
    noise = torch.randn(20_000, 2, generator=seeded())
    items = family.sample(nets, noise, {}, Sampling(solver, steps), None, None)
    assert float(items.mean()) == pytest.approx(MEAN, rel=0.02) and float(items.std()) == pytest.approx(std, rel=0.02)


@pytest.mark.parametrize("name", PATHS)
def test_loss_of_a_perfect_network_is_the_known_one(name):
    """Var[dx_t/dt | x_t] averaged over t: s^2 (alpha d_sigma - sigma d_alpha)^2 / (alpha^2 s^2 + sigma^2)."""
    family, nets, _ = perfect(name)
    alpha, sigma, d_alpha, d_sigma = paths.coefficients(family.config.path, (torch.arange(10_000) + 0.5) / 10_000)
    turning = alpha * d_sigma - sigma * d_alpha
    wanted = float((STD**2 * turning**2 / (alpha**2 * STD**2 + sigma**2)).mean())
    made = batch(FlowMatching, SPECS["points"])
    made.x = MEAN + STD * torch.randn(40_000, 2, generator=seeded(5))
    (loss,) = family.losses(nets, made)
    assert float(loss.value) == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("name", PATHS)
def test_what_is_told_on_the_way_is_the_path(name):
    """x = alpha x0 + sigma eps at every step, and the item told at the end is the one that is made."""
    family, nets, _ = perfect(name)
    told: list = []
    items = family.sample(nets, torch.randn(50, 2, generator=seeded()), {}, Sampling("rk4", 20), told.append, None)
    for step in told:
        alpha, sigma, *_ = paths.at(family.config.path, step.time)
        assert torch.allclose(step.channels["x"], alpha * step.channels["x0"] + sigma * step.channels["eps"], atol=1e-5)
    assert torch.equal(told[-1].channels["x"], items) and told[-1].sigma == 0
    assert told[10].sigma == pytest.approx(paths.at(family.config.path, 0.5)[1] / paths.at(family.config.path, 0.5)[0])


@pytest.mark.parametrize("name", PATHS)
def test_encoded_items_come_back(name):
    family, nets, _ = perfect(name)
    x = MEAN + STD * torch.randn(500, 2, generator=seeded(3))
    z = family.encode(nets, x)
    assert float(z.std()) == pytest.approx(1, abs=0.1)
    assert torch.allclose(family.decode(nets, z, Sampling(steps=50)), x, atol=0.05)


@pytest.mark.parametrize(("name", "how"), itertools.product(PATHS, ["independent", "optimal"]))
def test_every_path_and_coupling_trains(name, how):
    family = member(path=PATHS[name], coupling={"type": how})
    assert all(math.isfinite(v) for v in train(family, fresh_networks(family), 3))


# --------------------------------------------------------------------------------------------- coupling


def test_optimal_coupling_moves_noise_and_leaves_items():
    """The same noise in another order, beside the items in their own: conditions stay with their items."""
    made = batch(FlowMatching, SPECS["points"], count=64)
    z, x1 = member().pairs(made)
    plain_z, _ = member(coupling={"type": "independent"}).pairs(batch(FlowMatching, SPECS["points"], count=64))
    assert torch.equal(x1, made.x) and not torch.equal(z, plain_z)
    assert torch.equal(z.sort(0).values, plain_z.sort(0).values)
    assert (z - x1).square().sum() < 0.7 * (plain_z - x1).square().sum()


def test_optimal_coupling_on_a_line_learns_the_monotone_map():
    """In one dimension the optimal map to N(m, s^2) is m + s z, along straight lines: the loss falls to nearly nothing,
    while that of independent coupling stays at the variance of crossing lines."""
    x1 = MEAN + STD * torch.randn(512, 1, generator=seeded(2))
    left = {}
    for how in ("independent", "optimal"):
        family, made = member(LINE, coupling={"type": how}), batch(FlowMatching, LINE, count=8)
        made.x, exact = x1, ExactMap()
        nets = {"velocity": exact if how == "optimal" else Perfect(family.config.path)}
        left[how] = float(next(family.losses(nets, made)).value)
    assert left["optimal"] < 0.02 < 0.1 < left["independent"]


class ExactMap(torch.nn.Module):
    """The velocity of x_t = (1 - t) z + t (MEAN + STD z)."""

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        t = (told / 1000).view(-1, 1).to(x)
        z = (x - t * MEAN) / (1 - t + t * STD)
        return MEAN + (STD - 1) * z


# ------------------------------------------------------------------------------------------- likelihood


@pytest.mark.parametrize("name", PATHS)
def test_likelihood_of_a_gaussian_is_exact(name):
    family, nets, std = perfect(name)
    x = MEAN + STD * torch.randn(200, 2, generator=seeded(4))
    wanted = torch.distributions.Normal(MEAN, std).log_prob(x).sum(1)
    with torch.no_grad():
        found = family.log_likelihood(nets, x, seeded())
    assert float((found - wanted).abs().max()) < 1e-2 and not found.requires_grad


def test_likelihood_of_a_trained_network_sums_to_one():
    """Whatever the network has learned, its density is one: the integral over a grid."""
    family = member(LINE)
    nets = stirred(fresh_networks(family), seed=3)
    grid = torch.linspace(-8, 8, 4001)[:, None]
    density = family.log_likelihood(nets, grid, None).exp()
    assert float(torch.trapezoid(density, grid[:, 0])) == pytest.approx(1, abs=1e-2)


def test_likelihood_of_pictures_is_near_the_truth_on_average():
    """Independent pixels N(MEAN, STD^2): the estimate is exact for this diagonal field, but for ten Heun steps and the
    spread of grey values."""
    family, nets, _ = perfect("straight", SPECS["image"])
    x = MEAN + STD * torch.randn(100, 1, 8, 8, generator=seeded(4))
    wanted = torch.distributions.Normal(MEAN, STD).log_prob(x).flatten(1).sum(1).mean()
    found = family.log_likelihood(nets, x, seeded()).mean()
    assert float(found) == pytest.approx(float(wanted), abs=1.0)


def test_a_network_for_other_data_is_a_problem():
    (problem,) = member(network={"type": "unet"}).problems()
    assert "points" in problem
