"""log p(x) of what a flow makes, by the change of variables along its path (Chen 2018, arXiv:1806.07366, theorem 1).

d log p(x_t) / dt = -div v, so log p_1(x) = log N(z; 0, I) - int_0^1 div v dt along the path that ends at x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Any], Tensor]
#: (velocity, x (B, ...), t) -> velocity (B, ...) and its divergence (B,)
Divergence = Callable[[Velocity, Tensor, Any], tuple[Tensor, Tensor]]
#: (velocity, state at t = 1) -> state at t = 0
Back = Callable[[Velocity, Tensor], Tensor]


def exact(velocity: Velocity, x: Tensor, t: Any) -> tuple[Tensor, Tensor]:
    """The trace of the Jacobian, one backward pass for each dimension."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        v = velocity(x, t)
        flat = v.flatten(1)
        rows = [
            torch.autograd.grad(flat[:, i].sum(), x, retain_graph=True, materialize_grads=True)[0].flatten(1)[:, i]
            for i in range(flat.shape[1])
        ]
    return v.detach(), torch.stack(rows).sum(0)


def hutchinson(probe: Tensor) -> Divergence:
    """e' J e with signs e (B, ...), right on average (Grathwohl 2018, arXiv:1810.01367, eq. 7): one backward pass."""

    def divergence(velocity: Velocity, x: Tensor, t: Any) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            v = velocity(x, t)
            (pulled,) = torch.autograd.grad((v * probe).sum(), x, materialize_grads=True)
        return v.detach(), (pulled * probe).flatten(1).sum(1)

    return divergence


def signs(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Fair signs like x, drawn on the generator's device."""
    device = x.device if generator is None else generator.device
    return torch.randint(0, 2, x.shape, generator=generator, device=device).to(x) * 2 - 1


def log_density(velocity: Velocity, x: Tensor, divergence: Divergence, back: Back) -> Tensor:
    """log p(x) in nats (B,) of items (B, ...) at t = 1, under a standard normal at t = 0."""

    def both(state: Tensor, t: Any) -> Tensor:
        v, div = divergence(velocity, state[:, :-1].view_as(x), t)
        return torch.cat([v.flatten(1), div[:, None].to(v)], 1)

    ended = back(both, torch.cat([x.flatten(1), x.new_zeros(len(x), 1)], 1))
    z, grown = ended[:, :-1], ended[:, -1]
    return grown - 0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))
