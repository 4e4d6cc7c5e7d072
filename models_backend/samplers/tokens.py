"""Drawing tokens from logits, by noise that belongs to the item: the n-th item is the same in any batch."""

from __future__ import annotations

import torch
from torch import Tensor


def uniform(noise: Tensor) -> Tensor:
    """Standard normal noise as numbers in (0, 1), by its own distribution function."""
    return torch.special.ndtr(noise.double()).clamp(1e-12, 1 - 1e-12)


def pick(logits: Tensor, u: Tensor, temperature: float = 1.0, top_p: float = 1.0) -> Tensor:
    """The token (B,) at which the distribution function of logits (B, V) passes u (B,) in (0, 1).

    ``temperature`` 0 takes the likeliest; ``top_p`` keeps the likeliest tokens that together have that much
    (Holtzman et al. 2020, arXiv:1904.09751)."""
    if temperature == 0:
        return logits.argmax(-1)
    p = (logits.double() / temperature).softmax(-1)
    if top_p < 1:
        p = nucleus(p, top_p)
    total = p.cumsum(-1)
    return torch.searchsorted(total, (u * total[:, -1])[:, None]).squeeze(-1).clamp_max(p.shape[-1] - 1)


def nucleus(p: Tensor, top_p: float) -> Tensor:
    """Probabilities (B, V) without the unlikeliest tokens beyond ``top_p``, not normalised; the likeliest always stays."""
    ordered, place = p.sort(-1, descending=True)
    kept = ordered.cumsum(-1) - ordered < top_p
    return torch.zeros_like(p).scatter(-1, place, ordered * kept)
