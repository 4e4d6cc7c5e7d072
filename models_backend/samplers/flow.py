"""Solvers of the flow ODE dx/dt = v(x, t) from noise (t = 0) to data (t = 1).

The paths are straight, x_t = (1 - t) z + t x_1 (Liu 2022, arXiv:2209.03003), so that a velocity says everything: the
predicted item is x + (1 - t) v and the predicted noise x - t v. Times may run backwards: then the solver inverts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from models_backend.contract.trace import Step

from .levels import LARGEST_SCALE, OnStep

Tensor = torch.Tensor
Velocity = Callable[[Tensor, float], Tensor]
Tableau = tuple[tuple[float, ...], tuple[tuple[float, ...], ...], tuple[float, ...]]

#: Explicit Runge-Kutta tableaus (nodes, matrix, weights): Hairer, Norsett & Wanner, "Solving ODEs I", II.1.
EULER: Tableau = ((0.0,), ((),), (1.0,))
MIDPOINT: Tableau = ((0.0, 0.5), ((), (0.5,)), (0.0, 1.0))
HEUN: Tableau = ((0.0, 1.0), ((), (1.0,)), (0.5, 0.5))
RK4: Tableau = ((0.0, 0.5, 0.5, 1.0), ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6))


def times(steps: int, start: float | None = None) -> list[float]:
    """Even times 0..1; with ``start``, only what follows that time, beginning there."""
    even = [i / steps for i in range(steps + 1)]
    if start is None:
        return even
    return [start, *(t for t in even if t > start + 1e-9)]


def euler(velocity: Velocity, x: Tensor, times: Sequence[float], on_step: OnStep = None) -> Tensor:
    """First order, one evaluation a step."""
    return solve(EULER, velocity, x, times, on_step)


def midpoint(velocity: Velocity, x: Tensor, times: Sequence[float], on_step: OnStep = None) -> Tensor:
    """Second order, two evaluations a step."""
    return solve(MIDPOINT, velocity, x, times, on_step)


def heun(velocity: Velocity, x: Tensor, times: Sequence[float], on_step: OnStep = None) -> Tensor:
    """Second order, two evaluations a step, both at grid times."""
    return solve(HEUN, velocity, x, times, on_step)


def rk4(velocity: Velocity, x: Tensor, times: Sequence[float], on_step: OnStep = None) -> Tensor:
    """Fourth order, four evaluations a step."""
    return solve(RK4, velocity, x, times, on_step)


def solve(tableau: Tableau, velocity: Velocity, x: Tensor, times: Sequence[float], on_step: OnStep = None) -> Tensor:
    """Any explicit Runge-Kutta method along ``times``."""
    v: Tensor | None = None
    for i in range(len(times) - 1):
        v = velocity(x, times[i])
        tell(on_step, times, i, x, v)
        x = _runge_kutta(tableau, velocity, x, times[i], times[i + 1] - times[i], v)
    if v is not None:
        tell(on_step, times, len(times) - 1, x, v)
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


def tell(on_step: OnStep, times: Sequence[float], index: int, x: Tensor, v: Tensor) -> None:
    """Step ``index``: the state and what the velocity says of it. The last one holds the finished items."""
    if on_step is None:
        return
    t = times[index]
    clean, noise = x + (1 - t) * v, x - t * v
    scale = min(LARGEST_SCALE, (1 - t) / t) if t > 0 else LARGEST_SCALE
    # score of p_t on the straight path: -E[z | x_t] / (1 - t); kept finite at the clean end
    channels = {"x": x, "x0": clean, "eps": noise, "v": v, "score": -noise / max(1 - t, 1e-3)}
    on_step(Step(index, len(times) - 1, t, scale, channels))
