"""Consistency: grids of noise, curricula, boundary, distances (Song 2023, arXiv:2303.01469; improved: 2310.14189).

x = x_0 + sigma eps (variance exploding). A grid has N levels sigma_1 < .. < sigma_N; here they count from 0 to N - 1.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Distance = Literal["pseudo_huber", "squared", "absolute"]

#: Bends the grid towards clean levels (Karras 2022, eq. 5).
RHO = 7.0
#: The pseudo-Huber distance turns from square to line at this times the root of the dimensions (improved, section 3.3).
HUBER = 0.00054


# ------------------------------------------------------------------------------------------------ levels


def sigma_at(time: Tensor, lowest: float, highest: float) -> Tensor:
    """The noise at times (B,) in [0, 1]: even in sigma^(1/7), exactly ``lowest`` at 0 and ``highest`` at 1; float64."""
    time = time.double()
    low, high = lowest ** (1 / RHO), highest ** (1 / RHO)
    sigma = (low + time * (high - low)) ** RHO
    return torch.where(time <= 0, lowest, torch.where(time >= 1, highest, sigma))


def grid(levels: int, lowest: float, highest: float) -> Tensor:
    """Noise levels (N,), rising, float64."""
    return sigma_at(torch.linspace(0, 1, levels, dtype=torch.float64), lowest, highest)


def lognormal_shares(sigmas: Tensor, mean: float, std: float) -> Tensor:
    """How often each of the N - 1 pairs of neighbours is drawn: a normal of ln sigma, cut at the levels (improved, 3.5)."""
    ends = torch.erf((sigmas.log() - mean) / (math.sqrt(2) * std))
    share = (ends[1:] - ends[:-1]).clamp(min=1e-12)
    return share / share.sum()


# ------------------------------------------------------------------------------------------------ curricula


def square_root_levels(progress: float, first: int, last: int) -> int:
    """N(k) of consistency training, with progress = k / K (Song 2023, appendix C)."""
    return math.ceil(math.sqrt(progress * ((last + 1) ** 2 - first**2) + first**2) - 1) + 1


def doubling_levels(progress: float, first: int, last: int) -> int:
    """N(k) of improved training, doubled at even times; K' is not rounded (improved, section 3.4)."""
    doublings = math.floor(progress * (math.log2(last / first) + 1) + 1e-9)
    return min(first * 2**doublings, last) + 1


def target_decay(levels: int, first: int, decay: float) -> float:
    """mu(k) = exp(s_0 ln mu_0 / N(k)) (Song 2023, appendix C)."""
    return math.exp(first * math.log(decay) / levels) if decay > 0 else 0.0


# ------------------------------------------------------------------------------------------------ the function


def boundary(sigma: Tensor, lowest: float, data: float) -> tuple[Tensor, Tensor]:
    """c_skip and c_out (Song 2023, appendix C): exactly 1 and 0 at ``lowest``."""
    above = sigma - lowest
    return data**2 / (above**2 + data**2), data * above / (data**2 + sigma**2).sqrt()


def distance(kind: Distance, one: Tensor, other: Tensor, scale: float = 1.0) -> Tensor:
    """Distances (B,) of items (B, ...) in units of ``scale``, in float32; the pseudo-Huber one as improved, section 3.3."""
    off = ((one.float() - other.float()) / scale).flatten(1)
    if kind == "absolute":
        return off.abs().mean(1)
    if kind == "squared":
        return off.square().mean(1)
    c = HUBER * math.sqrt(off.shape[1])
    return (off.square().sum(1) + c**2).sqrt() - c
