"""torch.compile where it is wanted, and eager networks again by themselves where it fails.

On a graphics card what is trained is also recorded and replayed whole (CUDA graphs): a small network's time goes by in
starting its kernels, not in them.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from models_backend.networks.frozen_text import frozen_in

log = logging.getLogger(__name__)

#: What compiling saves of a step's time, and what it costs, on the machines that were measured: used before it is tried.
#: (DiT on an H100: 50 ms eager, 10 ms recorded.)
GAIN = {"cpu": 0.05, "cuda": 0.75}
SECONDS_A_LAYER = 0.15
LEAST_S = 15.0
#: torch.compile's mode for training.
MODES = {"cuda": "reduce-overhead"}


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


def compile_all(nets: dict[str, nn.Module], device: torch.device) -> None:
    """Compiles every network in place; the first call of each does the work."""
    torch._dynamo.config.suppress_errors = True
    for encoder in frozen_in(nets):
        encoder.forward = torch.compiler.disable(encoder.forward)
    for net in nets.values():
        if next(net.parameters(), None) is not None:
            net._compiled_call_impl = _either(net, MODES.get(device.type))


def _either(net: nn.Module, mode: str | None) -> Callable[..., Any]:
    """The compiled call of a network: in ``mode`` in training, plainly compiled otherwise. What a recording gives is copied
    out of it, since its next replay writes there again."""
    plain = torch.compile(net._call_impl, dynamic=False)
    if mode is None:
        return plain
    recorded = torch.compile(net._call_impl, dynamic=False, mode=mode)

    def call(*arguments: Any, **named: Any) -> Any:
        if not (net.training and torch.is_grad_enabled()):
            return plain(*arguments, **named)
        return tree_map_only(torch.Tensor, torch.clone, recorded(*arguments, **named))

    return call


def next_step(device: torch.device) -> None:
    """Says that what was recorded in the step before may be written over."""
    if device.type in MODES:
        torch.compiler.cudagraph_mark_step_begin()


def undo(nets: dict[str, nn.Module]) -> None:
    """Eager networks again."""
    for net in nets.values():
        net._compiled_call_impl = None
    torch._dynamo.reset()
