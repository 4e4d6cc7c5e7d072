"""Straight paths and how straight they came out."""

from __future__ import annotations

import pytest
import torch

from models_backend.objectives import flow


def noise(count: int = 256) -> torch.Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(0))


def test_paths_begin_at_noise_and_end_at_data():
    z, x1 = noise(3), noise(3) + 5
    assert torch.equal(flow.interpolate(z, x1, torch.zeros(3)), z)
    assert torch.equal(flow.interpolate(z, x1, torch.ones(3)), x1)
    assert torch.allclose(flow.interpolate(z, x1, torch.tensor([0.25, 0.5, 0.75]))[1], (z + x1)[1] / 2)


def test_velocity_is_the_derivative_of_the_path():
    z, x1 = noise(4), 2 * noise(4) + 1
    t, step = torch.full((4,), 0.4), 1e-2
    numeric = (flow.interpolate(z, x1, t + step) - flow.interpolate(z, x1, t - step)) / (2 * step)
    assert torch.allclose(numeric, flow.velocity_target(z, x1), atol=1e-3)


def test_paths_of_pictures_broadcast_time():
    z, x1 = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    x = flow.interpolate(z, x1, torch.tensor([0.2, 0.7]))
    assert torch.allclose(x[0], torch.full((3, 4, 4), 0.2)) and torch.allclose(x[1], torch.full((3, 4, 4), 0.7))


def test_a_constant_velocity_is_straight():
    assert flow.straightness(lambda x, t: torch.full_like(x, 2.0), noise(), 20) == pytest.approx(0, abs=1e-9)


def test_a_turning_velocity_has_its_known_cost():
    """v = (cos wt, sin wt) everywhere, w = 2 pi: the whole way is 0, so the cost is E|v|^2 = 1."""
    turn = 2 * torch.pi

    def velocity(x, t):
        direction = torch.tensor([torch.cos(torch.tensor(turn * t)), torch.sin(torch.tensor(turn * t))])
        return direction.expand_as(x)

    assert flow.straightness(velocity, noise(), 100) == pytest.approx(1.0, rel=1e-4)
