"""How a network's weights lie in memory and which kernels its layers take: what is fastest on the device it is on."""

from __future__ import annotations

import torch
from torch import nn

from . import attention, upsampling


def arrange(net: nn.Module, device: torch.device, channels_last: bool = False) -> nn.Module:
    """Sets a network up for its device, in place, and gives it back. Its state and what it computes stay the same, up to
    rounding. On a CPU attention and upsampling go the way that is measured to be quicker for their shapes."""
    if device.type == "cpu":
        attention.apply_to(net)
        upsampling.apply_to(net)
        if channels_last:
            net.to(memory_format=torch.channels_last)
    return net


def convolves(net: nn.Module) -> bool:
    """Whether how its pictures lie in memory can matter."""
    return any(isinstance(module, nn.Conv2d) for module in net.modules())
