"""Which noise belongs to which item within a batch (Tong 2023, arXiv:2302.00482)."""

from __future__ import annotations

from typing import Annotated

import msgspec
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from models_backend.contract.fields import Field


class Independent(msgspec.Struct, frozen=True, tag="independent"):
    """Any noise goes to any item: paths cross, and flows bend there."""


class Optimal(msgspec.Struct, frozen=True, tag="optimal"):
    """The plan with the least transport joins them: paths hardly cross (Tong 2023)."""

    plan_size: Annotated[
        int,
        Field(
            "Items that share one transport plan; time grows with its cube",
            title="Plan size",
            was="at_once",
            low=2,
            high=1024,
            scale="log",
        ),
    ] = 128


Coupling = Independent | Optimal


def coupled(chosen: Coupling, z: Tensor, x1: Tensor) -> Tensor:
    """The noises z (B, ...) in the order in which they belong to the items x1 (B, ...)."""
    if isinstance(chosen, Independent):
        return z
    starts = range(0, len(z), chosen.plan_size)
    parts = [slice(start, start + chosen.plan_size) for start in starts]
    return torch.cat([z[part][optimal(z[part], x1[part])] for part in parts])


def optimal(z: Tensor, x1: Tensor) -> Tensor:
    """The permutation (B,) with which z[permutation] lies nearest to x1 (B, ...): of all, the least sum of squared
    distances. For two batches of equal weights the optimal plan is a permutation (Tong 2023, section 3.3)."""
    # |z - x|^2 = |z|^2 + |x|^2 - 2 <z, x>: only the last depends on who is with whom
    cost = -(x1.flatten(1).cpu().double() @ z.flatten(1).cpu().double().T)
    _, columns = linear_sum_assignment(cost.numpy())
    return torch.from_numpy(columns).to(z.device)
