"""An autoencoder of several levels of latents, told from the top down (Sonderby et al. 2016, arXiv:1602.02282).

Every level's latent is white: level l says z_l = mean_l(state) + std_l(state) e_l of the state that the levels above left,
and the encoder says its posterior of e_l. That is the residual posterior of Vahdat & Kautz 2020 (arXiv:2007.03898, eq. 2),
relative to the prior of that level: a level with nothing to add says N(0, I).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .autoencoder import Draw, Likelihood, mean_and_logvar
from .bodies import Body, decoder, encoder
from .dense import Perceptron


class Level(nn.Module):
    """One level: its prior given the state from above, its posterior given the item's features too, and what it adds to the
    state. ``top``: nothing is above, its prior is N(0, I)."""

    def __init__(self, latent: int, width: int, top: bool):
        super().__init__()
        self.prior = None if top else Perceptron((width,), (2 * latent,), width, 1)
        hidden = 0 if top else 1  # one level alone is the plain autoencoder
        self.posterior = Perceptron((width if top else 2 * width,), (2 * latent,), width, hidden)
        self.adds = Perceptron((latent if top else latent + width,), (width,), width, hidden)
        if self.prior is not None:
            nn.init.zeros_(self.prior.layers[-1].weight)
            nn.init.zeros_(self.prior.layers[-1].bias)

    def infer(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the white latent, each (B, L)."""
        seen = features if self.prior is None else torch.cat([features, state], 1)
        return mean_and_logvar(self.posterior(seen))

    def forward(self, state: Tensor, white: Tensor) -> Tensor:
        """The state (B, width) with this level's latent in it."""
        if self.prior is None:
            return self.adds(white)
        mean, logvar = mean_and_logvar(self.prior(state))
        z = mean + (0.5 * logvar).exp() * white
        return state + self.adds(torch.cat([z, state], 1))


class LadderAutoencoder(Likelihood):
    """``levels`` levels of ``latent`` dimensions each, the top one first in every latent (B, levels * latent)."""

    def __init__(self, encoder_body: Body, decoder_body: Body, shape: tuple[int, ...], levels: int, latent: int, width: int,
                 scale: float, learn_scale: bool, floor: float):  # fmt: skip
        super().__init__(scale, learn_scale, floor)
        self.levels, self.latent, self.width = levels, latent, width
        self.encoder = encoder(encoder_body, shape, width)
        self.climb = nn.ModuleList(Perceptron((width,), (width,), width, 1) for _ in range(levels - 1))
        self.ladder = nn.ModuleList(Level(latent, width, top=level == 0) for level in range(levels))
        self.decoder = decoder(decoder_body, width, shape)

    def features(self, x: Tensor) -> list[Tensor]:
        """What the way up sees at each level, (B, width), the top one first."""
        seen = [self.encoder(x)]
        for layer in self.climb:
            seen.append(seen[-1] + layer(seen[-1]))
        return seen[::-1]

    def encode(self, x: Tensor, draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
        """White latents as ``draw`` takes each level's, given those above it, with mean and log variance, each
        (B, levels * latent)."""
        state, found = x.new_zeros(len(x), self.width), []
        for level, features in zip(self.ladder, self.features(x), strict=True):
            mean, logvar = level.infer(features, state)
            found.append((draw(mean, logvar), mean, logvar))
            state = level(state, found[-1][0])
        white, means, logvars = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        return white, means, logvars

    def decode(self, white: Tensor) -> Tensor:
        """White latents (B, levels * latent) -> means (B, *shape), float32."""
        state = white.new_zeros(len(white), self.width)
        for level, part in zip(self.ladder, white.split(self.latent, 1), strict=True):
            state = level(state, part)
        return self.decoder(state).float()
