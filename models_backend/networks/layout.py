"""How a network's weights lie in memory and which kernels its layers take: what is fastest on the device it is on."""

from __future__ import annotations

import torch
from torch import nn

from . import attention, precision, upsampling, winograd


def arrange(net: nn.Module, device: torch.device, full_precision: bool = True, compiled: bool = False) -> nn.Module:
    """Sets a network up for its device, in place, and gives it back. Its state and what it computes stay the same, up to
    rounding. On a CPU: attention over few tokens by plain products, upsampling folded into its convolution; in full
    precision, where the CPU has no half precision, 3 x 3 convolutions by minimal filtering (where it has, the libraries'
    own are up to 1.7 x as quick); channels last with that and where it is compiled."""
    if device.type != "cpu":
        return net
    attention.apply_to(net)
    upsampling.apply_to(net)
    filtered = full_precision and not precision.may_be_faster(device) and winograd.apply_to(net)
    if filtered or compiled:
        net.to(memory_format=torch.channels_last)
    return net
