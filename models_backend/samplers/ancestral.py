"""DDPM (Ho 2020, arXiv:2006.11239) and DDIM (Song 2021, arXiv:2010.02502) sampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch

from .levels import Denoised, Level, Model, OnStep, finish, tell
from .noise import Generators, fresh


def ddpm(model: Model, x: torch.Tensor, grid: Sequence[Level], on_step: OnStep = None, *,
         generator: Generators = None, variance: Literal["small", "large"] = "small") -> torch.Tensor:  # fmt: skip
    """Ancestral sampling: draws x_s from q(x_s | x_t, x_0 = predicted x_0). ``variance``: the posterior's (small) or
    that of the forward step (large). Items from x ~ N(0, I) at ``grid[0]``."""
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
            var = beta * s.sigma**2 / t.sigma**2 if variance == "small" else beta
            x = x + math.sqrt(max(var, 1e-20)) * fresh(x, generator)
    return finish(on_step, grid, x, said)


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
