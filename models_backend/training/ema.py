"""Averaged weights: what sampling uses."""

from __future__ import annotations

import copy

import torch
from torch import nn


def decay_at(decay: float, updates: int, warmup: bool) -> float:
    """The decay of the update that follows ``updates`` others; with warm-up it rises with the age of the average."""
    # TensorFlow's ExponentialMovingAverage: min(decay, (1 + k) / (10 + k))
    return min(decay, (1 + updates) / (10 + updates)) if warmup else decay


class Average:
    """An exponential moving average of networks, kept in eval mode. Buffers are copied, not averaged."""

    def __init__(self, nets: dict[str, nn.Module], decay: float, warmup: bool):
        self.decay, self.warmup, self.updates = decay, warmup, 0
        self.nets = {name: copy.deepcopy(net).eval().requires_grad_(False) for name, net in nets.items()}
        pairs = [(a, b) for name in nets for a, b in zip(self.nets[name].parameters(), nets[name].parameters(), strict=True)]
        self._averaged, self._weights = [a.data for a, _ in pairs], [b.data for _, b in pairs]
        self._buffers = [(a, b) for name in nets for a, b in zip(self.nets[name].buffers(), nets[name].buffers(), strict=True)]

    @torch.no_grad()
    def update(self) -> None:
        """a <- d a + (1 - d) w."""
        if self._averaged:
            weight = 1 - decay_at(self.decay, self.updates, self.warmup)
            torch._foreach_lerp_(self._averaged, self._weights, weight)
        for kept, now in self._buffers:
            kept.copy_(now)
        self.updates += 1
