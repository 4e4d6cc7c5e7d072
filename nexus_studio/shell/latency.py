"""The UI latency meter: how long the event loop was away."""

from __future__ import annotations

import time
from collections import deque

from PySide6.QtCore import QObject, Qt, QTimer, Signal

BEAT_MS = 20
TELL_MS = 1000


class LatencyMeter(QObject):
    """A precise timer beats every 20 ms; each beat that comes late is a gap. ``told``: the worst gap of the last
    second in ms. ``gaps`` keeps the last ten minutes for measurements."""

    told = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.gaps: deque[float] = deque(maxlen=10 * 60 * 1000 // BEAT_MS)
        self._last = time.perf_counter()
        self._worst, self._since = 0.0, 0.0
        self._timer = QTimer(self, interval=BEAT_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        """Begins to measure."""
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        """Stops measuring."""
        self._timer.stop()

    def _beat(self) -> None:
        now = time.perf_counter()
        gap = max(0.0, (now - self._last) * 1000 - BEAT_MS)
        self._last = now
        self.gaps.append(gap)
        self._worst = max(self._worst, gap)
        self._since += gap + BEAT_MS
        if self._since >= TELL_MS:
            self.told.emit(self._worst)
            self._worst = self._since = 0.0
