"""Faults on purpose: the n-th primitive operation of :mod:`.storage` fails, is cut short, or kills the process.

Every write, fsync, rename, mkdir, unlink and database operation counts as one. Nothing is armed in normal use; a test
calls :func:`arm`, and a child process is armed by ``NEXUS_FAULT="n:kind"`` or ``"n:kind:persistent"``.

Kinds: ENOSPC (half of a write lands, then the disk is full), EIO (nothing lands), EROFS (a read-only disk), SHORT (a
write takes half of its bytes and says so), KILL (half of a write lands, then SIGKILL).
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from typing import NamedTuple

KINDS = ("ENOSPC", "EIO", "SHORT", "KILL")
#: operations that give space back, so that a full disk does not refuse them
_FREEING = frozenset({"unlink", "rmdir", "truncate", "db delete"})


class Plan(NamedTuple):
    """Strike at operation ``n`` (from 1), or from there on where ``persistent``."""

    n: int
    kind: str
    persistent: bool = False


_lock = threading.Lock()
_plan: Plan | None = None
_count = 0
_struck = 0
_trace: list[tuple[str, str]] | None = None


def arm(n: int, kind: str, persistent: bool = False) -> None:
    """Count from zero and strike at operation ``n``."""
    if kind not in (*KINDS, "EROFS"):
        raise ValueError(f"no fault kind {kind!r}; there are {', '.join(KINDS)}, EROFS")
    global _plan, _count, _struck
    _plan, _count, _struck = Plan(n, kind, persistent), 0, 0


def disarm() -> None:
    """No fault any more; the counters stay readable until the next :func:`arm` or :func:`record`."""
    global _plan, _trace
    _plan, _trace = None, None


def record() -> list[tuple[str, str]]:
    """Count from zero and note (operation, path) of each from now on in the list that is returned."""
    global _trace, _count, _struck
    _trace, _count, _struck = [], 0, 0
    return _trace


def operations() -> int:
    """How many primitive operations were begun since the last :func:`arm` or :func:`record`."""
    return _count


def struck() -> int:
    """How many of them were hit."""
    return _struck


def armed() -> bool:
    """Whether a fault is armed or operations are being recorded."""
    return _plan is not None or _trace is not None


def due(operation: str, path: object = "") -> str | None:
    """Count one operation; the kind of the fault that hits it, or None."""
    global _count, _struck
    with _lock:
        _count += 1
        if _trace is not None:
            _trace.append((operation, str(path)))
        if _plan is None or _count < _plan.n or (_count > _plan.n and not _plan.persistent):
            return None
        _struck += 1
        return _plan.kind


def strike(operation: str, path: object = "") -> None:
    """Count an operation that is not a write, and fail or kill it when it is due."""
    kind = due(operation, path)
    if kind is None or kind == "SHORT" or (kind == "ENOSPC" and operation in _FREEING):
        return
    fail(kind, path)


def fail(kind: str, path: object = "") -> None:
    """What a fault does to an operation: OSError of that kind, or the end of the process."""
    if kind == "KILL":
        os.kill(os.getpid(), signal.SIGKILL)
    number = getattr(errno, kind)
    raise OSError(number, os.strerror(number), str(path))


def write(kind: str, descriptor: int, data: memoryview, path: object = "") -> int:
    """What a fault does to a write; bytes written where it is only short."""
    half = data[: len(data) // 2]
    if kind in ("ENOSPC", "KILL", "SHORT") and len(half):
        os.write(descriptor, half)
    if kind == "SHORT" and len(half):
        return len(half)
    fail("ENOSPC" if kind == "SHORT" else kind, path)
    return 0


def from_environment(text: str) -> Plan | None:
    """The plan that ``NEXUS_FAULT`` describes; None where it is empty."""
    if not text:
        return None
    n, kind, *rest = text.split(":")
    return Plan(int(n), kind, rest == ["persistent"])


_plan = from_environment(os.environ.get("NEXUS_FAULT", ""))
