"""The variational bound in nats, summed over dimensions (Kingma & Welling 2014, arXiv:1312.6114).

Everything here is per item, (B,), unless it says otherwise; no function averages over dimensions, so that beta = 1
is the bound itself whatever the size of the items.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, 1)) of each dimension, (B, L)."""
    # Kingma & Welling 2014, appendix B
    return 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar)


def reparameterised(mean: Tensor, logvar: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A draw from N(mean, exp(logvar)) through which gradients flow; z = mu + sigma eps."""
    eps = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + (0.5 * logvar).exp() * eps


def gaussian_log_likelihood(x: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    """log N(x; mean, sigma^2 I), summed over everything but the batch."""
    density = -0.5 * ((x - mean) / log_sigma.exp()).square() - log_sigma - 0.5 * LOG_2PI
    return density.flatten(1).sum(1)


def laplace_log_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """log of the Laplace density with that scale, summed over everything but the batch."""
    density = -(x - mean).abs() / log_scale.exp() - log_scale - math.log(2.0)
    return density.flatten(1).sum(1)


def with_free_bits(kl: Tensor, nats: float) -> Tensor:
    """The KL that is charged, a scalar: every dimension costs at least ``nats`` on the mean of the batch."""
    # Kingma et al. 2016 (arXiv:1606.04934), eq. 15, one group a dimension
    return kl.mean(0).clamp_min(nats).sum()


def cyclical(progress: float, cycles: int, rise: float) -> float:
    """Weight in [0, 1] that rises over the share ``rise`` of each of ``cycles`` equal cycles, then stays at one."""
    # Fu et al. 2019 (arXiv:1903.10145), eq. 6 and 7
    within = (progress * cycles) % 1.0 if progress < 1.0 else 1.0
    return min(1.0, within / rise) if rise > 0 else 1.0


def importance_bound(log_weights: Tensor) -> Tensor:
    """The k-sample bound log 1/k sum w_i over the first axis, (k, B) -> (B,)."""
    # Burda et al. 2016 (arXiv:1509.00519), eq. 8
    return torch.logsumexp(log_weights, 0) - math.log(log_weights.shape[0])


def doubly_reparameterised(log_weights: Tensor, z: Tensor) -> Tensor:
    """A scalar worth the mean k-sample bound, whose gradient is the doubly reparameterised one. ``log_weights`` (k, B) of
    draws ``z`` (k, B, L), with the posterior's own parameters held still in them; that z moves teaches the encoder."""
    # Tucker et al. 2019 (arXiv:1810.04152), eq. 8: w / sum w for the decoder, its square for the encoder
    share = torch.softmax(log_weights.detach(), 0)
    z.register_hook(lambda slope: share[..., None] * slope)
    value = (share * log_weights).sum(0).mean()
    return value + (importance_bound(log_weights).mean() - value).detach()


def standard_normal_log_density(z: Tensor) -> Tensor:
    """log N(z; 0, I), (B, L) -> (B,)."""
    return (-0.5 * z.square() - 0.5 * LOG_2PI).sum(-1)


def gaussian_log_density(z: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """log N(z; mean, exp(logvar)), (..., L) -> (...)."""
    return standard_normal_log_density((z - mean) * (-0.5 * logvar).exp()) - 0.5 * logvar.sum(-1)


def active_units(means: Tensor, threshold: float = 0.01) -> int:
    """Dimensions whose posterior mean moves with the data: variance over items above ``threshold``."""
    # Burda et al. 2016, section 5.2
    return int((means.var(0, correction=0) > threshold).sum())
