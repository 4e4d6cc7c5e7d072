"""What a run tells, and how often: means since the last word, never more than a few a second, never a wait for a figure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch

from models_backend.contract.messages import Body, Event, Levels, Metrics, Progress, State

METRICS_S = 0.1
PROGRESS_S = 0.5
LEVELS_S = 2.0
BINS = 20
_MEMORY = 0.998  # of a bin's mean, for each item it sees
HISTORY = 4000
WAITING = 64


class Teller:
    """Adds figures up on their device and tells their means."""

    def __init__(
        self, tell: Callable[[Body], None], total: int, items_a_step: int, clock: Callable[[], float] = time.monotonic
    ):
        self._tell, self._total, self._items, self._clock = tell, total, items_a_step, clock
        self._sums: dict[str, Any] = {}
        self._counts: dict[str, int] = {}
        self._told_at = dict.fromkeys(("metrics", "progress", "levels"), clock())
        self._steps_since, self._since = 0, clock()
        self._pace = 0.0
        self._levels: LevelMeans | None = None
        self._waiting: list[tuple[Any, Any]] = []
        self.history: dict[str, list[tuple[int, float]]] = {}

    def add(self, figures: dict[str, Any]) -> None:
        """Figures of one step: floats, or detached scalars on any device."""
        for name, value in figures.items():
            held = self._sums.get(name)
            self._sums[name] = value if held is None else held + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def add_levels(self, levels: tuple[Any, Any]) -> None:
        """Loss by noise level of one batch."""
        self._waiting.append(levels)
        if len(self._waiting) >= WAITING:
            self._fold()

    def _fold(self) -> None:
        if self._waiting:
            self._levels = self._levels or LevelMeans(self._waiting[0][0].device)
            self._levels.add(torch.cat([level for level, _ in self._waiting]), torch.cat([loss for _, loss in self._waiting]))
            self._waiting.clear()

    def stepped(self, step: int) -> None:
        """After each step (``step`` of them are done): tells what is due."""
        self._steps_since += 1
        now = self._clock()
        if self._due("metrics", METRICS_S, now) or step >= self._total:
            self.flush(step, now)
        if self._due("progress", PROGRESS_S, now):
            self._tell(Progress(step, self._total, "training"))
        if (self._levels or self._waiting) and self._due("levels", LEVELS_S, now):
            self._tell(Levels(step, self.levels()))

    def flush(self, step: int, now: float | None = None) -> None:
        """Tells the means of all that was added."""
        now = self._clock() if now is None else now
        if not self._sums:
            return
        self._keep_pace(now)
        values = {name: float(value) / self._counts[name] for name, value in self._sums.items()}
        values["rate"] = self._pace * self._items
        self._sums, self._counts = {}, {}
        self.tell_now(step, values)

    def tell_now(self, step: int, values: dict[str, float]) -> None:
        """Figures told as they are; what is not a number is left out."""
        told = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        for name, value in values.items():
            self._remember(name, step, float(value))
        if told:
            self._tell(Metrics(step, told))

    def recall(self, events: Iterable[Event], step: int) -> None:
        """What a run told before, up to ``step``; what it told of steps that are taken again is forgotten."""
        for event in events:
            if isinstance(event.body, State) and event.body.state == "running":
                self._forget(event.body.step)
            elif isinstance(event.body, Metrics):
                for name, value in event.body.values.items():
                    self._remember(name, event.body.step, value)
        self._forget(step)

    def _forget(self, after: int) -> None:
        self.history = {name: [one for one in series if one[0] <= after] for name, series in self.history.items()}

    def levels(self) -> list[float]:
        """The loss by noise level as it stands; empty where the family tells none."""
        self._fold()
        return self._levels.means() if self._levels else []

    def rested(self, seconds: float) -> None:
        """Time that did not go into training (a pause, an answer)."""
        self._since += seconds

    def rest(self) -> None:
        """Time that passes until the next step does not count as training time (previews, pauses)."""
        self._resting = self._clock()

    def go_on(self) -> None:
        """The end of a rest."""
        self._since += self._clock() - self._resting

    def _keep_pace(self, now: float) -> None:
        took = now - self._since
        if took > 0 and self._steps_since:
            pace = self._steps_since / took
            self._pace = pace if not self._pace else 0.7 * self._pace + 0.3 * pace
        self._steps_since, self._since = 0, now

    def _due(self, what: str, every: float, now: float) -> bool:
        if now - self._told_at[what] < every:
            return False
        self._told_at[what] = now
        return True

    def _remember(self, name: str, step: int, value: float) -> None:
        series = self.history.setdefault(name, [])
        series.append((step, value))
        if len(series) > HISTORY:
            self.history[name] = series[::2]


class LevelMeans:
    """Mean loss in equal bins of noise level over [0, 1], forgetting slowly."""

    def __init__(self, device: torch.device):
        self._sum = torch.zeros(BINS, device=device)
        self._weight = torch.zeros(BINS, device=device)

    def add(self, level: torch.Tensor, loss: torch.Tensor) -> None:
        """Levels and losses of items, (B,) each."""
        place = (level.detach().float() * BINS).long().clamp(0, BINS - 1)
        hits = torch.zeros_like(self._weight).index_add_(0, place, torch.ones_like(loss, dtype=torch.float32))
        losses = torch.zeros_like(self._sum).index_add_(0, place, loss.detach().float().nan_to_num(0.0, 0.0, 0.0))
        kept = _MEMORY**hits
        self._sum.mul_(kept).add_(losses)
        self._weight.mul_(kept).add_(hits)

    def means(self) -> list[float]:
        """One mean a bin; NaN where a bin is empty."""
        return (self._sum / self._weight).tolist()
