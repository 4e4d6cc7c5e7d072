"""The flow-matching objective on straight paths, and how straight the paths came out.

x_t = (1 - t) z + t x_1: t = 0 is noise z, t = 1 is data (Liu 2022, arXiv:2209.03003).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Velocity = Callable[[torch.Tensor, float], torch.Tensor]


def interpolate(z: torch.Tensor, x1: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """x_t (B, ...) on the straight path at times t (B,)."""
    t = t.to(x1).view(-1, *[1] * (x1.ndim - 1))
    return (1 - t) * z + t * x1


def velocity_target(z: torch.Tensor, x1: torch.Tensor) -> torch.Tensor:
    """d x_t / d t = x_1 - z (Liu 2022, eq. 1)."""
    return x1 - z


@torch.no_grad()
def straightness(velocity: Velocity, z: torch.Tensor, steps: int = 100) -> float:
    """S(Z) = E int |(Z_1 - Z_0) - v_t|^2 dt along the model's own paths from noise z (B, ...), by Euler (Liu 2022, eq. 7).
    0 is straight. Summed over dimensions."""
    x, total = z, 0.0
    velocities = []
    for i in range(steps):
        velocities.append(velocity(x, i / steps))
        x = x + velocities[-1] / steps
    for v in velocities:
        total += float((x - z - v).square().flatten(1).sum(1).mean())
    return total / steps
