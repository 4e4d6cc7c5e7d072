"""Noise schedules of variance-preserving diffusion: x_t = alpha x_0 + sigma eps with alpha^2 + sigma^2 = 1.

A schedule is its log signal-to-noise ratio log_snr(t) = log(alpha^2 / sigma^2), which falls with t. Index k of a published
table of T levels stands at time t = (k + 1) / T; time 0 is clean. The table's own levels are exact; between them
log_snr is linear.
"""

from __future__ import annotations

import functools
import math
from typing import Annotated

import msgspec
import torch
from torch import nn

from models_backend.contract.fields import Field

from .numbers import finest

#: The largest step of a table built from alpha_bar (Nichol & Dhariwal 2021, section 3.2).
LARGEST_BETA = 0.999

Steps = Annotated[int, Field("Levels of noise of the schedule", title="Noise levels", low=10, high=10_000, scale="log")]


class Linear(msgspec.Struct, frozen=True, tag="linear"):
    """Beta rises along a line (Ho 2020)."""

    steps: Steps = 1000
    first: Annotated[float, Field("Beta of the first of 1,000 levels", title="First beta", low=1e-6, high=0.1, scale="log")] = (
        1e-4
    )
    last: Annotated[float, Field("Beta of the last of 1,000 levels", title="Last beta", low=1e-4, high=0.5, scale="log")] = 0.02
    root: Annotated[
        bool, Field("Let the roots of beta rise along the line, as Stable Diffusion's do", title="Scaled linear")
    ] = False


class Cosine(msgspec.Struct, frozen=True, tag="cosine"):
    """Alpha-bar falls along a squared cosine: more time at middle noise (Nichol & Dhariwal 2021)."""

    steps: Steps = 1000
    offset: Annotated[float, Field("Keeps the first levels from being too clean", low=0.0, high=0.5)] = 0.008


class Sigmoid(msgspec.Struct, frozen=True, tag="sigmoid"):
    """Alpha-bar falls along a sigmoid: gentle at both ends (Jabri 2022)."""

    steps: Steps = 1000
    start: Annotated[float, Field("Where the sigmoid begins", low=-10.0, high=0.0)] = -3.0
    end: Annotated[float, Field("Where the sigmoid ends", low=0.1, high=10.0)] = 3.0
    temperature: Annotated[float, Field("Larger is closer to a straight line", low=0.1, high=10.0)] = 1.0


class Learned(msgspec.Struct, frozen=True, tag="learned"):
    """A monotone network learns log-SNR, so that every time is equally worth training on (Kingma 2021, VDM)."""

    steps: Steps = 1000
    high: Annotated[float, Field("Log-SNR of the cleanest level", title="Highest log-SNR", low=2.0, high=20.0)] = 9.0
    low: Annotated[float, Field("Log-SNR of pure noise", title="Lowest log-SNR", low=-20.0, high=-2.0)] = -9.0
    rate: Annotated[float, Field("Learning rate as a share of the run's", low=0.01, high=10.0, scale="log")] = 1.0


Schedule = Linear | Cosine | Sigmoid | Learned


# ------------------------------------------------------------------------------------------------ tables


def alphas_bar(schedule: Linear | Cosine | Sigmoid) -> torch.Tensor:
    """The published table (T,), float64: alpha_bar_k = product of 1 - beta."""
    return (1 - betas(schedule)).cumprod(0)


def betas(schedule: Linear | Cosine | Sigmoid) -> torch.Tensor:
    """The steps of the table (T,), float64."""
    if isinstance(schedule, Linear):
        scale = 1000 / schedule.steps
        power = 2 if schedule.root else 1
        ends = schedule.first ** (1 / power), schedule.last ** (1 / power)
        line = torch.linspace(*ends, schedule.steps, dtype=torch.float64) ** power
        return (scale * line).clamp(max=LARGEST_BETA)
    curve = cosine_curve if isinstance(schedule, Cosine) else sigmoid_curve
    alpha_bar = curve(schedule, torch.linspace(0, 1, schedule.steps + 1, dtype=torch.float64))
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=LARGEST_BETA)


def cosine_curve(schedule: Cosine, t: torch.Tensor) -> torch.Tensor:
    """f(t) of Nichol & Dhariwal 2021, eq. 17."""
    return torch.cos((t + schedule.offset) / (1 + schedule.offset) * math.pi / 2) ** 2


def sigmoid_curve(schedule: Sigmoid, t: torch.Tensor) -> torch.Tensor:
    """Jabri 2022 (arXiv:2212.11972), listing of the sigmoid schedule."""
    squash = lambda v: torch.sigmoid(torch.as_tensor(v / schedule.temperature, dtype=torch.float64))  # noqa: E731
    first, last = squash(schedule.start), squash(schedule.end)
    return (last - squash(t * (schedule.end - schedule.start) + schedule.start)) / (last - first)


class TabulatedSchedule:
    """A fixed schedule: the table's log_snr, interpolated."""

    def __init__(self, schedule: Linear | Cosine | Sigmoid):
        self.steps = schedule.steps
        alpha_bar = alphas_bar(schedule)
        self._tables = {torch.device("cpu"): alpha_bar.log() - (-alpha_bar).log1p()}

    def table(self, device: torch.device) -> torch.Tensor:
        """log_snr of every level (T,), float64, falling."""
        if device not in self._tables:
            self._tables[device] = self._tables[torch.device("cpu")].to(device, finest(device))
        return self._tables[device]

    def log_snr(self, time: torch.Tensor) -> torch.Tensor:
        """log_snr (B,) at times (B,) in [1 / T, 1]; earlier times are taken as 1 / T."""
        table = self.table(time.device)
        place = (time.to(table) * self.steps - 1).clamp(0, self.steps - 1)
        below = place.floor().long().clamp(max=self.steps - 2)
        return torch.lerp(table[below], table[below + 1], place - below)

    def time_at(self, log_snr: torch.Tensor) -> torch.Tensor:
        """The times (B,) at which the schedule has those log_snr (B,)."""
        rising = self.table(log_snr.device).flip(0)
        wanted = log_snr.to(rising).clamp(rising[0], rising[-1])
        above = torch.searchsorted(rising, wanted).clamp(1, self.steps - 1)
        share = (wanted - rising[above - 1]) / (rising[above] - rising[above - 1])
        return (self.steps - (above - 1 + share)) / self.steps

    def slope(self, time: torch.Tensor) -> torch.Tensor:
        """d log_snr / d t (B,), negative."""
        half = 0.5 / self.steps
        later, sooner = (time + half).clamp(max=1.0), (time - half).clamp(min=1 / self.steps)
        return (self.log_snr(later) - self.log_snr(sooner)) / (later - sooner)

    def condition(self, time: torch.Tensor, log_snr: torch.Tensor) -> torch.Tensor:
        """What the network is told: the table's index, 0..T-1, on a scale of 1000."""
        return (time * self.steps - 1).clamp(min=0) * (1000 / self.steps)

    def snap(self, time: torch.Tensor) -> torch.Tensor:
        """The nearest level of the table at or after the times: training sees the published levels only."""
        return (time * self.steps).ceil().clamp(1, self.steps) / self.steps


@functools.lru_cache(maxsize=32)
def tabulated(schedule: Linear | Cosine | Sigmoid) -> TabulatedSchedule:
    """The schedule's table, made once."""
    return TabulatedSchedule(schedule)


# ------------------------------------------------------------------------------------------------ learned


class LearnedSchedule(nn.Module):
    """gamma(t) = -log_snr(t) as a monotone network between fixed ends (Kingma 2021, arXiv:2107.00630, appendix H).

    g(t) = a t + sum_j w_j sigmoid(u_j t + b_j) with positive a, w, u; log_snr falls from ``high`` at t = 0 to ``low`` at
    t = 1 along the normalised g. It is elementwise, so that autocast leaves it in full precision.
    """

    def __init__(self, schedule: Learned, hidden: int = 64):
        super().__init__()
        self.steps, self.high, self.low = schedule.steps, schedule.high, schedule.low
        self.linear = nn.Parameter(torch.ones(()))
        self.heights = nn.Parameter(torch.full((hidden,), 0.1 / hidden))
        self.slopes = nn.Parameter(torch.full((hidden,), 10.0))
        self.centres = nn.Parameter(-10.0 * torch.linspace(0, 1, hidden))

    def _rise(self, t: torch.Tensor) -> torch.Tensor:
        """g (B,), rising with t (B,)."""
        steps = torch.sigmoid(self.slopes.abs() * t[..., None] + self.centres)
        return self.linear.abs() * t + (self.heights.abs() * steps).sum(-1)

    def log_snr(self, time: torch.Tensor) -> torch.Tensor:
        """log_snr (B,) at times (B,) in [0, 1]."""
        t = time.to(self.linear)
        ends = self._rise(torch.stack([torch.zeros_like(self.linear), torch.ones_like(self.linear)]))
        share = (self._rise(t) - ends[0]) / (ends[1] - ends[0])
        return self.high + (self.low - self.high) * share

    forward = log_snr

    def slope(self, time: torch.Tensor) -> torch.Tensor:
        """d log_snr / d t (B,), negative, in closed form."""
        t = time.to(self.linear)
        steps = torch.sigmoid(self.slopes.abs() * t[..., None] + self.centres)
        rise = self.linear.abs() + (self.heights.abs() * self.slopes.abs() * steps * (1 - steps)).sum(-1)
        ends = self._rise(torch.stack([torch.zeros_like(self.linear), torch.ones_like(self.linear)]))
        return (self.low - self.high) * rise / (ends[1] - ends[0])

    def time_at(self, log_snr: torch.Tensor) -> torch.Tensor:
        """The times (B,) of those log_snr (B,), by bisection."""
        wanted = log_snr.to(self.linear)
        low, high = torch.zeros_like(wanted), torch.ones_like(wanted)
        for _ in range(40):
            middle = (low + high) / 2
            too_clean = self.log_snr(middle) > wanted
            low, high = torch.where(too_clean, middle, low), torch.where(too_clean, high, middle)
        return (low + high) / 2

    def condition(self, time: torch.Tensor, log_snr: torch.Tensor) -> torch.Tensor:
        """What the network is told: the noise level itself, on a scale of 1000, whatever time it now stands at."""
        return (self.high - log_snr) / (self.high - self.low) * 999.0

    def snap(self, time: torch.Tensor) -> torch.Tensor:
        """Times as they are: VDM trains on continuous time."""
        return time


def variance_loss(schedule: LearnedSchedule, time: torch.Tensor, error: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """A loss whose gradient is that of E[L(t)^2], where L = -1/2 log_snr'(t) |eps - eps_hat|^2 estimates the bound.

    E[L] does not depend on the schedule between its ends (Kingma 2021, eq. 18), so this lowers the variance alone
    (section 5.1). ``error`` (B,): |eps - eps_hat|^2; ``gradient`` (B,): its derivative with respect to log_snr, both
    from the denoiser's own pass. Scaled by the mean of L^2, so that its size does not depend on the data's.
    """
    log_snr, slope = schedule.log_snr(time), schedule.slope(time)
    bound = (-0.5 * slope * error).detach()
    # d L = -1/2 (d slope * error + slope * d error / d log_snr * d log_snr)
    change = -0.5 * (slope * error + slope.detach() * gradient * log_snr)
    return 2 * (bound * change).mean() / bound.square().mean().clamp(min=1e-12)
