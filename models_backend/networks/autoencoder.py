"""Encoders to a Gaussian posterior and decoders to the mean of a likelihood, as one module with one optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .bodies import Body, decoder, encoder
from .dense import Perceptron

#: Bounds of log variance: below, a posterior is a point in float32; above, exp() would drown the loss.
LOGVAR_LOW, LOGVAR_HIGH = -14.0, 8.0

#: The one number that every value of every item teaches may move this much faster than a weight (Adam moves all alike).
SCALE_PACE = 10.0

#: Features that an encoder makes of an item before it is told the class.
SEEN = 128

#: (mean, log variance), each (B, L) -> the latent that goes on: a draw, or the mean.
Draw = Callable[[Tensor, Tensor], Tensor]


def mean_and_logvar(values: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer says (B, 2 L) as a mean and a bounded log variance, each (B, L), float32."""
    mean, logvar = values.float().chunk(2, dim=1)
    return mean, logvar.clamp(LOGVAR_LOW, LOGVAR_HIGH)


class Likelihood(nn.Module):
    """``log_scale`` is the likelihood's log width (a scalar), trained if ``learn_scale``, bounded below by ``floor``."""

    def __init__(self, scale: float, learn_scale: bool, floor: float):
        super().__init__()
        self.floor = floor
        start = torch.tensor(float(scale)).log() / SCALE_PACE
        if learn_scale:
            self.raw_log_scale = nn.Parameter(start)
        else:
            self.register_buffer("raw_log_scale", start)

    @property
    def log_scale(self) -> Tensor:
        """The log width used, never below the floor: a perfect reconstruction would else earn unbounded density."""
        return (SCALE_PACE * self.raw_log_scale.float()).clamp_min(math.log(self.floor))


class Autoencoder(Likelihood):
    """Items to one latent vector and back."""

    def __init__(self, encoder_body: Body, decoder_body: Body, shape: tuple[int, ...], latent: int,
                 scale: float, learn_scale: bool, floor: float):  # fmt: skip
        super().__init__(scale, learn_scale, floor)
        self.encoder = encoder(encoder_body, shape, 2 * latent)
        self.decoder = decoder(decoder_body, latent, shape)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Items -> mean and log variance of q(z|x), each (B, L), float32."""
        return mean_and_logvar(self.encoder(x))

    def decode(self, z: Tensor) -> Tensor:
        """Latents (B, L) -> means (B, *shape), float32."""
        return self.decoder(z).float()

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x)[0])


class ClassAutoencoder(Likelihood):
    """Encoder and decoder that are told a class, the last row of ``classes`` standing for none. With ``learn_prior`` the
    latents of each class have a Gaussian of their own, N(0, I) at the start."""

    def __init__(self, encoder_body: Body, decoder_body: Body, shape: tuple[int, ...], latent: int, rows: int, told: int,
                 learn_prior: bool, scale: float, learn_scale: bool, floor: float):  # fmt: skip
        super().__init__(scale, learn_scale, floor)
        self.classes = nn.Embedding(rows, told)
        self.encoder = encoder(encoder_body, shape, SEEN)
        self.posterior = Perceptron((SEEN + told,), (2 * latent,), SEEN, 1)
        self.decoder = decoder(decoder_body, latent + told, shape)
        self.priors = nn.Embedding(rows, 2 * latent) if learn_prior else None
        if self.priors is not None:
            nn.init.zeros_(self.priors.weight)

    def encode(self, x: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Items and classes (B,) -> mean and log variance, each (B, L), of the posterior in white latents."""
        return mean_and_logvar(self.posterior(torch.cat([self.encoder(x), self.classes(label)], 1)))

    def decode(self, z: Tensor, label: Tensor) -> Tensor:
        """White latents (B, L) and classes (B,) -> means (B, *shape), float32."""
        if self.priors is not None:
            mean, logvar = mean_and_logvar(self.priors(label))
            z = mean + (0.5 * logvar).exp() * z
        return self.decoder(torch.cat([z, self.classes(label)], 1)).float()
