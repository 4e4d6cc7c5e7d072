"""Plain perceptrons: the encoder, decoder, generator and discriminator of points and of very small items."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

Wrap = Callable[[nn.Module], nn.Module]


def unchanged(layer: nn.Module) -> nn.Module:
    """The identity of wraps, where spectral norm might stand instead."""
    return layer


class Perceptron(nn.Module):
    """(B, *shape_in) -> (B, *shape_out) through ``depth`` hidden layers of ``width``."""

    def __init__(self, shape_in: tuple[int, ...], shape_out: tuple[int, ...], width: int, depth: int,
                 activation: Callable[[], nn.Module] = nn.SiLU, wrap: Wrap = unchanged,
                 layer_norm: bool = False):  # fmt: skip
        super().__init__()
        self.shape_out = shape_out
        widths = [math.prod(shape_in), *[width] * depth]
        layers: list[nn.Module] = [nn.Flatten()]
        for a, b in pairwise(widths):
            layers += [wrap(nn.Linear(a, b)), *([nn.LayerNorm(b)] if layer_norm else []), activation()]
        layers.append(wrap(nn.Linear(widths[-1], math.prod(shape_out))))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).unflatten(1, self.shape_out)
