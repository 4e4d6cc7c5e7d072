"""The variance of an ancestral step, learned (Nichol & Dhariwal 2021, arXiv:2102.09672, sections 3.1 and 3.3).

Beside its prediction a network tells v (B, *shape): at 1 a step's noise has the variance of the forward step, beta, at -1 that
of its posterior, beta-tilde, with log variances in proportion between them. v is taught by the variational bound, a sum over
the published levels of a table, in bits per dimension.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .schedules import TabulatedSchedule

#: lambda of L_hybrid = L_simple + lambda L_vlb (section 3.1).
SHARE = 0.001

#: Half the distance between two grey values of 256 in [-1, 1].
HALF_GREY = 1 / 255


class Step(NamedTuple):
    """From each item's level to the one before: what the posterior's mean takes of x_0, and the log variances of posterior
    and forward step, all (B, 1, ...). ``first`` (B,): the step that ends clean."""

    share: Tensor
    small: Tensor
    large: Tensor
    first: Tensor


def step(schedule: TabulatedSchedule, time: Tensor, like: Tensor) -> Step:
    """Of levels at times (B,) of the table, for items like ``like`` (B, ...)."""
    log_snr = schedule.table(time.device)
    signal, noise = F.logsigmoid(log_snr), F.logsigmoid(-log_snr)  # logs of alpha-bar and 1 - alpha-bar
    before = F.pad(signal[:-1], (1, 0))
    large = (-torch.expm1(signal - before)).log()
    small = large[1:] + noise[:-1] - noise[1:]  # Ho 2020, eq. 7
    small = torch.cat([small[:1], small])  # the first step's is zero: the second's, as published
    share = (before / 2 + large - noise).exp()
    k = (time * schedule.steps).round().long() - 1
    shape = (-1, *[1] * (like.ndim - 1))
    return Step(*(values[k].float().view(shape) for values in (share, small, large)), k == 0)


def bits(schedule: TabulatedSchedule, time: Tensor, x0: Tensor, clean: Tensor, v: Tensor) -> Tensor:
    """L_vlb in bits per dimension as each item (B,) estimates it: its level's term times the number of levels. ``clean``: x_0
    as predicted. Without L_T, which nothing changes."""
    at, x0, clean = step(schedule, time, x0), x0.float(), clean.detach().float()
    # Nichol & Dhariwal 2021, eq. 15
    logvar = at.small + (v.float() + 1) / 2 * (at.large - at.small)
    # x_t drops out of the difference of the two means
    apart = kl(at.share * (x0 - clean), at.small, logvar)
    nats = torch.where(at.first.view_as(at.small), -log_grey(x0, clean, logvar), apart)
    return schedule.steps * nats.flatten(1).mean(1) / math.log(2)


def kl(difference: Tensor, logvar: Tensor, other: Tensor) -> Tensor:
    """KL(N(m, exp(logvar)) || N(m + difference, exp(other))) of each dimension, in nats."""
    return 0.5 * (other - logvar - 1 + (logvar - other).exp() + difference.square() * (-other).exp())


def log_grey(x0: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """log probability of each of the 256 grey values x0 in [-1, 1], the outermost reaching on for ever (Ho 2020, eq. 13)."""
    precision = (-0.5 * logvar).exp()
    above, below = (torch.special.ndtr(precision * (x0 + edge - mean)) for edge in (HALF_GREY, -HALF_GREY))
    above, below = above.masked_fill(x0 > 0.999, 1.0), below.masked_fill(x0 < -0.999, 0.0)
    return (above - below).clamp(min=1e-12).log()
