"""How a network's weights lie in memory and which kernels its layers take: what is fastest on the device it is on."""

from __future__ import annotations

import torch
from torch import nn

from . import attention, upsampling, winograd


def arrange(net: nn.Module, device: torch.device, full_precision: bool = True, compiled: bool = False) -> nn.Module:
    """Sets a network up for its device, in place, and gives it back. Its state and what it computes stay the same, up to
    rounding. On a CPU: attention over few tokens by plain products, upsampling folded into its convolution; in full
    precision 3 x 3 convolutions by minimal filtering; channels last with that and where it is compiled."""
    if device.type != "cpu":
        return net
    attention.apply_to(net)
    upsampling.apply_to(net)
    filtered = full_precision and winograd.apply_to(net)
    if filtered or compiled:
        net.to(memory_format=torch.channels_last)
    return net
