"""Convolutional encoders and decoders for pictures of any size, odd ones included.

The side is halved, rounding up, until it is at most ``SMALLEST``; the decoder walks the same list of sizes
backwards and resizes to each exactly, so that what comes out always has the shape of what went in.
Layout after DCGAN (Radford et al. 2016, arXiv:1511.06434): strided convolutions down, no pooling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from .dense import Wrap, unchanged
from .self_attention import SelfAttention

Norm = Literal["none", "group", "batch", "layer"]
SMALLEST = 4
WIDEST = 8


def pyramid(height: int, width: int) -> list[tuple[int, int]]:
    """The sizes of a picture on its way down, the full one first: (28, 28) (14, 14) (7, 7) (4, 4)."""
    sizes = [(height, width)]
    while max(sizes[-1]) > SMALLEST:
        h, w = sizes[-1]
        sizes.append(((h + 1) // 2, (w + 1) // 2))
    return sizes


def channels_at(level: int, width: int) -> int:
    """Channels double with every halving, up to ``WIDEST`` times the first width."""
    return width * min(2**level, WIDEST)


def normalised(norm: Norm, channels: int) -> nn.Module:
    """The normalisation layer of that name; groups of at least four channels, all of them for layer norm."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "layer":
        return nn.GroupNorm(1, channels)
    if norm == "group":
        return nn.GroupNorm(next(g for g in (8, 4, 2, 1) if channels % (4 * g) == 0 or g == 1), channels)
    return nn.Identity()


class Block(nn.Module):
    """``depth`` residual pairs norm -> activation -> 3 x 3 convolution at one size."""

    def __init__(self, channels: int, depth: int, norm: Norm, activation: Callable[[], nn.Module], wrap: Wrap):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(normalised(norm, channels), activation(), wrap(nn.Conv2d(channels, channels, 3, padding=1)))
            for _ in range(depth)
        )

    def forward(self, h: Tensor) -> Tensor:
        for layer in self.layers:
            h = h + layer(h)
        return h


def attending(block: nn.Module, channels: int, size: tuple[int, int], side: int, wrap: Wrap = unchanged) -> nn.Module:
    """The block, with self-attention behind it where its maps' longer side is ``side``."""
    return nn.Sequential(block, SelfAttention(channels, wrap)) if side and max(size) == side else block


class ConvEncoder(nn.Module):
    """Pictures (B, C, H, W) -> features (B, out). ``attention``: the side of the maps that attend to themselves, 0 none."""

    def __init__(self, shape: tuple[int, ...], out: int, width: int, depth: int = 1, norm: Norm = "group",
                 activation: Callable[[], nn.Module] = nn.SiLU, wrap: Wrap = unchanged, attention: int = 0):  # fmt: skip
        super().__init__()
        sizes = pyramid(*shape[1:])
        stages: list[nn.Module] = [wrap(nn.Conv2d(shape[0], width, 3, padding=1))]
        for level in range(1, len(sizes)):
            c, below = channels_at(level - 1, width), channels_at(level, width)
            block = Block(c, depth, norm, activation, wrap)
            stages += [attending(block, c, sizes[level - 1], attention, wrap), activation(),
                       wrap(nn.Conv2d(c, below, 3, stride=2, padding=1))]  # fmt: skip
        last = channels_at(len(sizes) - 1, width)
        block = attending(Block(last, depth, norm, activation, wrap), last, sizes[-1], attention, wrap)
        stages += [block, normalised(norm, last), activation(), nn.Flatten()]
        self.stages = nn.Sequential(*stages)
        self.out = wrap(nn.Linear(last * sizes[-1][0] * sizes[-1][1], out))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.stages(x))


class ConvDecoder(nn.Module):
    """Latents (B, L) -> pictures (B, C, H, W), unbounded: a likelihood's mean, or a picture before tanh."""

    def __init__(self, latent: int, shape: tuple[int, ...], width: int, depth: int = 1, norm: Norm = "group",
                 activation: Callable[[], nn.Module] = nn.SiLU, attention: int = 0):  # fmt: skip
        super().__init__()
        self.sizes = pyramid(*shape[1:])[::-1]
        top = len(self.sizes) - 1
        self.start = (channels_at(top, width), *self.sizes[0])
        self.first = nn.Linear(latent, self.start[0] * self.start[1] * self.start[2])
        self.blocks, self.ups = nn.ModuleList(), nn.ModuleList()
        for level in range(top, 0, -1):
            c, above = channels_at(level, width), channels_at(level - 1, width)
            block = Block(c, depth, norm, activation, unchanged)
            self.blocks.append(attending(block, c, self.sizes[top - level], attention))
            self.ups.append(nn.Conv2d(c, above, 3, padding=1))
        self.last = nn.Sequential(
            attending(Block(width, depth, norm, activation, unchanged), width, self.sizes[-1], attention),
            normalised(norm, width), activation(),
            nn.Conv2d(width, shape[0], 3, padding=1),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        h = self.first(z).unflatten(1, self.start)
        for size, block, up in zip(self.sizes[1:], self.blocks, self.ups):
            h = up(F.interpolate(block(h), size=size, mode="nearest"))
        return self.last(h)
