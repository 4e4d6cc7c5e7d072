"""Telling how far a long thing is, and leaving it when the caller asks."""

from __future__ import annotations

import time
from collections.abc import Callable

from models_backend.contract.messages import Progress


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
        self._started = self._told = time.perf_counter()

    def count(self, items: int = 1) -> None:
        """``items`` more are done. Raises Cancelled if the caller asked to stop."""
        self.done += items
        if self._cancelled is not None and self._cancelled():
            raise Cancelled()
        now = time.perf_counter()
        if self._tell and self.what and (now - self._told > 0.1 or self.done == self.total):
            self._told = now
            self._tell(self._progress(now - self._started))

    def _progress(self, took_s: float) -> Progress:
        rate = self.done / took_s if took_s > 0 else 0.0
        left_s = (self.total - self.done) / rate if rate > 0 and self.total > self.done else 0.0
        return Progress(self.done, self.total, self.what, round(rate, 1), round(left_s, 1))
