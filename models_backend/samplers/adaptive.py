"""Dormand and Prince's pair of orders 5 and 4 with a step size of its own for each item.

Every item is solved as if it were alone, so that what it becomes does not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .flow import Path, Tableau, straight, tell
from .levels import OnStep

#: Dormand & Prince 1980 (Hairer, Norsett & Wanner, "Solving ODEs I", table II.5.2): nodes, matrix, weights of order 5. The
#: seventh stage is the first of the next step.
DOPRI5: Tableau = (
    (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0),
    ((), (1 / 5,), (3 / 40, 9 / 40), (44 / 45, -56 / 15, 32 / 9), (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
     (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656)),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)  # fmt: skip
#: Weights of order 5 less those of order 4, with the seventh stage.
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
#: How the step follows the error: a margin, and the least and greatest factor at once.
SAFETY, SHRINK, GROW = 0.9, 0.2, 10.0
#: A step this small is taken whatever its error: the way ends.
SMALLEST_STEP = 1e-4

#: (x (B, ...), times (B,)) -> velocity
Velocity = Callable[[Tensor, Tensor], Tensor]


def dopri5(velocity: Velocity, x: Tensor, times: Sequence[float], on_step: OnStep = None, path: Path = straight, *,
           tolerance: float = 1e-5) -> Tensor:  # fmt: skip
    """As many steps as it takes between the places ``times``, each with an error (root mean square over an item's values)
    of at most ``tolerance`` (1 + |x|)."""
    if len(times) < 2:
        tell(on_step, times, 0, x, velocity(x, x.new_full((len(x),), times[0])), path)
        return x
    v = velocity(x, x.new_full((len(x),), times[0]))
    h = _first_step(x, v, tolerance)
    for i in range(len(times) - 1):
        tell(on_step, times, i, x, v, path)
        x, v, h = _reach(velocity, x, v, h, times[i], times[i + 1], tolerance)
    tell(on_step, times, len(times) - 1, x, v, path)
    return x


def _first_step(x: Tensor, v: Tensor, tolerance: float) -> Tensor:
    """A size (B,) that moves an item by a hundredth of its own (Hairer, II.4)."""
    scale = tolerance * (1 + x.abs())
    return (
        (0.01 * _size(x / scale).clamp(min=1e-5) / _size(v / scale).clamp(min=1e-5))
        .nan_to_num(nan=0.1)
        .clamp(SMALLEST_STEP, 0.1)
    )


def _reach(velocity: Velocity, x: Tensor, v: Tensor, h: Tensor, start: float, end: float,
           tolerance: float) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """State, velocity and next step size at ``end``, from those at ``start``; every item at its own pace."""
    t, sign = torch.full_like(h, start), 1.0 if end > start else -1.0
    while bool((t != end).any()):
        left = (end - t).abs()
        last = h >= left
        step = torch.where(last, left, h)
        moved, slope, error = _step(velocity, x, v, t, sign * step)
        ratio = _size(error / (tolerance * (1 + torch.maximum(x.abs(), moved.abs())))).nan_to_num(nan=0.0)  # no way back there
        taken = ((ratio <= 1) | (step <= SMALLEST_STEP)) & (t != end)
        wanted = step * (SAFETY * ratio.clamp(min=1e-10) ** -0.2).clamp(SHRINK, GROW)
        # a step that was cut short at the end says nothing against a longer one
        wanted = torch.where(taken & last, torch.maximum(wanted, h), wanted).clamp(SMALLEST_STEP, 1.0)
        h = torch.where(t != end, wanted, h)
        t = torch.where(taken, torch.where(last, torch.full_like(t, end), t + sign * step), t)
        x, v = (torch.where(_beside(taken, x), new, old) for new, old in ((moved, x), (slope, v)))
    return x, v, h


def _step(velocity: Velocity, x: Tensor, v: Tensor, t: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One step of size h (B,): the state of order 5, the velocity there, and the error of the pair."""
    nodes, matrix, weights = DOPRI5
    wide, slopes = _beside(h, x), [v]
    for node, row in zip(nodes[1:], matrix[1:], strict=True):
        slopes.append(velocity(x + wide * _combined(row, slopes), t + node * h))
    moved = x + wide * _combined(weights, slopes)
    slopes.append(velocity(moved, t + h))
    return moved, slopes[-1], wide * _combined(ERROR, slopes)


def _combined(weights: Sequence[float], slopes: Sequence[Tensor]) -> Tensor:
    terms = [w * k for w, k in zip(weights, slopes, strict=True) if w]
    return sum(terms[1:], terms[0])


def _size(x: Tensor) -> Tensor:
    """Root mean square of each item (B,)."""
    return x.flatten(1).square().mean(1).sqrt()


def _beside(each: Tensor, x: Tensor) -> Tensor:
    """(B,) as (B, 1, ...)."""
    return each.view(-1, *[1] * (x.ndim - 1))
