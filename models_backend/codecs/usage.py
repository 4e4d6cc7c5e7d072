"""How a codebook is used."""

from __future__ import annotations

import torch
from torch import Tensor


def shares(index: Tensor, codes: int) -> Tensor:
    """Share (codes,) of the indices (any shape, int64) that each code takes."""
    return torch.bincount(index.flatten(), minlength=codes).float() / max(1, index.numel())


def perplexity(share: Tensor) -> float:
    """exp of the entropy of the shares: how many evenly used codes would carry as much."""
    kept = share[share > 0]
    return float((-(kept * kept.log()).sum()).exp())


def figures(index: Tensor, codes: int) -> dict[str, float]:
    """``perplexity``; ``codes_used``: the share of codes that occur at all; ``dead_codes``: how many never do; ``codes``."""
    share = shares(index, codes)
    used = int((share > 0).sum())
    return {
        "perplexity": perplexity(share),
        "codes_used": used / codes,
        "dead_codes": float(codes - used),
        "codes": float(codes),
    }
