"""Which of several ways is the quickest on the machine at hand: measured once for a shape, and kept for this machine.

What is quicker on one processor is slower on another, so nothing here is a constant. The first way is the plain one: another
is taken only where it was clearly quicker. Measuring draws no random number and leaves nothing behind. What a run has taken
it keeps (``choices``, ``hold``), so that it computes the same wherever it goes on.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models_backend.contract.messages import TroubleError
from models_backend.library import storage

log = logging.getLogger(__name__)

#: A way must take less than this share of the plain one's time.
MARGIN = 0.9
ROUNDS = 3
#: Items of a batch that is measured, at most: what is quicker for so many is quicker for more.
MOST_ITEMS = 8

#: What this machine found, and what this process goes by: a run's own choices first, then what was found here.
_known: dict[str, int] = {}
_taken: dict[str, int] = {}
_file: Path | None = None


def keep_in(folder: Path) -> None:
    """Takes over what this machine measured before, and keeps there what it will measure."""
    global _file
    path = folder / f"at-hand-{_machine()}.json"
    if path == _file:
        return
    _file = path
    try:
        _known.update(storage.read_json(path, dict[str, int]) if path.exists() else {})
    except TroubleError as error:
        log.warning("measured anew: %s", error)


def taken(key: str, measure: Callable[[], int]) -> int:
    """What ``measure`` found when it was first asked on this machine, on so many threads; 0 where it fails."""
    key = f"{key}, {torch.get_num_threads()} threads"
    if key not in _taken:
        _taken[key] = _found(key, measure)
    return _taken[key]


def _found(key: str, measure: Callable[[], int]) -> int:
    if key not in _known:
        try:
            _known[key] = measure()
        except RuntimeError as error:  # out of memory, or no kernel for it: the plain way tells in its own words
            log.info("%s: not measured: %s", key, error)
            return 0
        _keep()
    return _known[key]


def quickest(ways: Sequence[Callable[[], Any]], rounds: int = ROUNDS) -> int:
    """The position of the way to take, measured; each way does the work once."""
    return clearly_less([_seconds(way, rounds) for way in ways])


def pays(key: str, plain: Callable[..., Tensor], other: Callable[..., Tensor], *asked: Tensor) -> bool:
    """Whether another way to compute with those tensors is taken, backward too where they want gradients."""
    with torch.autocast("cpu", enabled=False):
        return taken(key, lambda: quickest([lambda: _tried(plain, asked), lambda: _tried(other, asked)])) == 1


def _tried(way: Callable[..., Tensor], asked: tuple[Tensor, ...]) -> None:
    found = way(*asked)
    if found.requires_grad:
        torch.autograd.grad(found, asked, found.detach())


def note(key: str, value: int) -> None:
    """Keeps a figure of this machine, the newest."""
    _known[key] = value
    _keep()


def noted(key: str) -> int | None:
    """The figure that was kept last; None where there is none."""
    return _known.get(key)


def clearly_less(seconds: Sequence[float]) -> int:
    """The position of the least, where it is clearly below the first; else 0."""
    best = min(range(len(seconds)), key=seconds.__getitem__)
    return best if seconds[best] < MARGIN * seconds[0] else 0


def choices() -> dict[str, int]:
    """What was taken since :func:`hold`, and what was held, for a run to keep."""
    return dict(_taken)


def hold(kept: dict[str, int]) -> None:
    """From here on what a run has kept, and nothing of another one: resumed, it computes as before."""
    _taken.clear()
    _taken.update(kept)


def _seconds(way: Callable[[], Any], rounds: int) -> float:
    """The least of a few: what others do on the machine can only add to it."""
    way()
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        way()
        times.append(time.perf_counter() - begun)
    return min(times)


def _keep() -> None:
    if _file is None:
        return
    try:
        storage.write_json(_file, _known)
    except (TroubleError, OSError) as error:
        log.info("what was measured is not kept: %s", error)


def signature(*told: Any) -> str:
    """A short name of plain data."""
    return hashlib.sha256(repr(told).encode()).hexdigest()[:12]


def _machine() -> str:
    """Processor and versions that decide about speed, as a short name."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    capability = torch.backends.cpu.get_cpu_capability()
    return signature(_processor(), torch.__version__, capability, limit)


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
