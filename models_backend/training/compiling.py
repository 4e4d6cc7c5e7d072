"""torch.compile where it is wanted, and eager networks again by themselves where it fails."""

from __future__ import annotations

import logging
import shutil

import torch
from torch import nn

from models_backend.networks.frozen_text import frozen_in

log = logging.getLogger(__name__)

#: What compiling saves of a step's time, and what it costs, on the machines that were measured: used before it is tried.
GAIN = {"cpu": 0.05, "cuda": 0.25}
SECONDS_A_LAYER = 0.15
LEAST_S = 15.0


def possible(device: torch.device) -> bool:
    """Whether this machine has what torch.compile needs."""
    if device.type == "cuda":
        return True
    return device.type == "cpu" and any(shutil.which(name) for name in ("g++", "clang++", "cl"))


def cost_s(nets: dict[str, nn.Module]) -> float:
    """Roughly how long the first compiled step takes, seconds."""
    layers = sum(1 for net in nets.values() for m in net.modules() if next(m.parameters(recurse=False), None) is not None)
    return LEAST_S + SECONDS_A_LAYER * layers


def repays(nets: dict[str, nn.Module], device: torch.device, steps: int, step_s: float) -> bool:
    """Whether ``steps`` more steps of ``step_s`` seconds win back more than twice what compiling costs."""
    return steps * step_s * GAIN.get(device.type, 0.0) > 2 * cost_s(nets)


def compile_all(nets: dict[str, nn.Module]) -> None:
    """Compiles every network in place; the first call of each does the work."""
    torch._dynamo.config.suppress_errors = True
    for encoder in frozen_in(nets):
        encoder.forward = torch.compiler.disable(encoder.forward)
    for net in nets.values():
        if next(net.parameters(), None) is not None:
            net.compile(dynamic=False)


def undo(nets: dict[str, nn.Module]) -> None:
    """Eager networks again."""
    for net in nets.values():
        net._compiled_call_impl = None
    torch._dynamo.reset()
