"""A residual multilayer perceptron for points, told the time."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import torch
from torch import nn

from models_backend.contract.fields import Field

from .embeddings import TimeEmbedding


class PointMLP(msgspec.Struct, frozen=True, tag="mlp"):
    """A residual perceptron: for points."""

    title: ClassVar[str] = "MLP"
    width: Annotated[int, Field("Units of each layer", low=8, high=4096, scale="log")] = 128
    depth: Annotated[int, Field("Residual blocks", low=1, high=32)] = 3


class PointNetwork(nn.Module):
    """(B, D) and times (B,) on a scale of 1000 -> (B, D). The last layer starts at zero."""

    def __init__(self, config: PointMLP, dimensions: int):
        super().__init__()
        self.time = TimeEmbedding(config.width)
        self.enter = nn.Linear(dimensions, config.width)
        self.blocks = nn.ModuleList(Block(config.width) for _ in range(config.depth))
        self.leave = nn.Linear(config.width, dimensions)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return self.walk(x, self.time(time))

    def walk(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """x (B, D) told (B, width) -> (B, D)."""
        h = self.enter(x)
        for block in self.blocks:
            h = block(h, told)
        return self.leave(nn.functional.silu(h))


class Block(nn.Module):
    """h + W_2 silu(W_1 silu(h) + told)."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.told = nn.Linear(width, width)

    def forward(self, h: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        inner = self.first(nn.functional.silu(h)) + self.told(nn.functional.silu(told))
        return h + self.second(nn.functional.silu(inner))
