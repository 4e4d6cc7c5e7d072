"""What a worker does to its own process: priority, dying with its parent, threads that do not spin."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading

from models_backend.contract.messages import Heartbeat

PR_SET_PDEATHSIG = 1
TRAINING_NICE, INTERACTIVE_NICE = 10, 5


def lower_priority(nice: int) -> None:
    """Lets the window and the rest of the machine go first."""
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    elif os.nice(0) < nice:
        os.nice(nice - os.nice(0))


def offer_to_die_first() -> None:
    """When memory runs out the kernel shall take a worker, never the window."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
            file.write("500")


def die_with_parent() -> None:
    """Ends this process when its parent is gone: by the kernel where it can, and at the end of standard input anywhere."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(0)  # the parent was gone before the kernel knew
    threading.Thread(target=_leave_at_end_of_input, name="parent", daemon=True).start()


def _leave_at_end_of_input() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            continue
    os._exit(0)


def memory() -> tuple[float, float]:
    """Resident memory of this process and what it holds on an accelerator, in MiB (peaks are not counted)."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    held = cuda.memory_allocated() / (1 << 20) if cuda is not None and cuda.is_initialized() else 0.0
    return _resident_mb(), held


def _resident_mb() -> float:
    if sys.platform == "linux":
        with open("/proc/self/statm") as file:  # noqa: PTH123  one read a second, no Path
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    import psutil

    return psutil.Process().memory_info().rss / (1 << 20)


def heartbeat(step: int = 0) -> Heartbeat:
    """The worker's sign of life."""
    resident_mb, device_mb = memory()
    return Heartbeat(step, resident_mb, device_mb)
