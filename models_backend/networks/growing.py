"""Convolutional networks that begin with small pictures and double their side while they train.

Karras et al. 2018 (arXiv:1710.10196), section 2 and figure 2. Every parameter is there from the start; those of levels that
are not reached yet are left alone. As in the authors' program, pictures have their full size outside the networks at every
stage: small ones are enlarged by nearest neighbours when they are made, and averaged over areas when they are judged.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convolutional import ConvDecoder, ConvEncoder, Norm, channels_at, normalised, pyramid
from .dense import Wrap, unchanged

#: A doubling is counted in so many parts: whole numbers are never averaged, and so stay exact.
PARTS = 1 << 20


def beginnings(height: int, width: int) -> dict[int, int]:
    """The sides to begin with, and how often each is doubled until it is that of the whole picture."""
    return {
        max(size): level
        for level, size in enumerate(pyramid(height, width))
        if level and (size[0] << level, size[1] << level) == (height, width)
    }


def doublings(first: int, shape: tuple[int, ...]) -> int:
    """How often pictures of side ``first`` double; 0 begins as small as can be. None do where it does not fit."""
    known = beginnings(*shape[1:])
    return known.get(first, 0) if first else max(known.values(), default=0)


def doubled_at(progress: float, doublings: int, fading: float) -> float:
    """How often the side has doubled at ``progress`` (0 to 1): even stages, the first ``fading`` of each but the first spent on
    fading in. A fraction is the share of the new level."""
    # appendix A.1: 800 k pictures to fade in and 800 k to settle at every side
    place = progress * (doublings + 1)
    stage = min(int(place), doublings)
    return stage - 1 + min(1.0, (place - stage) / fading) if stage else 0.0


def grow(net: nn.Module, doubled: float) -> None:
    """Brings a network's stages to so many doublings."""
    for stage in net.modules():
        if isinstance(stage, Stage):
            stage.grown.fill_(round(doubled * PARTS))


class Stage(nn.Module):
    """How far a network has grown: a buffer, so that checkpoints, averages and whoever samples know it too.

    Level 0 has the whole picture, each further one half the side of the one before; growing begins at ``doublings``."""

    def __init__(self, doublings: int):
        super().__init__()
        self.doublings = doublings
        self.register_buffer("grown", torch.zeros((), dtype=torch.long))

    def levels(self) -> list[int]:
        """The level that is reached, and after it the one that fades in, if one does."""
        reached = self.doublings - int(self.grown // PARTS)
        return [reached, reached - 1] if self.grown % PARTS > 0 else [reached]

    def mixed(self, of_levels: list[Tensor]) -> Tensor:
        """What each of ``levels`` gave, as one: (1 - alpha) old + alpha new."""
        if len(of_levels) == 1:
            return of_levels[0]
        old, new = of_levels
        return old + (self.grown % PARTS) / PARTS * (new - old)

    def seen(self, x: Tensor) -> Tensor:
        """Real pictures (B, C, H, W), no sharper than those that are made at this stage."""
        # figure 2: between two sides, real pictures are mixed as made ones are
        return self.mixed([enlarged(reduced(x, level), level) for level in self.levels()])


def enlarged(x: Tensor, level: int) -> Tensor:
    """Pictures of a level at full size."""
    return F.interpolate(x, scale_factor=2**level, mode="nearest") if level else x


def reduced(x: Tensor, level: int) -> Tensor:
    """Whole pictures at the size of a level: means over areas."""
    return F.avg_pool2d(x, 2**level) if level else x


class GrowingDecoder(ConvDecoder):
    """Latents (B, L) -> pictures (B, C, H, W), unbounded; small ones enlarged."""

    def __init__(self, latent: int, shape: tuple[int, ...], width: int, depth: int = 1, norm: Norm = "group",
                 activation: Callable[[], nn.Module] = nn.SiLU, attention: int = 0, *, doublings: int):  # fmt: skip
        super().__init__(latent, shape, width, depth, norm, activation, attention)
        self.stage = Stage(doublings)
        below = [channels_at(level, width) for level in range(1, doublings + 1)]
        self.colours = nn.ModuleList(nn.Sequential(normalised(norm, c), activation(), nn.Conv2d(c, shape[0], 1)) for c in below)

    def forward(self, z: Tensor) -> Tensor:
        levels, top, made = self.stage.levels(), len(self.blocks), []
        h = self.first(z).unflatten(1, self.start)
        for level in range(top, levels[-1] - 1, -1):
            h = self.blocks[top - level](h) if level else self.last[0](h)
            if level in levels:
                picture = self.colours[level - 1](h) if level else self.last[1:](h)
                made.append(enlarged(picture, level))
            if level > levels[-1]:
                h = self.ups[top - level](F.interpolate(h, size=self.sizes[top - level + 1], mode="nearest"))
        return self.stage.mixed(made)


class GrowingEncoder(ConvEncoder):
    """Pictures (B, C, H, W) of full size -> features (B, out), of what the stage shows of them."""

    def __init__(self, shape: tuple[int, ...], out: int, width: int, depth: int = 1, norm: Norm = "group",
                 activation: Callable[[], nn.Module] = nn.SiLU, wrap: Wrap = unchanged, attention: int = 0, *,
                 doublings: int):  # fmt: skip
        super().__init__(shape, out, width, depth, norm, activation, wrap, attention)
        self.stage = Stage(doublings)
        below = [channels_at(level, width) for level in range(1, doublings + 1)]
        self.colours = nn.ModuleList(wrap(nn.Conv2d(shape[0], c, 1)) for c in below)

    def forward(self, x: Tensor) -> Tensor:
        levels = self.stage.levels()
        entered = [self._entered(x, level) for level in levels]
        if len(levels) == 2:
            entered[1] = self._down(entered[1], levels[1], levels[0])
        return self.out(self._down(self.stage.mixed(entered), levels[0]))

    def _entered(self, x: Tensor, level: int) -> Tensor:
        return (self.colours[level - 1] if level else self.stages[0])(reduced(x, level))

    def _down(self, h: Tensor, level: int, until: int | None = None) -> Tensor:
        """From the maps of one level to those of another, or to the end; each has a block, a rectifier and a convolution."""
        for layer in islice(self.stages, 1 + 3 * level, None if until is None else 1 + 3 * until):
            h = layer(h)
        return h
