"""DDPM (Ho 2020, arXiv:2006.11239) and DDIM (Song 2021, arXiv:2010.02502) sampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch

from .levels import Denoised, Level, Model, OnStep, finish, tell
from .noise import Generators, fresh

Variance = Literal["small", "large", "learned"]


def ddpm(model: Model, x: torch.Tensor, grid: Sequence[Level], on_step: OnStep = None, *,
         generator: Generators = None, variance: Variance = "small") -> torch.Tensor:  # fmt: skip
    """Ancestral sampling: draws x_s from q(x_s | x_t, x_0 = predicted x_0). ``variance``: the posterior's (small), that of
    the forward step (large), or what the model tells (learned; small where it tells none). Items from x ~ N(0, I) at
    ``grid[0]``."""
    said: Denoised | None = None
    for i in range(len(grid) - 1):
        t, s = grid[i], grid[i + 1]
        said = model(x, t)
        tell(on_step, grid, i, x, said)
        step = (t.alpha / s.alpha) ** 2  # alpha_t of Ho 2020, for a step from s to t
        beta = 1 - step
        # Ho 2020, eq. 7: mean of q(x_s | x_t, x_0)
        x = (s.alpha * beta / t.sigma**2) * said.x0 + (math.sqrt(step) * s.sigma**2 / t.sigma**2) * x
        if s.sigma > 0:
            small = beta * s.sigma**2 / t.sigma**2
            told = said.variance if variance == "learned" else None
            std = math.sqrt(max(beta if variance == "large" else small, 1e-20)) if told is None else told_std(told, small, beta)
            x = x + std * fresh(x, generator)
    return finish(on_step, grid, x, said)


def told_std(told: torch.Tensor, small: float, large: float) -> torch.Tensor:
    """Std of a step's noise between those variances, log variances in proportion (Nichol & Dhariwal 2021, eq. 15)."""
    low, high = math.log(max(small, 1e-20)), math.log(max(large, 1e-20))
    return (0.5 * (low + (told + 1) / 2 * (high - low))).exp()


def ddim(model: Model, x: torch.Tensor, grid: Sequence[Level], on_step: OnStep = None, *,
         eta: float = 0.0, generator: Generators = None) -> torch.Tensor:  # fmt: skip
    """DDIM: deterministic with ``eta`` 0, as noisy as DDPM with 1 (Song 2021, eq. 12 and 16)."""
    said: Denoised | None = None
    for i in range(len(grid) - 1):
        t, s = grid[i], grid[i + 1]
        said = model(x, t)
        tell(on_step, grid, i, x, said)
        std = eta * ddim_std(t, s)
        x = s.alpha * said.x0 + math.sqrt(max(0.0, s.sigma**2 - std**2)) * said.eps
        if std > 0:
            x = x + std * fresh(x, generator)
    return finish(on_step, grid, x, said)


def ddim_std(t: Level, s: Level) -> float:
    """Std of the noise that DDIM adds from t to s at eta = 1 (Song 2021, eq. 16)."""
    return (s.sigma / t.sigma) * math.sqrt(max(0.0, 1 - (t.alpha / s.alpha) ** 2))
