"""How straight the paths of a flow came out (Liu 2022, arXiv:2209.03003)."""

from __future__ import annotations

from collections.abc import Callable

import torch

Velocity = Callable[[torch.Tensor, float], torch.Tensor]


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
