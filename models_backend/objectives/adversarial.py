"""Adversarial losses on logits and the penalties that keep them steady.

Logits stay logits: log(sigmoid) is always taken as softplus, which neither saturates nor overflows.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))) from logits; real labels are 1 - ``smoothing``, fake ones stay 0."""
    # Goodfellow et al. 2014 (arXiv:1406.2661), eq. 1; one-sided smoothing: Salimans et al. 2016 (arXiv:1606.03498), 3.4
    on_real = (1.0 - smoothing) * F.softplus(-real) + smoothing * F.softplus(real)
    return on_real.mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """-E log D(G(z)) from logits: the non-saturating form."""
    # Goodfellow et al. 2014, section 3
    return F.softplus(-fake).mean()


def hinge_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))), halved; over logits of any shape."""
    # Lim & Ye 2017 (arXiv:1705.02894), eq. 10; halved as in Esser et al. 2021 (arXiv:2012.09841)
    return 0.5 * (F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean())


def hinge_generator_loss(fake: Tensor) -> Tensor:
    """-E D(G(z)): linear, so that it never saturates."""
    return -fake.mean()


def balance(reconstruction: Tensor, adversarial: Tensor, last: Tensor, most: float = 1e4) -> Tensor:
    """How much the adversarial loss must weigh to move the ``last`` weight as far as the reconstruction does; detached."""
    # Esser et al. 2021 (arXiv:2012.09841), eq. 7
    (towards,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
    (against,) = torch.autograd.grad(adversarial, last, retain_graph=True)
    return (towards.norm() / (against.norm() + 1e-4)).clamp(0.0, most).detach()


def r1_penalty(discriminator: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """E |grad_x D(x)|^2 on real items, of the logit; multiply by gamma / 2."""
    # Mescheder et al. 2018 (arXiv:1801.04406), eq. 9
    x = x.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(1).mean()


def accuracy(real: Tensor, fake: Tensor) -> Tensor:
    """Share of items that the logits put on the right side; 0.5 is what a perfect generator leaves."""
    return 0.5 * ((real > 0).float().mean() + (fake < 0).float().mean())


def shifted(x: Tensor, generator: torch.Generator | None, share: float = 0.125) -> Tensor:
    """Each picture (B, C, H, W) moved by up to ``share`` of its side, edges repeated; gradients flow through."""
    # Zhao et al. 2020 (arXiv:2006.10738), "translation"; edges repeat so that no false border appears
    b, _, h, w = x.shape
    rows = _moved(b, h, share, generator, x.device)
    columns = _moved(b, w, share, generator, x.device)
    item = torch.arange(b, device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[item, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _moved(batch: int, side: int, share: float, generator: torch.Generator | None, device: torch.device) -> Tensor:
    most = max(1, round(side * share))
    move = torch.randint(-most, most + 1, (batch, 1), generator=generator, device=device)
    return (torch.arange(side, device=device)[None] + move).clamp(0, side - 1)
