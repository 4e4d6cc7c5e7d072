"""The machine's devices as far as they can be told without torch: processor and memory by psutil, NVIDIA by its own tool."""

from __future__ import annotations

import asyncio
import platform
import shutil
import subprocess
import sys
from importlib import metadata

import msgspec
import psutil

from models_backend.contract.messages import TroubleError
from models_backend.contract.words import counted

from . import processes

MIB = 1 << 20
SMI_FIELDS = "index,name,memory.total,memory.used,utilization.gpu"
SMI_TIMEOUT_S = 5.0


class Device(msgspec.Struct, frozen=True):
    """``key`` is what torch calls it. Memory in MiB; ``load`` is the share of its time that it is busy, 0 to 1."""

    key: str
    name: str
    kind: str
    total_mb: float
    used_mb: float
    load: float = 0.0


def processor() -> Device:
    """The CPU and the machine's memory."""
    memory = psutil.virtual_memory()
    name = f"{platform.machine()}, {counted(psutil.cpu_count() or 1, 'core')}"
    used_mb = (memory.total - memory.available) / MIB
    return Device("cpu", name, "cpu", memory.total / MIB, used_mb, psutil.cpu_percent() / 100)


def parse_smi(text: str) -> list[Device]:
    """Devices out of nvidia-smi's CSV (no header, no units); lines that are not whole are left out."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    return [_accelerator(*row) for row in rows if len(row) == 5 and row[0].isdigit() and _number(row[2]) > 0]


def _accelerator(index: str, name: str, total: str, used: str, load: str) -> Device:
    return Device(f"cuda:{index}", name, "cuda", _number(total), _number(used), _number(load) / 100)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0  # "[N/A]"


async def devices() -> list[Device]:
    """All devices, the processor first."""
    return [processor(), *await accelerators()]


async def accelerators() -> list[Device]:
    """What is there beside the processor and usable by the installed torch."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        memory = psutil.virtual_memory()
        used_mb = (memory.total - memory.available) / MIB
        return [Device("mps", "Apple GPU", "mps", memory.total / MIB, used_mb)]
    smi = shutil.which("nvidia-smi")
    return parse_smi(await _output(smi)) if smi and not _cpu_build() else []


async def check(key: str) -> None:
    """Raises TroubleError that lists what there is where torch has no device of that name; "" is the best there is. Torch is
    asked (seconds) about what the machine's own tools do not list."""
    if not key:
        return
    there = [device.key for device in await devices()]
    if key in there:
        return
    if (key.startswith("cuda") and _cpu_build()) or not await _known_to_torch(key):
        advice = f"Choose one of {', '.join(there)}, or leave it out for the best there is"
        raise TroubleError("this device is not there", key, "Nothing was begun", advice)


async def _known_to_torch(key: str) -> bool:
    process = await asyncio.create_subprocess_exec(
        *processes.command("device", "--", key),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=processes.environment(),
    )  # fmt: skip
    try:
        return await process.wait() == 0
    except asyncio.CancelledError:
        process.kill()
        raise


async def _output(smi: str) -> str:
    process = await asyncio.create_subprocess_exec(
        smi,
        f"--query-gpu={SMI_FIELDS}",
        "--format=csv,noheader,nounits",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), SMI_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        return ""
    return out.decode(errors="replace")


def _cpu_build() -> bool:
    try:
        return metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return True


async def best() -> str:
    """The key of the device on which runs go by themselves."""
    found = await accelerators()
    return found[0].key if found else "cpu"
