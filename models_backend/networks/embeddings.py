"""Embeddings of noise level or flow time, and the weights of a prompt on those of its words."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoidal(time: torch.Tensor, size: int, longest: float = 10_000.0) -> torch.Tensor:
    """Sines and cosines (B, size) of times (B,), at geometric frequencies from 1 to 1 / longest (Vaswani 2017, section 3.5)."""
    half = size // 2
    frequencies = torch.exp(-math.log(longest) * torch.arange(half, device=time.device, dtype=torch.float32) / half)
    angles = time.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


class TimeEmbedding(nn.Module):
    """Times (B,) on a scale of 1000 -> (B, width): sinusoids and a two-layer network."""

    def __init__(self, width: int, frequencies: int = 64):
        super().__init__()
        self.frequencies = frequencies
        self.net = nn.Sequential(nn.Linear(frequencies, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time: torch.Tensor) -> torch.Tensor:
        return self.net(sinusoidal(time, self.frequencies))


def weighed(said: Tensor, real: Tensor, weights: Tensor) -> Tensor:
    """Embeddings (B, L, width), zero where ``real`` (B, L) is not, times the weights (B, L) of their tokens, each item's mean
    over everything as it was. (AUTOMATIC1111's prompts restore it by a factor; a layer norm may leave it next to zero.)"""
    heavy = said * weights.to(said.dtype)[..., None]
    moved = (said - heavy).sum((1, 2)) / (real.sum(1) * said.shape[-1])
    return heavy + (moved[:, None] * real)[..., None].to(said.dtype)
