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

    def __init__(self, body: Body, latent: int, shape: tuple[int, ...], norm: Norm, bounded: bool, attention: int = 0,
                 doublings: int = 0):  # fmt: skip
        super().__init__()
        self.body = decoder(body, latent, shape, norm, partial(nn.LeakyReLU, LEAK), attention, doublings)
        self.bounded = bounded

    def forward(self, z: Tensor) -> Tensor:
        x = self.body(z)
        return x.tanh() if self.bounded else x


class Discriminator(nn.Module):
    """Items (B, *shape) -> scores (B,): high means real. Without normalisation layers, or with layer norm: each item is
    judged by itself, so that penalties on its slope mean what they say. ``offset``: whether all scores may be moved alike."""

    def __init__(self, body: Body, shape: tuple[int, ...], bound: bool = False, spread: bool = False, norm: Norm = "none",
                 offset: bool = True, attention: int = 0, kernels: int = 0, doublings: int = 0):  # fmt: skip
        super().__init__()
        wrap = spectral_norm if bound else unchanged
        self.features = encoder(body, shape, FEATURES, norm, partial(nn.LeakyReLU, LEAK), wrap, attention, doublings)
        self.spread, width = spread, FEATURES + int(spread) + kernels
        self.likeness = Likeness(FEATURES, kernels) if kernels else None
        self.last = nn.Sequential(nn.LeakyReLU(LEAK), wrap(nn.Linear(width, 1, bias=offset)))

    def describe(self, x: Tensor) -> Tensor:
        """What the last layer judges by, (B, FEATURES) and more."""
        h = self.features(x)
        beside = [batch_spread(h)] if self.spread else []
        if self.likeness is not None:
            beside.append(self.likeness(h))
        return torch.cat([h, *beside], 1) if beside else h

    def score(self, h: Tensor) -> Tensor:
        """Scores (B,) of items described as h."""
        return self.last(h)[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.describe(x))


#: Features of which the discriminator's last layer judges.
FEATURES = 128


class Likeness(nn.Module):
    """Features (B, F) -> (B, kernels): how like the rest of the batch each item is, in so many learned ways; 0 to 1."""

    # Salimans et al. 2016 (arXiv:1606.03498), section 3.2; a mean over the others, so that the batch's size does not matter
    def __init__(self, features: int, kernels: int, width: int = 5):
        super().__init__()
        self.kernels, self.seen = kernels, nn.Linear(features, kernels * width, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        m = self.seen(h).unflatten(1, (self.kernels, -1))
        alike = (-(m[:, None] - m[None]).abs().sum(3)).exp().sum(1)  # (B, kernels), each item's likeness to itself is 1
        return (alike - 1.0) / max(1, len(h) - 1)


def batch_spread(h: Tensor) -> Tensor:
    """One extra feature (B, 1), the same for all: how far the batch's features stand apart on average."""
    # Karras et al. 2018 (arXiv:1710.10196), section 3; the root is kept away from zero for its gradient
    std = (h.var(0, correction=0) + 1e-8).sqrt().mean()
    return std.expand(len(h), 1)
