"""Taking the main thread out of work that nobody waits for any longer: a stop, or a call that was given up.

Work that tells how far it is asks by itself whether it is still wanted. What does not (loading, one long measure, an encoder)
is left by a signal, whose handler raises :class:`~models_backend.contract.trace.Left` between two operations.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from models_backend.contract.trace import Left

#: The signal; None where the system has none (Windows): there the work goes on to the next place where it asks.
LEAVE = getattr(signal, "SIGUSR1", None)
AGAIN_S = 0.2


class Leaver:
    """Made by the main thread. ``wanted``: whether the main thread is to come out of something; ``may``: whether it can be
    taken out of it now. A process that goes on afterwards does not ``end``: no import of its own is left half done."""

    def __init__(self, wanted: Callable[[], bool], may: Callable[[], bool], ends: bool):
        self._wanted, self._may, self._ends = wanted, may, ends
        self._asking = threading.Lock()
        if LEAVE is not None:
            signal.signal(LEAVE, self._handle)

    def ask(self) -> None:
        """From any thread: takes the main thread out as soon as it can be; returns at once."""
        if LEAVE is not None and self._asking.acquire(blocking=False):
            threading.Thread(target=self._press, name="leaving", daemon=True).start()

    def _press(self) -> None:
        try:
            while self._wanted():
                time.sleep(AGAIN_S)  # what asks by itself comes out by itself
                if self._wanted() and self._may():
                    signal.pthread_kill(threading.main_thread().ident, LEAVE)
        finally:
            self._asking.release()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._wanted() and self._may() and (self._ends or not _importing(frame)):
            raise Left


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
