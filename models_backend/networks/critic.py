"""Generator and discriminator of an adversarial pair."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .bodies import Body, decoder, encoder
from .convolutional import Norm
from .dense import unchanged

#: Slope of the leaky rectifier (Radford et al. 2016).
LEAK = 0.2


class Generator(nn.Module):
    """Latents (B, L) -> items (B, *shape); pictures end in tanh, points are unbounded."""

    def __init__(self, body: Body, latent: int, shape: tuple[int, ...], norm: Norm, bounded: bool):
        super().__init__()
        self.body = decoder(body, latent, shape, norm, partial(nn.LeakyReLU, LEAK))
        self.bounded = bounded

    def forward(self, z: Tensor) -> Tensor:
        x = self.body(z)
        return x.tanh() if self.bounded else x


class Discriminator(nn.Module):
    """Items (B, *shape) -> logits (B,): positive means real. No normalisation layers, so that R1 is per item."""

    def __init__(self, body: Body, shape: tuple[int, ...], bound: bool, spread: bool):
        super().__init__()
        wrap = spectral_norm if bound else unchanged
        self.features = encoder(body, shape, FEATURES, "none", partial(nn.LeakyReLU, LEAK), wrap)
        self.spread = spread
        self.last = nn.Sequential(nn.LeakyReLU(LEAK), wrap(nn.Linear(FEATURES + int(spread), 1)))

    def forward(self, x: Tensor) -> Tensor:
        h = self.features(x)
        if self.spread:
            h = torch.cat([h, batch_spread(h)], 1)
        return self.last(h)[:, 0]


#: Features of which the discriminator's last layer judges.
FEATURES = 128


def batch_spread(h: Tensor) -> Tensor:
    """One extra feature (B, 1), the same for all: how far the batch's features stand apart on average."""
    # Karras et al. 2018 (arXiv:1710.10196), section 3; the root is kept away from zero for its gradient
    std = (h.var(0, correction=0) + 1e-8).sqrt().mean()
    return std.expand(len(h), 1)
