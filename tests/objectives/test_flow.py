"""How straight paths came out."""

from __future__ import annotations

import pytest
import torch

from models_backend.objectives import flow


def noise(count: int = 256) -> torch.Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(0))


def test_a_constant_velocity_is_straight():
    assert flow.straightness(lambda x, t: torch.full_like(x, 2.0), noise(), 20) == pytest.approx(0, abs=1e-9)


def test_a_turning_velocity_has_its_known_cost():
    """v = (cos wt, sin wt) everywhere, w = 2 pi: the whole way is 0, so the cost is E|v|^2 = 1."""
    turn = 2 * torch.pi

    def velocity(x, t):
        direction = torch.tensor([torch.cos(torch.tensor(turn * t)), torch.sin(torch.tensor(turn * t))])
        return direction.expand_as(x)

    assert flow.straightness(velocity, noise(), 100) == pytest.approx(1.0, rel=1e-4)
