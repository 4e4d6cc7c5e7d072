"""How fast something long comes on, by its last steps alone: what terminal and window tell as the time left."""

from __future__ import annotations

from collections import deque
from statistics import median

#: Gaps between figures that are remembered, and how many there must be before anything is said.
RECENT, STEADY = 40, 3


class Pace:
    """Takes what is done at which second. The first step holds loading and measuring, so only what lies between figures counts,
    and the middle of those: a step that waits for something else, a preview say, changes nothing where it is rare."""

    def __init__(self) -> None:
        self._gaps: deque[tuple[float, float]] = deque(maxlen=RECENT)  # seconds, steps
        self._last: tuple[float, float] | None = None

    def mark(self, at: float, done: float) -> None:
        """``done`` steps are done at second ``at``; fewer than before: it has begun anew."""
        if self._last is not None and done < self._last[1]:
            self.forget()
        if self._last is not None and done == self._last[1]:
            return
        if self._last is not None:
            self._gaps.append((at - self._last[0], done - self._last[1]))
        self._last = (at, done)

    def rest(self) -> None:
        """What passes until the next figure is no step's time (a pause)."""
        self._last = None

    def forget(self) -> None:
        """The steps so far tell nothing of those to come (they are compiled now, or larger)."""
        self._gaps.clear()
        self._last = None

    @property
    def rate(self) -> float:
        """Steps a second; 0 until a few steady steps are done."""
        if len(self._gaps) < STEADY:
            return 0.0
        each = median(seconds / steps for seconds, steps in self._gaps)
        return 1 / each if each > 0 else 0.0

    @property
    def gap_s(self) -> float:
        """Seconds between two figures as a rule; 0 while unknown."""
        return median(seconds for seconds, _ in self._gaps) if self._gaps else 0.0

    def left_s(self, done: float, total: float) -> float:
        """Seconds that the rest takes; 0 while unknown."""
        rate = self.rate
        return max(0.0, total - done) / rate if rate else 0.0
