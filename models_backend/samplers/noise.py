"""Fresh noise for samplers that are stochastic."""

from __future__ import annotations

from collections.abc import Sequence

import torch

Generators = torch.Generator | Sequence[torch.Generator] | None


def fresh(x: torch.Tensor, generator: Generators) -> torch.Tensor:
    """Standard normal noise like x. With a sequence of generators, item n takes its noise from generator n alone, so
    that it does not depend on the batch that it is in."""
    if generator is None or isinstance(generator, torch.Generator):
        return _normal(x.shape, x, generator)
    if len(generator) != len(x):
        raise ValueError(f"{len(generator)} generators for {len(x)} items")
    return torch.cat([_normal((1, *x.shape[1:]), x, one) for one in generator])


def _normal(shape: Sequence[int], x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    device = x.device if generator is None else generator.device
    return torch.randn(shape, generator=generator, device=device, dtype=x.dtype).to(x.device)
