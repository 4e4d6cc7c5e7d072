"""An encoder to a Gaussian posterior and a decoder to the mean of a likelihood, as one module with one optimiser."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .bodies import Body, decoder, encoder

#: Bounds of log variance: below, a posterior is a point in float32; above, exp() would drown the loss.
LOGVAR_LOW, LOGVAR_HIGH = -14.0, 8.0

#: The one number that every value of every item teaches may move this much faster than a weight (Adam moves all alike).
SCALE_PACE = 10.0


class Autoencoder(nn.Module):
    """``log_scale`` is the likelihood's log width (a scalar), trained if ``learn_scale``, bounded below by ``floor``."""

    def __init__(self, encoder_body: Body, decoder_body: Body, shape: tuple[int, ...], latent: int,
                 scale: float, learn_scale: bool, floor: float):  # fmt: skip
        super().__init__()
        self.encoder = encoder(encoder_body, shape, 2 * latent)
        self.decoder = decoder(decoder_body, latent, shape)
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

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Items -> mean and log variance of q(z|x), each (B, L), float32."""
        mean, logvar = self.encoder(x).float().chunk(2, dim=1)
        return mean, logvar.clamp(LOGVAR_LOW, LOGVAR_HIGH)

    def decode(self, z: Tensor) -> Tensor:
        """Latents (B, L) -> means (B, *shape), float32."""
        return self.decoder(z).float()

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x)[0])
