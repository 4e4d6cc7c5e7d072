"""Solvers of the flow ODE dx/dt = v(x, t) from noise (t = 0) to data (t = 1).

Conditional paths are x_t = alpha x_1 + sigma z, and the velocity is the mean of their derivatives, so that it says
everything: on straight paths (Liu 2022, arXiv:2209.03003) the predicted item is x + (1 - t) v and the predicted noise
x - t v. Times may run backwards: then the solver inverts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from models_backend.contract.trace import Step

from .levels import LARGEST_SCALE, OnStep

Tensor = torch.Tensor
Velocity = Callable[[Tensor, float], Tensor]
#: t -> (alpha, sigma, d alpha / dt, d sigma / dt)
Path = Callable[[float], tuple[float, float, float, float]]
Tableau = tuple[tuple[float, ...], tuple[tuple[float, ...], ...], tuple[float, ...]]

#: Explicit Runge-Kutta tableaus (nodes, matrix, weights): Hairer, Norsett & Wanner, "Solving ODEs I", II.1.
EULER: Tableau = ((0.0,), ((),), (1.0,))
MIDPOINT: Tableau = ((0.0, 0.5), ((), (0.5,)), (0.0, 1.0))
HEUN: Tableau = ((0.0, 1.0), ((), (1.0,)), (0.5, 0.5))
RK4: Tableau = ((0.0, 0.5, 0.5, 1.0), ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6))


def straight(t: float) -> tuple[float, float, float, float]:
    """x_t = t x_1 + (1 - t) z."""
    return t, 1 - t, 1.0, -1.0


def times(steps: int, start: float | None = None) -> list[float]:
    """Even times 0..1; with ``start``, only what follows that time, beginning there."""
    even = [i / steps for i in range(steps + 1)]
    if start is None:
        return even
    return [start, *(t for t in even if t > start + 1e-9)]


def euler(velocity: Velocity, x: Tensor, times: Sequence[float], on_step: OnStep = None, path: Path = straight) -> Tensor:
    """First order, one evaluation a step."""
    return solve(EULER, velocity, x, times, on_step, path)


def midpoint(velocity: Velocity, x: Tensor, times: Sequence[float], on_step: OnStep = None, path: Path = straight) -> Tensor:
    """Second order, two evaluations a step."""
    return solve(MIDPOINT, velocity, x, times, on_step, path)


def heun(velocity: Velocity, x: Tensor, times: Sequence[float], on_step: OnStep = None, path: Path = straight) -> Tensor:
    """Second order, two evaluations a step, both at grid times."""
    return solve(HEUN, velocity, x, times, on_step, path)


def rk4(velocity: Velocity, x: Tensor, times: Sequence[float], on_step: OnStep = None, path: Path = straight) -> Tensor:
    """Fourth order, four evaluations a step."""
    return solve(RK4, velocity, x, times, on_step, path)


def solve(
    tableau: Tableau, velocity: Velocity, x: Tensor, times: Sequence[float], on_step: OnStep = None, path: Path = straight
) -> Tensor:
    """Any explicit Runge-Kutta method along ``times``."""
    v: Tensor | None = None
    for i in range(len(times) - 1):
        v = velocity(x, times[i])
        tell(on_step, times, i, x, v, path)
        x = _runge_kutta(tableau, velocity, x, times[i], times[i + 1] - times[i], v)
    if v is not None:
        tell(on_step, times, len(times) - 1, x, v, path)
    elif on_step is not None:
        on_step(Step(0, 0, times[-1], 0.0, {"x": x, "x0": x}))
    return x


def _runge_kutta(tableau: Tableau, velocity: Velocity, x: Tensor, t: float, h: float, first: Tensor) -> Tensor:
    nodes, matrix, weights = tableau
    slopes = [first]
    for node, row in zip(nodes[1:], matrix[1:], strict=True):
        moved = x + h * _combined(row, slopes)
        slopes.append(velocity(moved, t + node * h))
    return x + h * _combined(weights, slopes)


def _combined(weights: Sequence[float], slopes: Sequence[Tensor]) -> Tensor:
    terms = [w * k for w, k in zip(weights, slopes, strict=True) if w]
    return sum(terms[1:], terms[0])


def tell(on_step: OnStep, times: Sequence[float], index: int, x: Tensor, v: Tensor, path: Path = straight) -> None:
    """Step ``index``: the state and what the velocity says of it. The last one holds the finished items."""
    if on_step is None:
        return
    t = times[index]
    alpha, sigma, d_alpha, d_sigma = path(t)
    # x = alpha x1 + sigma z and v = d_alpha x1 + d_sigma z, solved for both
    turning = alpha * d_sigma - d_alpha * sigma
    clean, noise = (d_sigma * x - sigma * v) / turning, (alpha * v - d_alpha * x) / turning
    scale = 0.0 if t >= 1 else min(LARGEST_SCALE, sigma / alpha) if alpha > 0 else LARGEST_SCALE
    # score of p_t: -E[z | x_t] / sigma; kept finite at the clean end
    channels = {"x": x, "x0": clean, "eps": noise, "v": v, "score": -noise / max(sigma, 1e-3)}
    on_step(Step(index, len(times) - 1, t, scale, channels))
