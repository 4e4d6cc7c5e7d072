"""Self-attention over the places of a feature map, as adversarial networks use it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dense import Wrap, unchanged


class SelfAttention(nn.Module):
    """Maps (B, C, H, W) -> the same: every place adds what it finds at all others. Begins as the identity."""

    # Zhang et al. 2019 (arXiv:1805.08318), section 3 (without the pooling of keys, for maps are small here)
    def __init__(self, channels: int, wrap: Wrap = unchanged):
        super().__init__()
        narrow, half = max(1, channels // 8), max(1, channels // 2)
        self.query, self.key = (wrap(nn.Conv2d(channels, narrow, 1, bias=False)) for _ in range(2))
        self.value = wrap(nn.Conv2d(channels, half, 1, bias=False))
        self.out = wrap(nn.Conv2d(half, channels, 1, bias=False))
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, h: Tensor) -> Tensor:
        query, key, value = (layer(h).flatten(2) for layer in (self.query, self.key, self.value))  # (B, c, H W)
        weights = F.softmax(query.transpose(1, 2) @ key, -1)  # (B, H W, H W): each place over all places
        found = (value @ weights.transpose(1, 2)).unflatten(2, h.shape[2:])
        return h + self.share * self.out(found)
