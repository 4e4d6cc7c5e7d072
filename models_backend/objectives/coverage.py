"""How much of a set of real items a set of made ones covers, from distances alone: cheap enough for a running training."""

from __future__ import annotations

import torch
from torch import Tensor


def coverage(real: Tensor, made: Tensor, k: int = 5) -> float:
    """Share of real items with a made item within the distance of their k-th real neighbour; 1 - 2^-k for a perfect maker
    and as many items made as real."""
    # Naeem et al. 2020 (arXiv:2002.09797), eq. 4
    real, made = real.flatten(1).float(), made.flatten(1).float()
    k = min(k, len(real) - 1)
    if k < 1:
        return float("nan")
    radius = torch.cdist(real, real).kthvalue(k + 1, dim=1).values
    return (torch.cdist(real, made).min(1).values <= radius).float().mean().item()


def recall(real: Tensor, made: Tensor, k: int = 5) -> float:
    """Share of real items that lie within the k-th made neighbour's distance of some made item. A maker that gives one item
    only has no such distance, so that, unlike coverage, an average item that is near everything does not pass."""
    # Kynkaanniemi et al. 2019 (arXiv:1904.06991), eq. 2
    real, made = real.flatten(1).float(), made.flatten(1).float()
    k = min(k, len(made) - 1)
    if k < 1:
        return float("nan")
    radius = torch.cdist(made, made).kthvalue(k + 1, dim=1).values
    return (torch.cdist(real, made) <= radius[None]).any(1).float().mean().item()


def spread(x: Tensor) -> float:
    """Root mean squared distance of items from their mean."""
    x = x.flatten(1).float()
    return (x - x.mean(0)).square().sum(1).mean().sqrt().item()
