"""Arithmetic of forward and backward: full, or half where the machine has it and it is measured faster."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def may_be_faster(device: torch.device) -> bool:
    """Whether bf16 has kernels of its own on this device, so that measuring it is worth the time."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    flags = _cpu_flags()
    return bool({"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"} & flags)


def _cpu_flags() -> set[str]:
    """What the CPU says it can do; empty where the system does not tell."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return set()
    lines = path.read_text().splitlines()
    line = next((one for one in lines if one.startswith(("flags", "Features"))), "")
    return set(line.partition(":")[2].split())


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Where forward passes run."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, DTYPES[precision], cache_enabled=True)


class LossScale:
    """The factor that keeps fp16 gradients from vanishing (Micikevicius et al. 2018): halved when one overflows, doubled
    after ``patience`` steps without; 1 and inert for other types."""

    def __init__(self, precision: str, patience: int = 2000):
        self.active = precision == "fp16"
        self.value, self.good, self.patience = (65536.0 if self.active else 1.0), 0, patience

    def unscale(self, gradients: list[torch.Tensor]) -> None:
        """Divides gradients back, in place."""
        if self.active and gradients:
            torch._foreach_mul_(gradients, 1.0 / self.value)

    def overflowed(self) -> None:
        """A gradient was not finite: a smaller factor from now on."""
        self.value, self.good = max(self.value / 2, 1.0), 0

    def went_well(self) -> None:
        """A step was taken."""
        self.good += 1
        if self.active and self.good >= self.patience:
            self.value, self.good = self.value * 2, 0
