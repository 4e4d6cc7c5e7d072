"""Gradient checkpointing: activations are computed again in the backward pass instead of kept (Chen et al. 2016)."""

from __future__ import annotations

import functools

from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute(net: nn.Module) -> int:
    """Turns it on: a network's own way where it has one, else each repeated block. How many parts it now covers."""
    own = getattr(net, "enable_gradient_checkpointing", None)
    if callable(own):
        own()
        return 1
    blocks = list(_blocks(net))
    for block in blocks:
        block.forward = functools.partial(_again, block.forward)
    return len(blocks)


def _blocks(net: nn.Module):
    """Children of lists and sequences that hold weights and no buffers (a buffer would be updated twice)."""
    for module in net.modules():
        if isinstance(module, (nn.ModuleList, nn.Sequential)):
            for child in module:
                nested = any(isinstance(m, (nn.ModuleList, nn.Sequential)) for m in child.modules())
                if not nested and next(child.parameters(), None) is not None and next(child.buffers(), None) is None:
                    yield child


def _again(forward, *args, **kwargs):
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)
