"""Arithmetic of networks: full, or half where the machine has it and it is measured faster."""

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


def for_sampling(trained: str, device: torch.device) -> str:
    """The arithmetic in which a run trained in ``trained`` is sampled: its own where this device has kernels for it."""
    return trained if trained == "fp32" or device.type != "cpu" or may_be_faster(device) else "fp32"


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Where forward passes run."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, DTYPES[precision], cache_enabled=True)
