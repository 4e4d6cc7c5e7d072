"""Averaged weights: what sampling uses."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from models_backend.contract.settings import TrainingSettings
from models_backend.networks import averaging

#: What the files of the average that is sampled from begin with.
PLAIN = "ema"


def decay_at(decay: float, updates: int, warmup: bool) -> float:
    """The decay of the update that follows ``updates`` others; with warm-up it rises with the age of the average."""
    # TensorFlow's ExponentialMovingAverage: min(decay, (1 + k) / (10 + k))
    return min(decay, (1 + updates) / (10 + updates)) if warmup else decay


def exponential(decay: float, warmup: bool) -> Callable[[int], float]:
    """The plain average's weight of the newest weights, after so many updates."""
    return lambda updates: 1 - decay_at(decay, updates, warmup)


def power(width: float) -> Callable[[int], float]:
    """That of an average of a relative width (Karras 2024, eq. 1): the first update takes the weights over."""
    gamma = averaging.gamma_of(width)
    return lambda updates: 1 - (1 - 1 / (updates + 1)) ** (gamma + 1)


def averages(nets: dict[str, nn.Module], settings: TrainingSettings) -> dict[str, Average]:
    """Those that the settings ask for, by what their files' names begin with: "ema" is sampled from, the others are there to
    make averages of any width."""
    rules = {PLAIN: exponential(settings.ema, settings.ema_warmup)} if settings.ema > 0 else {}
    rules |= {f"{PLAIN}-{i}": power(width) for i, width in enumerate(averaging.KEPT) if settings.ema_power}
    return {name: Average(nets, rule) for name, rule in rules.items()}


class Average:
    """A moving average of networks, kept in eval mode. Buffers are copied, not averaged. ``rule``: updates so far -> the
    newest weights' share."""

    def __init__(self, nets: dict[str, nn.Module], rule: Callable[[int], float]):
        self.rule, self.updates = rule, 0
        self.nets = {name: copy.deepcopy(net).eval().requires_grad_(False) for name, net in nets.items()}
        pairs = [(a, b) for name in nets for a, b in zip(self.nets[name].parameters(), nets[name].parameters(), strict=True)]
        # not their data: a change of that is not counted, and what networks remember by the count would stay
        self._averaged, self._weights = [a for a, _ in pairs], [b.data for _, b in pairs]
        self._buffers = [(a, b) for name in nets for a, b in zip(self.nets[name].buffers(), nets[name].buffers(), strict=True)]

    @torch.no_grad()
    def update(self) -> None:
        """a <- a + share (w - a)."""
        if self._averaged:
            torch._foreach_lerp_(self._averaged, self._weights, self.rule(self.updates))
        for kept, now in self._buffers:
            kept.copy_(now)
        self.updates += 1
