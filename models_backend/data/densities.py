"""Two-dimensional densities with exact samplers: the test bench of every generative model.

A sampler draws float32 points (N, 2) in *data units* (not standardised) and is a function of (density, n, seed)
only. Where the density is a mixture of equal, isotropic Gaussians its analytic facts are in :data:`MIXTURES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models_backend.contract.messages import TroubleError


@dataclass(frozen=True)
class Mixture:
    """Equal-weight isotropic Gaussian mixture: ``centres`` (K, 2) and one standard deviation, in data units."""

    centres: np.ndarray
    std: float


def _ring(count: int, radius: float) -> np.ndarray:
    angle = 2 * np.pi * np.arange(count) / count
    return radius * np.stack([np.cos(angle), np.sin(angle)], 1)


MIXTURES = {
    "8gaussians": Mixture(_ring(8, 2.0), 0.2),
    "two-gaussians": Mixture(np.array([[-1.5, 0.0], [1.5, 0.0]]), 0.5),
}


def _mixture(name: str) -> Callable[[np.random.Generator, int], np.ndarray]:
    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        mixture = MIXTURES[name]
        which = rng.integers(len(mixture.centres), size=n)
        return mixture.centres[which] + mixture.std * rng.standard_normal((n, 2))

    return draw


def _moons(rng: np.random.Generator, n: int) -> np.ndarray:
    upper = rng.random(n) < 0.5
    angle = np.pi * rng.random(n)
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    return 1.5 * (np.stack([x - 0.5, y - 0.25], 1) + 0.06 * rng.standard_normal((n, 2)))


def _checkerboard(rng: np.random.Generator, n: int) -> np.ndarray:
    column = rng.integers(4, size=n)
    row = 2 * rng.integers(2, size=n) + column % 2
    return np.stack([column + rng.random(n), row + rng.random(n)], 1) - 2.0


def _spirals(rng: np.random.Generator, n: int) -> np.ndarray:
    turn = 3 * np.pi * np.sqrt(rng.random(n))
    sign = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    arm = sign[:, None] * (turn / (1.5 * np.pi))[:, None] * np.stack([-np.cos(turn), np.sin(turn)], 1)
    return arm + 0.06 * rng.standard_normal((n, 2))


def _rings(rng: np.random.Generator, n: int) -> np.ndarray:
    radius = np.array([0.6, 1.3, 2.0])[rng.integers(3, size=n)] + 0.05 * rng.standard_normal(n)
    angle = 2 * np.pi * rng.random(n)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)


def _pinwheel(rng: np.random.Generator, n: int) -> np.ndarray:
    radial = 1.0 + 0.3 * rng.standard_normal(n)
    tangential = 0.06 * rng.standard_normal(n)
    angle = 2 * np.pi * rng.integers(5, size=n) / 5 + 0.25 * np.exp(radial)
    cos, sin = np.cos(angle), np.sin(angle)
    return 1.6 * np.stack([radial * cos - tangential * sin, radial * sin + tangential * cos], 1)


def _swissroll(rng: np.random.Generator, n: int) -> np.ndarray:
    turn = 1.5 * np.pi * (1 + 2 * rng.random(n))
    roll = turn[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    return (roll + 0.4 * rng.standard_normal((n, 2))) / 6.0


DENSITIES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "8gaussians": _mixture("8gaussians"), "moons": _moons, "checkerboard": _checkerboard, "spirals": _spirals,
    "rings": _rings, "pinwheel": _pinwheel, "swissroll": _swissroll, "two-gaussians": _mixture("two-gaussians"),
}  # fmt: skip


def reference_sampler(density: str) -> Callable[[int, int], np.ndarray]:
    """``sampler(n, seed)`` -> float32 (n, 2) in data units. Raises TroubleError for a name that is not a density."""
    if density not in DENSITIES:
        raise TroubleError("there is no such density", density, advice="use one of " + ", ".join(DENSITIES))
    return lambda n, seed: DENSITIES[density](np.random.default_rng(seed), n).astype(np.float32)


def log_density(density: str, x: np.ndarray) -> np.ndarray:
    """Exact log density (N,) of a Gaussian mixture at points (N, 2) in data units."""
    mixture = MIXTURES[density]
    squared = ((x[:, None, :] - mixture.centres[None]) ** 2).sum(-1)
    terms = -squared / (2 * mixture.std**2) - np.log(2 * np.pi * mixture.std**2)
    return np.logaddexp.reduce(terms, axis=1) - np.log(len(mixture.centres))
