"""Which noise levels training sees: distributions of time on (0, 1].

Every way of drawing gives (time, weight): the weight makes the mean loss that of uniform time where the drawing is
importance sampling, and is 1 where the density is meant to shift the emphasis (logit-normal).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, ClassVar

import msgspec
import torch
from torch import nn

from models_backend.contract.fields import Field

from .numbers import finest

Stratified = Annotated[
    bool, Field("Stratified draws: each batch covers the levels evenly, with less variance", title="Stratified", was="even")
]


class Uniform(msgspec.Struct, frozen=True, tag="uniform"):
    """Every level alike."""

    stratified: Stratified = True


class Importance(msgspec.Struct, frozen=True, tag="importance"):
    """In proportion to the loss that data of a given spread would have; losses are weighted back."""

    spread: Annotated[float, Field("Standard deviation of the data that is assumed", low=0.01, high=10.0, scale="log")] = 0.5
    floor: Annotated[float, Field("Share of the draws that stays uniform", low=0.01, high=1.0)] = 0.2
    stratified: Stratified = True


class LossAware(msgspec.Struct, frozen=True, tag="loss_aware"):
    """In proportion to the root mean square of recent losses at each level; losses are weighted back."""

    title: ClassVar[str] = "Loss-aware"
    bins: Annotated[int, Field("Bins of levels", low=2, high=1000)] = 50
    history: Annotated[int, Field("Batches remembered in each range", low=1, high=100)] = 10
    floor: Annotated[float, Field("Share of the draws that stays uniform", low=0.001, high=1.0)] = 0.05
    stratified: Stratified = True


class LogitNormal(msgspec.Struct, frozen=True, tag="logit_normal"):
    """Most draws at middle noise: the logit of time is normal (Esser 2024)."""

    title: ClassVar[str] = "Logit-normal"
    mean: Annotated[float, Field("Mean of the logit; above 0 leans to time 1", low=-5.0, high=5.0)] = 0.0
    std: Annotated[float, Field("Spread of the logit", low=0.1, high=5.0)] = 1.0
    stratified: Stratified = True


Timesteps = Uniform | Importance | LossAware | LogitNormal


# ------------------------------------------------------------------------------------------------ drawing


def quantiles(count: int, even: bool, generator: torch.Generator | None, device: torch.device) -> torch.Tensor:
    """Uniform numbers (count,) in (0, 1), one in each of ``count`` equal parts if ``even`` (as Kingma 2021, appendix I.1)."""
    where = device if generator is None else generator.device
    u = torch.rand(count, generator=generator, device=where, dtype=finest(torch.device(where)))
    if even:
        u = (torch.arange(count, device=where) + u) / count
    return u.clamp(1e-6, 1 - 1e-6).to(device)


def draw(chosen: Timesteps, u: torch.Tensor, shares: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Times (B,) in (0, 1) and loss weights (B,) from quantiles (B,). ``shares`` is asked only where ranges differ."""
    if isinstance(chosen, Uniform):
        return u, torch.ones_like(u)
    if isinstance(chosen, LogitNormal):
        return draw_logit_normal(chosen, u), torch.ones_like(u)
    return draw_binned(shares(), u)


def draw_logit_normal(chosen: LogitNormal, u: torch.Tensor) -> torch.Tensor:
    """Times (B,) from quantiles (B,) (Esser 2024, arXiv:2403.03206, eq. 19)."""
    return torch.sigmoid(chosen.mean + chosen.std * torch.special.ndtri(u))


def logit_normal_density(chosen: LogitNormal, time: torch.Tensor) -> torch.Tensor:
    """The density of the logit-normal (eq. 19) at times in (0, 1)."""
    z = (torch.logit(time) - chosen.mean) / chosen.std
    return torch.exp(-0.5 * z**2) / (chosen.std * math.sqrt(2 * math.pi) * time * (1 - time))


def draw_binned(share: torch.Tensor, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Times (B,) from quantiles (B,) where the k-th of K equal ranges of time has ``share`` (K,), and weights 1 / density."""
    bins = len(share)
    ends = share.to(u).cumsum(0)
    ends = ends / ends[-1]
    chosen = torch.searchsorted(ends, u).clamp(max=bins - 1)
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    width = (ends - starts)[chosen]
    inside = ((u - starts[chosen]) / width).clamp(0, 1)
    return (chosen + inside) / bins, 1 / (width * bins)


def mixed(values: torch.Tensor, floor: float) -> torch.Tensor:
    """Shares (K,) in proportion to values (K,), of which ``floor`` is spread evenly."""
    share = values / values.sum()
    return (1 - floor) * share + floor / len(values)


def expected_noise_error(spread: float, log_snr: torch.Tensor) -> torch.Tensor:
    """|eps - eps_hat|^2 of the best denoiser of Gaussian data with that standard deviation, at log_snr:
    alpha^2 s^2 / (alpha^2 s^2 + sigma^2)."""
    return torch.sigmoid(log_snr + 2 * math.log(spread))


class LossHistory(nn.Module):
    """The recent squared losses of each range of levels (Nichol & Dhariwal 2021, arXiv:2102.09672, section 3.3).

    Buffers only: saved with the run, never trained. Until every range has a full history, draws are uniform.
    """

    def __init__(self, chosen: LossAware):
        super().__init__()
        self.floor = chosen.floor
        self.register_buffer("squares", torch.zeros(chosen.bins, chosen.history))
        self.register_buffer("seen", torch.zeros(chosen.bins, dtype=torch.long))

    def shares(self) -> torch.Tensor:
        """Shares (K,) of the draws: p_k ~ sqrt(E[L_k^2]) (eq. 18)."""
        root = self.squares.mean(1).sqrt()
        share = mixed(root.clamp(min=1e-12), self.floor)
        full = (self.seen >= self.squares.shape[1]).all()
        return torch.where(full, share, torch.full_like(share, 1 / len(share)))

    @torch.no_grad()
    def note(self, time: torch.Tensor, losses: torch.Tensor) -> None:
        """Remember losses (B,) at times (B,): the mean square of each range that the batch touched."""
        bins, length = self.squares.shape
        place = (time * bins).long().clamp(0, bins - 1)
        count = torch.zeros(bins, device=place.device).index_add_(0, place, torch.ones_like(place, dtype=torch.float32))
        total = torch.zeros(bins, device=place.device).index_add_(0, place, losses.float().square())
        slot = nn.functional.one_hot(self.seen % length, length).bool() & (count > 0)[:, None]
        self.squares.copy_(torch.where(slot, (total / count.clamp(min=1))[:, None], self.squares))
        self.seen += count > 0
