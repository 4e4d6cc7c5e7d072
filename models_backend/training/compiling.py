"""torch.compile where it is wanted, for what is trained; eager networks again by themselves where it fails.

On a graphics card what is compiled is also recorded and replayed whole (CUDA graphs): a small network's time goes by in
starting its kernels, not in them. What is drawn or measured in between is not compiled: it comes in shapes of its own, each of
which would be compiled anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from models_backend.networks import at_hand
from models_backend.networks.frozen_text import frozen_in
from models_backend.objectives import twice

log = logging.getLogger(__name__)

#: What compiling saves of a step's time on a CPU, of networks of linear layers and of others, and what it costs: used before it
#: is tried; what comes out is measured then and kept for this machine, and eager networks are kept where they are no slower.
#: Measured on 2 cores: DiT 22 %, PixArt 39 %, a U-Net 1 % (bf16) and -4 % (fp32), in 50 to 95 s. Graphics cards are not
#: compiled for unless that is asked for (a DiT on an H100: 50 ms eager, 10 ms recorded; the recording has changed since and was
#: not tried).
GAIN_LINEAR, GAIN = 0.30, 0.03
SECONDS_A_LAYER = 0.4
LEAST_S = 20.0
#: torch.compile's mode for training.
MODES = {"cuda": "reduce-overhead"}


def possible(device: torch.device) -> bool:
    """Whether this machine has what torch.compile needs."""
    if device.type == "cuda":
        return True
    headers = Path(sysconfig.get_paths()["include"], "Python.h")
    return device.type == "cpu" and headers.exists() and any(shutil.which(name) for name in ("g++", "clang++", "cl"))


def cost_s(nets: dict[str, nn.Module]) -> float:
    """How long the first compiled step takes, seconds: as measured on this machine, else roughly."""
    return measured_s(nets) or LEAST_S + SECONDS_A_LAYER * _layers(nets)


def measured_s(nets: dict[str, nn.Module]) -> float:
    """How long compiling these networks took on this machine, or by their layers what others took; 0: nobody knows."""
    own, each_ms = at_hand.noted(_own(nets)), at_hand.noted(_A_LAYER)
    return own / 1000 if own else (each_ms or 0) * _layers(nets) / 1000


def took(nets: dict[str, nn.Module], seconds: float) -> None:
    """Keeps for this machine how long compiling lasted."""
    at_hand.note(_own(nets), max(1, round(1000 * seconds)))
    at_hand.note(_A_LAYER, max(1, round(1000 * seconds / max(1, _layers(nets)))))


_A_LAYER = "milliseconds of compiling a layer"


def _own(nets: dict[str, nn.Module]) -> str:
    told = [(name, type(m).__name__, [tuple(p.shape) for p in m.parameters(recurse=False)])
            for net in nets.values() for name, m in net.named_modules()]  # fmt: skip
    return f"milliseconds of compiling {at_hand.signature(told)}"


def _layers(nets: dict[str, nn.Module]) -> int:
    return sum(1 for net in nets.values() for m in net.modules() if next(m.parameters(recurse=False), None) is not None)


def repays(nets: dict[str, nn.Module], device: torch.device, steps: int, step_s: float) -> bool:
    """Whether ``steps`` more steps of ``step_s`` seconds win back more than twice what compiling costs."""
    return steps * step_s * gain(nets, device) > 2 * cost_s(nets)


def gain(nets: dict[str, nn.Module], device: torch.device) -> float:
    """The share of a step's time that compiling is expected to save."""
    if device.type != "cpu":
        return 0.0
    layers = [m for net in nets.values() for m in net.modules()]
    linear = sum(m.weight.numel() for m in layers if isinstance(m, nn.Linear))
    share = linear / max(1, sum(p.numel() for net in nets.values() for p in net.parameters()))
    return share * GAIN_LINEAR + (1 - share) * GAIN


def compile_all(nets: dict[str, nn.Module], device: torch.device) -> None:
    """Compiles every network in place, for training; the first call of each does the work."""
    torch._dynamo.config.suppress_errors = True
    clear_unfinished()
    for encoder in frozen_in(nets):
        encoder.forward = torch.compiler.disable(encoder.forward)
    for net in nets.values():
        if next(net.parameters(), None) is not None:
            net._compiled_call_impl = _while_training(net, MODES.get(device.type))


def clear_unfinished() -> None:
    """Removes from torch.compile's cache what a killed process was linking: it is taken for built otherwise, and what needs it
    fails from then on. A linker makes its file executable last; what another process is at now is locked, and stays."""
    from filelock import FileLock, Timeout
    from torch._inductor import codecache

    for module in Path(codecache.cache_dir()).glob("*/*.so"):
        with contextlib.suppress(Timeout, OSError):
            key = module.name.partition(".")[0]
            if not os.access(module, os.X_OK):
                with FileLock(str(Path(codecache.get_lock_dir(), f"{key}.lock")), timeout=0):
                    if not os.access(module, os.X_OK):
                        module.unlink()


def _while_training(net: nn.Module, mode: str | None) -> Callable[..., Any]:
    """The call of a network: compiled, in ``mode``, where it is trained. What a recording gives is copied out of it, since its
    next replay writes there again."""
    compiled = torch.compile(net._call_impl, dynamic=False, mode=mode)

    def call(*arguments: Any, **named: Any) -> Any:
        if not (net.training and torch.is_grad_enabled()) or twice.wanted():
            return net._call_impl(*arguments, **named)
        said = compiled(*arguments, **named)
        return said if mode is None else tree_map_only(torch.Tensor, torch.clone, said)

    return call


def next_step(device: torch.device) -> None:
    """Says that what was recorded in the step before may be written over."""
    if device.type in MODES:
        torch.compiler.cudagraph_mark_step_begin()


@contextlib.contextmanager
def paused(nets: dict[str, nn.Module]) -> Iterator[None]:
    """Eager networks for a while."""
    kept = {name: net._compiled_call_impl for name, net in nets.items()}
    for net in nets.values():
        net._compiled_call_impl = None
    try:
        yield
    finally:
        for name, net in nets.items():
            net._compiled_call_impl = kept[name]


def undo(nets: dict[str, nn.Module]) -> None:
    """Eager networks again."""
    for net in nets.values():
        net._compiled_call_impl = None
    torch._dynamo.reset()
