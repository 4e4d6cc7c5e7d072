"""Likelihoods of flows whose density is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from models_backend.samplers import flow, likelihood

MATRIX = torch.tensor([[0.4, -0.9, 0.0], [0.6, 0.1, 0.3], [0.2, 0.0, -0.5]], dtype=torch.float64)


def items(count: int = 50) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def back(velocity, state: torch.Tensor) -> torch.Tensor:
    return flow.rk4(velocity, state, flow.times(50)[::-1])


def test_a_linear_flow_makes_a_gaussian_of_known_covariance():
    """dx/dt = A x carries N(0, I) to N(0, e^A e^A')."""
    grown = torch.linalg.matrix_exp(MATRIX)
    wanted = MultivariateNormal(torch.zeros(3, dtype=torch.float64), grown @ grown.T).log_prob(items())
    found = likelihood.log_density(lambda x, t: x @ MATRIX.T, items(), likelihood.exact, back)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_no_motion_leaves_the_noise():
    found = likelihood.log_density(lambda x, t: torch.zeros_like(x) * x, items(), likelihood.exact, back)
    assert torch.allclose(found, -0.5 * items().square().sum(1) - 1.5 * math.log(2 * math.pi))


def test_the_exact_divergence_is_the_trace_of_the_jacobian():
    velocity = lambda x, t: torch.sin(x @ MATRIX) * t  # noqa: E731
    with torch.no_grad():
        v, found = likelihood.exact(velocity, items(4), 0.7)
    jacobians = [torch.autograd.functional.jacobian(lambda row: velocity(row[None], 0.7)[0], x) for x in items(4)]
    assert torch.allclose(found, torch.stack([j.trace() for j in jacobians])) and not v.requires_grad


def test_hutchinsons_estimate_is_right_on_average_and_exact_for_a_diagonal():
    generator = torch.Generator().manual_seed(1)
    x = items(1).expand(20_000, 3)
    probe = likelihood.signs(x, generator)
    assert set(probe.unique().tolist()) == {-1.0, 1.0}
    _, found = likelihood.hutchinson(probe)(lambda x, t: x @ MATRIX.T, x, 0.0)
    assert float(found.mean()) == pytest.approx(float(MATRIX.trace()), abs=0.03) and float(found.std()) > 0.1
    _, plain = likelihood.hutchinson(probe)(lambda x, t: x * torch.tensor([1.0, 2.0, 3.0]), x, 0.0)
    assert torch.allclose(plain, torch.full_like(plain, 6.0))


def test_pictures_keep_their_shape_on_the_way():
    seen: list = []

    def velocity(x, t):
        seen.append(x.shape)
        return 0.3 * x

    x = torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = likelihood.log_density(velocity, x, likelihood.hutchinson(likelihood.signs(x, None)), back)
    std = math.exp(0.3)
    wanted = -0.5 * (x / std).flatten(1).square().sum(1) - 2 * math.log(2 * math.pi) - 4 * 0.3
    assert set(seen) == {(5, 1, 2, 2)} and torch.allclose(found, wanted, atol=1e-6)
