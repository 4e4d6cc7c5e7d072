"""Why a worker died, in plain words: from its exit status, the system's out-of-memory counter and its last lines."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from models_backend.contract.messages import Trouble
from models_backend.library import guarding

TAIL = 16 << 10
LINES = 30

#: exit status of a worker that found its run already held by another worker
BUSY = 75

#: A run keeps its settings, so that going on with it would end the same way.
SMALLER = "Make a new run with a smaller batch or resolution, or with gradient checkpointing"
_SIGNALS = {
    "SIGSEGV": (
        "it crashed inside native code (SIGSEGV)",
        "Resume; if it happens again, set compile to off and precision to fp32",
    ),
    "SIGABRT": ("it stopped itself after an internal error (SIGABRT)", "Resume; the details hold its last words"),
    "SIGBUS": ("a file that it was reading vanished or shrank, or the disk failed (SIGBUS)", "Check the disk, then resume"),
    "SIGFPE": ("it crashed in arithmetic (SIGFPE)", "Resume with precision fp32"),
    "SIGILL": ("this processor lacks an instruction that it needs (SIGILL)", "Reinstall with the build for this machine"),
    "SIGTERM": ("it was asked to end (SIGTERM)", "Resume to go on"),
    "SIGINT": ("it was interrupted (SIGINT)", "Resume to go on"),
    "SIGHUP": ("its terminal or session was closed (SIGHUP)", "Resume to go on"),
    "SIGXCPU": ("it used up the processor time that it is allowed (SIGXCPU)", "Raise the limit, then resume"),
}


#: What to do about a run that has nothing to go on from.
_ANEW = {"Resume to go on from the last checkpoint": "Start it again", "Resume to go on": "Start it again",
         "Resume": "Start it again", "resume": "start it again"}  # fmt: skip


def oom_kills() -> int:
    """How many processes the system has killed for memory since it started; 0 where that is not told."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def tail(log: Path) -> str:
    """The last lines of a worker's log; empty where there is none."""
    try:
        with guarding.reading(log) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-LINES:])


def cause_of_death(
    status: int | None, log: Path, ooms_before: int, item: str = "", kept: str = "", saved: bool = True
) -> Trouble:
    """What to tell about a worker that ended without saying so. ``status`` as in Popen, None where it is not known. ``saved``:
    whether there is a checkpoint to resume from."""
    last = tail(log)
    why, advice = _cause(status, last, oom_kills() > ooms_before)
    if not saved:
        for word, anew in _ANEW.items():
            advice = advice.replace(word, anew)
    return Trouble(f"the worker died: {why}", item, kept, advice, last)


def _cause(status: int | None, last: str, oom: bool) -> tuple[str, str]:
    if oom and status in (None, -9):
        return "the system killed it because memory ran out", SMALLER
    if _memory_in(last):
        return "memory ran out", SMALLER
    if status is None:
        return "it vanished, killed or with the machine switched off", "Resume to go on from the last checkpoint"
    if status == -9:
        return (
            "it was killed (SIGKILL), by hand or by the system when memory ran out",
            f"Resume; if memory was short: {SMALLER[0].lower()}{SMALLER[1:]}",
        )
    if status < 0:
        name = _signal_name(-status)
        return _SIGNALS.get(name, (f"it was ended by {name}", "Resume to go on from the last checkpoint"))
    if status == BUSY:
        return "another worker already holds this run", "Wait for that worker to end, or stop it"
    error = _last_error(last)
    return f"it left with exit status {status}" + (
        f": {error}" if error else ""
    ), "The details hold its last words; resume to try again"


def _memory_in(last: str) -> bool:
    return any(sign in last for sign in ("MemoryError", "out of memory", "std::bad_alloc", "can't allocate memory"))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_error(last: str) -> str:
    """The last line that looks like ``SomeError: words``."""
    named = (line.strip() for line in reversed(last.splitlines()) if "Error" in line.split(":")[0])
    return next(named, "")[:300]
