"""Types of numbers that devices have."""

from __future__ import annotations

import torch


def finest(device: torch.device) -> torch.dtype:
    """Double precision, where the device has it (Apple's GPUs do not)."""
    return torch.float32 if device.type == "mps" else torch.float64
