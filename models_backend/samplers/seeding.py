"""Start noise by item: the n-th item of a seed is the same in any batch, in any order, on any device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

_WORD = 2**64 - 1


def noise(shape: Sequence[int], seed: int, first: int = 0, count: int = 1) -> torch.Tensor:
    """Standard normal start noise (count, *shape) float32; row i is a function of (seed, first + i) only.

    Philox counters keyed by (seed, item) (Salmon et al. 2011): no two items of any two seeds share a stream."""
    rows = [_philox(seed, first + i).standard_normal(tuple(shape), np.float32) for i in range(count)]
    return torch.from_numpy(np.stack(rows)) if rows else torch.empty((0, *shape))


def item_generators(seed: int, first: int, count: int) -> list[torch.Generator]:
    """One generator for each item, for the fresh noise of stochastic samplers; again a function of (seed, item)."""
    return [torch.Generator().manual_seed(item_seed(seed, first + i)) for i in range(count)]


def item_seed(seed: int, item: int) -> int:
    """63 bits for the fresh noise of an item, apart from its start noise."""
    return int(_philox(seed, item, stream=1).integers(0, 2**63 - 1))


def _philox(seed: int, item: int, stream: int = 0) -> np.random.Generator:
    key = np.array([seed & _WORD, item & _WORD], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, stream], np.uint64)))
