"""Telling how far a long thing is, and leaving it when the caller asks."""

from __future__ import annotations

import time
from collections.abc import Callable

from models_backend.contract.messages import Progress
from models_backend.contract.pace import Pace


class Cancelled(Exception):
    """The caller asked to stop; nothing was left half done."""


class Watch:
    """Counts items of a long job. ``tell`` hears at most ten times a second; ``cancelled`` is asked at every count."""

    def __init__(self, tell: Callable[[Progress], None] | None = None, cancelled: Callable[[], bool] | None = None):
        self._tell, self._cancelled = tell, cancelled
        self.begin("", 0)

    def begin(self, what: str, total: int) -> None:
        """A new stage of ``total`` items (0: not known)."""
        self.what, self.total, self.done = what, total, 0
        self._told, self._pace = time.perf_counter(), Pace()

    def count(self, items: int = 1) -> None:
        """``items`` more are done. Raises Cancelled if the caller asked to stop."""
        self.done += items
        if self._cancelled is not None and self._cancelled():
            raise Cancelled()
        now = time.perf_counter()
        if self._tell and self.what and (now - self._told > 0.1 or self.done == self.total):
            self._told = now
            self._pace.mark(now, self.done)
            left_s = self._pace.left_s(self.done, self.total)
            self._tell(Progress(self.done, self.total, self.what, round(self._pace.rate, 1), round(left_s, 1)))
