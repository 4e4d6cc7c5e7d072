"""Ownership by operating-system lock: it ends with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from models_backend.contract.messages import TroubleError

from . import guarding
from .locking import INHERITED, flock, funlock
from .trouble import explained

_TRIES = 5
_PAUSE_S = 0.02  # longer than a look by ``holder`` takes


class HeldError(TroubleError):
    """Another process holds the lock; ``pid`` is its process id, or 0 where it cannot be told."""

    def __init__(self, what: str, item: str, pid: int):
        advice = "Close it there, or use it through that process"
        super().__init__(what, item, "Nothing was changed", advice)
        self.pid = pid


class Lock:
    """An exclusive lock on a file that holds the owner's process id."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._descriptor = -1

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._descriptor >= 0

    def acquire(self, what: str = "it is in use", item: str = "") -> None:
        """Take the lock, or raise HeldError that names the process which has it."""
        if self.held:
            return
        with explained("the lock file cannot be written", item or self.path.name):
            descriptor = _opened(self.path)
            if not _taken(descriptor):
                pid = _read_pid(descriptor)
                os.close(descriptor)
                raise HeldError(f"{what} by process {pid}" if pid else f"{what} by another process", item, pid)
            self._own(descriptor, os.getpid())

    def release(self) -> None:
        """Give it back; nothing to do where it is not held."""
        if self.held:
            descriptor, self._descriptor = self._descriptor, -1
            funlock(descriptor)
            os.close(descriptor)

    @contextlib.contextmanager
    def handed_over(self, what: str = "it is in use", item: str = "") -> Iterator[int | None]:
        """Takes the lock for a child that is started inside: the descriptor for it to inherit and :meth:`adopt`, so that at
        no moment nobody holds it. None where the system cannot do that; the child takes the lock by itself then."""
        if not INHERITED:
            yield None
            return
        self.acquire(what, item)
        self._own(self._descriptor, 0)  # nobody may end this process for the child's sake: it writes itself who it is
        try:
            yield self._descriptor
        finally:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)  # not unlocked, which would take it from the child

    def adopt(self, descriptor: int) -> None:
        """Takes over the lock that this process inherited."""
        os.set_inheritable(descriptor, False)
        self._own(descriptor, os.getpid())

    def _own(self, descriptor: int, pid: int) -> None:
        self._descriptor = descriptor
        try:
            with explained("the lock file cannot be written", self.path.name):
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, f"{pid}\n".encode())
        except TroubleError:
            self.release()
            raise

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def holder(path: str | Path) -> int | None:
    """The process id of who holds the lock (0 where it cannot be read), or None where nobody does."""
    try:
        descriptor = guarding.opened(path, os.O_RDWR)
    except OSError:
        return None  # no lock file, or not ours to open: nobody of ours holds it
    try:
        flock(descriptor, wait=False)
    except BlockingIOError:
        return _read_pid(descriptor)
    else:
        funlock(descriptor)
        return None
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    guarding.stay_inside(path)
    return guarding.opened(path, os.O_RDWR | os.O_CREAT)


def _taken(descriptor: int) -> bool:
    """Try a few times, since somebody may only be looking who holds it."""
    for _ in range(_TRIES):
        try:
            flock(descriptor, wait=False)
            return True
        except BlockingIOError:
            time.sleep(_PAUSE_S)
    return False


def _read_pid(descriptor: int) -> int:
    os.lseek(descriptor, 0, os.SEEK_SET)
    text = os.read(descriptor, 32).strip()
    return int(text) if text.isdigit() else 0
