"""From a picture of one kind to a picture of another: the generator of Johnson et al. 2016, as CycleGAN uses it."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn


def _norm(width: int) -> nn.Module:
    """Instance norm (one group a channel), which unlike nn.InstanceNorm2d takes maps of a single value."""
    return nn.GroupNorm(width, width)


def _conv(c: int, k: int, side: int, stride: int = 1) -> list[nn.Module]:
    return [nn.ReflectionPad2d(side // 2), nn.Conv2d(c, k, side, stride)]


class Residual(nn.Module):
    """x + two normalised 3 x 3 convolutions of it."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(*_conv(width, width, 3), _norm(width), nn.ReLU(), *_conv(width, width, 3), _norm(width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class ResnetGenerator(nn.Module):
    """Pictures (B, C, H, W) in [-1, 1] -> the same shape and range (Zhu et al. 2017, appendix 7.2): a 7 x 7 convolution,
    ``halvings`` strided ones, ``blocks`` residual blocks, and up again. Sides must be multiples of 2**halvings."""

    def __init__(self, channels: int, width: int, blocks: int, halvings: int, first: int = 7):
        super().__init__()
        widths = [width * 2**i for i in range(halvings + 1)]
        body = [*_conv(channels, width, first), _norm(width), nn.ReLU()]
        for c, k in itertools.pairwise(widths):
            body += [*_conv(c, k, 3, stride=2), _norm(k), nn.ReLU()]
        body += [Residual(widths[-1]) for _ in range(blocks)]
        for c, k in zip(widths[:0:-1], widths[-2::-1], strict=True):
            body += [nn.Upsample(scale_factor=2), *_conv(c, k, 3), _norm(k), nn.ReLU()]
        self.body = nn.Sequential(*body, *_conv(width, channels, first), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class History(nn.Module):
    """Made pictures of the past, for a judge to be shown beside new ones (Shrivastava et al. 2017, section 2.3).

    Buffers only, so that it is saved with a checkpoint and a resumed run goes on bit by bit."""

    def __init__(self, shape: tuple[int, ...], size: int):
        super().__init__()
        self.register_buffer("kept", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def exchange(self, made: Tensor, generator: torch.Generator | None) -> Tensor:
        """As many pictures as ``made`` (B, C, H, W): each is kept while there is room; afterwards half of them are
        replaced by one of the past, whose place they take. Nothing is drawn or kept where there is no room at all."""
        size, shown = len(self.kept), made.clone()
        if not size:
            return shown
        swap = torch.rand(len(made), generator=generator, device=made.device) < 0.5
        place = torch.randint(size, (len(made),), generator=generator, device=made.device)
        for i in range(len(made)):
            count = int(self.count)
            if count < size:
                self.kept[count] = made[i]
                self.count += 1
            elif swap[i]:
                shown[i] = self.kept[place[i]]
                self.kept[place[i]] = made[i]
        return shown
