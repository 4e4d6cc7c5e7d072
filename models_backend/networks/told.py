"""Generator and discriminators that are told the class of an item; the row after the last class stands for none."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .bodies import Body
from .critic import FEATURES, Discriminator, Generator


def any_class(z: Tensor, classes: int) -> Tensor:
    """A class (B,) for each Gaussian latent (B, L), all equally likely: by its first number, from low to high."""
    share = torch.special.ndtr(z[:, 0].float())
    return (share * classes).long().clamp(0, classes - 1)


class ToldGenerator(nn.Module):
    """Latents (B, L) and classes (B,) -> items: the class stands beside the latent as ``width`` learned numbers."""

    # Mirza & Osindero 2014 (arXiv:1411.1784), figure 1
    def __init__(self, body: Generator, classes: int, width: int):
        super().__init__()
        self.table, self.body = nn.Embedding(classes + 1, width), body

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.body(torch.cat([z, self.table(label).to(z.dtype)], 1))


class ProjectingDiscriminator(Discriminator):
    """(items (B, *shape), classes (B,)) -> scores (B,): whether it is real, and whether it fits its class."""

    # Miyato & Koyama 2018 (arXiv:1802.05637), eq. 3: psi(phi(x)) + <v_y, phi(x)>
    def __init__(self, classes: int, body: Body, shape: tuple[int, ...], bound: bool, attention: int = 0):
        super().__init__(body, shape, bound, attention=attention)
        table = nn.Embedding(classes + 1, FEATURES)
        nn.init.normal_(table.weight, std=FEATURES**-0.5)
        self.table = spectral_norm(table) if bound else table

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        h = self.describe(x)
        return self.score(h) + (self.table(label) * self.last[0](h)).sum(1)


class ClassifyingDiscriminator(Discriminator):
    """Items (B, *shape) -> scores (B,); ``verdict`` names the class too."""

    # Odena et al. 2017 (arXiv:1610.09585), section 3
    def __init__(self, classes: int, body: Body, shape: tuple[int, ...], bound: bool, attention: int = 0):
        super().__init__(body, shape, bound, attention=attention)
        naming = nn.Linear(FEATURES, classes)
        self.naming = nn.Sequential(nn.LeakyReLU(0.2), spectral_norm(naming) if bound else naming)

    def verdict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B,) and class logits (B, K)."""
        h = self.describe(x)
        return self.score(h), self.naming(h)
