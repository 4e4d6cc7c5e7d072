"""Euler and Heun on the probability-flow ODE in Karras' coordinates (Karras 2022, arXiv:2206.00364).

With x_hat = x / alpha and scale = sigma / alpha the ODE is d x_hat / d scale = (x_hat - x_0) / scale = eps (eq. 1).
The grid may also run from clean to noise: then the same functions invert (see ``invert``).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .levels import Denoised, Level, Model, OnStep, finish, tell

#: A step that lowers the noise scale to less than this share of it is taken to first order: the slope at its end says nothing
#: about its beginning. So do schedules begin that end in almost pure noise (scale 20,000 with a cosine, then 19 of 30 steps).
FURTHEST = 0.05


def euler(model: Model, x: torch.Tensor, grid: Sequence[Level], on_step: OnStep = None) -> torch.Tensor:
    """First order. The same solution as DDIM with eta 0, in other coordinates."""
    said: Denoised | None = None
    for i in range(len(grid) - 1):
        t, s = grid[i], grid[i + 1]
        said = model(x, t)
        tell(on_step, grid, i, x, said)
        x = s.alpha * (x / t.alpha + (s.scale - t.scale) * said.eps)
    return finish(on_step, grid, x, said)


def heun(model: Model, x: torch.Tensor, grid: Sequence[Level], on_step: OnStep = None) -> torch.Tensor:
    """Second order, two evaluations a step; one for the last and for one out of almost pure noise (Karras 2022, alg. 1)."""
    said: Denoised | None = None
    for i in range(len(grid) - 1):
        t, s = grid[i], grid[i + 1]
        said = model(x, t)
        tell(on_step, grid, i, x, said)
        ahead = s.alpha * (x / t.alpha + (s.scale - t.scale) * said.eps)
        if s.sigma > 0 and s.scale > FURTHEST * t.scale:
            slope = 0.5 * (said.eps + model(ahead, s).eps)
            ahead = s.alpha * (x / t.alpha + (s.scale - t.scale) * slope)
        x = ahead
    return finish(on_step, grid, x, said)


def invert(model: Model, x0: torch.Tensor, grid: Sequence[Level]) -> torch.Tensor:
    """The noise from which the deterministic samplers make x0: Heun along the grid, backwards.

    The grid's clean level is left out, for there the noise of an item is not defined; the item enters at the lowest
    noise of the grid as alpha x0."""
    upward = [level for level in reversed(grid) if level.sigma > 0]
    return heun(model, upward[0].alpha * x0, upward)
