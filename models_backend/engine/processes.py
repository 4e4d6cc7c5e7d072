"""Starting and ending worker processes. A worker is always ``python -m models_backend.workers ...``."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from models_backend import isolation
from models_backend.contract.messages import TroubleError
from models_backend.library import guarding

WORKERS = "models_backend.workers"
POLL_S = 0.05
#: Threads that wait spin for some 60 us, longer than most gaps between operations, and then sleep. Beside a busy window ones
#: that spin on cost up to 20 x; ones that sleep at once cost a training step of many short operations a fifth.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000", "KMP_BLOCKTIME": "0"}


def environment() -> dict[str, str]:
    """What every worker gets: our own variables, threads that wait as ``WAITING`` says where those leave it open."""
    return WAITING | isolation.environment() | {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}


def command(*arguments: str, module: str = WORKERS) -> list[str]:
    """The command line that runs a backend module; a frozen studio starts itself with the module's name."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "--worker", module, *arguments]
    return isolation.python("-m", module, *arguments)


def spawn_training(
    run: Path, log: Path, module: str = WORKERS, device: str = "auto", lock: int | None = None, begins: int = 0
) -> subprocess.Popen[bytes]:
    """A training worker in its own session: it outlives this process. Its output is appended to ``log``. ``lock``: the
    descriptor of the run's lock, for it to inherit. ``begins``: the step of the checkpoint that it goes on from."""
    arguments = command("train", str(run), "--device", device, "--from", str(begins), module=module)
    arguments += [] if lock is None else ["--lock", str(lock)]
    passed = () if lock is None else (lock,)
    return _spawn(arguments, log, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=passed)


def spawn_attended(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """A process that ends with this one: it watches its standard input, which closes when we are gone."""
    return _spawn(arguments, log, stdin=subprocess.PIPE)


def _spawn(arguments: list[str], log: Path, **options: object) -> subprocess.Popen[bytes]:
    try:
        guarding.stay_inside(log)
        with open(guarding.opened(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as output:  # noqa: PTH123
            return subprocess.Popen(arguments, stdout=output, stderr=output, env=environment(), **options)
    except OSError as error:
        raise TroubleError(
            f"the worker could not be started: {error.strerror or error}", item=str(log), advice="Check the disk and try again"
        ) from error


async def ended(process: subprocess.Popen[bytes], timeout_s: float) -> int | None:
    """The exit status once the process is over; None where it is not within ``timeout_s``."""
    end = time.monotonic() + timeout_s
    while process.poll() is None and time.monotonic() < end:
        await asyncio.sleep(POLL_S)
    return process.returncode


async def end(process: subprocess.Popen[bytes], grace_s: float = 2.0) -> int | None:
    """Ends an attended process: end of its input, then SIGTERM, then SIGKILL, with ``grace_s`` between."""
    if process.stdin:
        process.stdin.close()
    for act in (None, process.terminate, process.kill):
        if act and process.poll() is None:
            act()
        if await ended(process, grace_s) is not None:
            return process.returncode
    return None


def kill(pid: int) -> bool:
    """Kills a process that does not answer; False where it is already gone."""
    try:
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    except ProcessLookupError:
        return False
    return True
