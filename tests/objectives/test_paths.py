"""Conditional paths: their ends, their derivatives, and what they keep."""

from __future__ import annotations

import pytest
import torch

from models_backend.objectives import paths

PATHS = [paths.Straight(), paths.Lipman(0.05), paths.VariancePreserving()]


def noise(count: int = 256) -> torch.Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def at(path: paths.Path, z: torch.Tensor, x1: torch.Tensor, t: float) -> tuple[torch.Tensor, torch.Tensor]:
    return paths.point(path, z, x1, torch.full((len(z),), t, dtype=torch.float64), None)


@pytest.mark.parametrize("path", PATHS)
def test_paths_begin_at_noise_and_end_at_the_item(path):
    z, x1, left = noise(3), noise(3) + 5, getattr(path, "sigma_min", 0.0)
    assert torch.allclose(at(path, z, x1, 0.0)[0], z, atol=1e-12)
    assert torch.allclose(at(path, z, x1, 1.0)[0], x1 + left * z, atol=1e-12)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_the_target_is_the_derivative_of_the_path(path, t):
    z, x1, step = noise(4), 2 * noise(4) + 1, 1e-5
    numeric = (at(path, z, x1, t + step)[0] - at(path, z, x1, t - step)[0]) / (2 * step)
    assert torch.allclose(numeric, at(path, z, x1, t)[1], atol=1e-8)


def test_targets_are_the_published_ones():
    z, x1 = noise(4), 2 * noise(4) + 1
    assert torch.allclose(at(PATHS[0], z, x1, 0.3)[1], x1 - z)
    assert torch.allclose(at(PATHS[1], z, x1, 0.3)[1], x1 - 0.95 * z)
    x, velocity = at(PATHS[1], z, x1, 0.3)  # Lipman 2022, eq. 21, from the state instead of the noise
    assert torch.allclose(velocity, (x1 - 0.95 * x) / (1 - 0.95 * 0.3))


def test_the_quarter_circle_preserves_the_variance():
    found = paths.coefficients(paths.VariancePreserving(), torch.linspace(0, 1, 11))
    assert torch.allclose(found.alpha**2 + found.sigma**2, torch.ones(11))


def test_noise_about_the_line_has_its_spread_and_leaves_the_target():
    z, x1, t = torch.zeros(40_000, 2), torch.zeros(40_000, 2), torch.full((40_000,), 0.5)
    x, velocity = paths.point(paths.Straight(0.3), z, x1, t, torch.Generator().manual_seed(0))
    assert float(x.std()) == pytest.approx(0.3, rel=0.02) and not velocity.any()


def test_paths_of_pictures_broadcast_time():
    z, x1 = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    x, _ = paths.point(paths.Straight(), z, x1, torch.tensor([0.2, 0.7]), None)
    assert torch.allclose(x[0], torch.full((3, 4, 4), 0.2)) and torch.allclose(x[1], torch.full((3, 4, 4), 0.7))


@pytest.mark.parametrize("path", PATHS)
def test_one_time_gives_the_same_numbers(path):
    whole = paths.coefficients(path, torch.tensor([0.3], dtype=torch.float64))
    assert paths.at(path, 0.3) == pytest.approx([c.item() for c in whole])
