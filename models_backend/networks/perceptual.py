"""A distance of pictures as a network sees them (Zhang et al. 2018, arXiv:1801.03924), with the network left open."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .convolutional import Block
from .reader import Reader


class Perceptual(nn.Module):
    """Distance (B,) of pictures (B, C, H, W): squared differences of a reader's maps, each place's features at length one,
    meant over places and over sizes. The reader never learns, and pictures reach it without noise: it stays in eval mode."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0, weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        classes = len(weights["last.bias"]) if weights else 2
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.reader = Reader(shape, classes)
        if weights:
            self.reader.load_state_dict(weights)
        del self.reader.squeeze, self.reader.last  # places only: what lies behind them has no maps
        self.train(False).requires_grad_(False)

    def train(self, mode: bool = True) -> Perceptual:
        """Stays in eval mode: batch norm and dropout would make the distance a matter of luck."""
        return super().train(False)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The features of each size, every place at length one."""
        found, h = [], x
        for stage in list(self.reader.stages)[:-3]:  # the last three make a vector of them
            h = stage(h)
            if isinstance(stage, Block):
                found.append(h / (h.square().sum(1, keepdim=True) + 1e-8).sqrt())
        return found

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        # Zhang et al. 2018, eq. 1, every channel weighing one
        apart = [(a - b).square().sum(1).mean((1, 2)) for a, b in zip(self.maps(x), self.maps(y), strict=True)]
        return torch.stack(apart).mean(0)


def fitting(weights: Mapping[str, Tensor], shape: tuple[int, ...]) -> bool:
    """Whether these are a reader's weights for pictures of that shape."""
    if "last.bias" not in weights:
        return False
    with torch.device("meta"):
        expected = Reader(shape, len(weights["last.bias"])).state_dict()
    return {k: v.shape for k, v in expected.items()} == {k: v.shape for k, v in weights.items()}
