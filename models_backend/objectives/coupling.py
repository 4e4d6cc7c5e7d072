"""Which noise belongs to which item within a batch (Tong 2023, arXiv:2302.00482)."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

#: The time that the plan takes grows with the cube of the batch: larger batches are coupled in parts of this size.
LARGEST = 256


def optimal(z: Tensor, x1: Tensor) -> Tensor:
    """The permutation (B,) with which z[permutation] lies nearest to x1 (B, ...): of all, the least sum of squared
    distances. For two batches of equal weights the optimal plan is a permutation (Tong 2023, section 3.3)."""
    starts = range(0, len(z), LARGEST)
    return torch.cat([start + _plan(z[start : start + LARGEST], x1[start : start + LARGEST]) for start in starts])


def _plan(z: Tensor, x1: Tensor) -> Tensor:
    # |z - x|^2 = |z|^2 + |x|^2 - 2 <z, x>: only the last depends on who is with whom
    cost = -(x1.flatten(1).cpu().double() @ z.flatten(1).cpu().double().T)
    _, columns = linear_sum_assignment(cost.numpy())
    return torch.from_numpy(columns).to(z.device)
