"""One at a time: who reads, changes and writes something takes a turn, and other threads and processes wait for theirs."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from models_backend.contract.messages import TroubleError

from . import guarding
from .locking import flock, funlock

WAIT_S = 30.0  # changes take milliseconds, on a slow disk a second or two
_PAUSE_S = 0.01


class Turn:
    """The turn to change what a lock file at ``path`` stands for; a thread that has it may take it again."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._thread = threading.RLock()
        self._depth = 0

    @contextlib.contextmanager
    def taken(self, item: str) -> Iterator[None]:
        """Nobody else changes ``item`` inside the block. TroubleError where the others do not end within WAIT_S seconds,
        OSError where the lock file cannot be made."""
        end = time.monotonic() + WAIT_S
        if not self._thread.acquire(timeout=WAIT_S):
            raise _busy(item)
        try:
            with contextlib.nullcontext() if self._depth else self._held(item, end):
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
        finally:
            self._thread.release()

    @contextlib.contextmanager
    def _held(self, item: str, end: float) -> Iterator[None]:
        guarding.stay_inside(self.path)
        descriptor = guarding.opened(self.path, os.O_RDWR | os.O_CREAT)
        try:
            while not _locked(descriptor):
                if time.monotonic() > end:
                    raise _busy(item)
                time.sleep(_PAUSE_S)
            try:
                yield
            finally:
                funlock(descriptor)
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        flock(descriptor, wait=False)
    except BlockingIOError:
        return False
    return True


def _busy(item: str) -> TroubleError:
    return TroubleError("another process is changing it and does not end", item, "Nothing was changed",
                        "End that process, or try again later")  # fmt: skip
