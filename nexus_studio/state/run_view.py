"""Everything that is known of one run, kept up to date from its events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from PySide6.QtCore import QObject, QTimer, Signal

from models_backend.contract.messages import (
    Event,
    Health,
    Heartbeat,
    Levels,
    Mark,
    Metrics,
    Preview,
    Progress,
    Saved,
    State,
    Trouble,
)
from models_backend.contract.pace import Pace
from models_backend.contract.run_layout import RunRecord

from .series import Series

if TYPE_CHECKING:
    import numpy as np

TELL_MS = 100
#: A rate is no longer told when no figure came for so long, or for so many of its usual gaps.
STALE_S, STALE_GAPS = 5.0, 8.0
LIVE_STATES = ("starting", "running", "paused")
ENDED_STATES = ("finished", "stopped", "failed")


class Stage(NamedTuple):
    """What is done in place of steps, since when (seconds since 1970), and an estimate of what is left (0: none)."""

    what: str
    since: float
    left_s: float


class RunView(QObject):
    """A run's state, curves, marks, previews and health. ``changed`` is told at most ten times a second.

    ``folder`` is the library's RunFolder; ``load`` reads the log once, events told meanwhile wait in a line, and a
    gap in the sequence (a message lost on the way) is filled from the log.
    """

    changed = Signal()
    preview_added = Signal(object)  # Preview
    health_changed = Signal(object)  # Health
    state_changed = Signal(str)
    troubled = Signal(object)  # Trouble

    def __init__(self, record: RunRecord, folder: Any = None):
        super().__init__()
        self.record, self.folder, self.id = record, folder, record.id
        self.state, self.step, self.reason = "queued", 0, ""
        self.levels: Levels | None = None
        self.marks: list[tuple[int, str]] = []
        self.previews: list[Preview] = []
        self.checkpoints: list[Saved] = []
        self.health: Health | None = None
        self.trouble: Trouble | None = None
        self._passing = False  # whether it was told in passing: a worker that does not answer
        self.progress: Progress | None = None
        self.heartbeat: Heartbeat | None = None
        self.loaded = False
        self._stage: Stage | None = None
        self._series: dict[str, Series] = {}
        self._seq = 0
        self._early: list[Event] = []
        self._pace, self._heard = Pace(), 0.0
        self._timer = QTimer(self, singleShot=True, interval=TELL_MS)
        self._timer.timeout.connect(self.changed)

    # ------------------------------------------------------------------------------------ what it knows

    @property
    def total(self) -> int:
        """Steps that the run will take."""
        return self.record.steps

    @property
    def saved(self) -> int:
        """The step of the newest checkpoint that it told of; 0 where there is none."""
        return max((checkpoint.step for checkpoint in self.checkpoints), default=0)

    @property
    def live(self) -> bool:
        """Whether a worker holds the run."""
        return self.state in LIVE_STATES

    @property
    def ended(self) -> bool:
        """Whether the run has ended; its worker may still be there for a moment."""
        return self.state in ENDED_STATES

    @property
    def rate(self) -> float:
        """Optimiser steps a second over the last figures; 0 until a few steady ones came, and when they are too old to hold."""
        if self.state != "running" or self.stage is not None:
            return 0.0
        return 0.0 if self.silent_s > max(STALE_S, STALE_GAPS * self._pace.gap_s) else self._pace.rate

    @property
    def silent_s(self) -> float:
        """Seconds since the last figure; 0 where none was told since the run entered its state."""
        return time.time() - self._heard if self._heard else 0.0

    @property
    def left_s(self) -> float:
        """Seconds left at that rate; 0 while unknown."""
        return self._pace.left_s(self.step, self.total) if self.rate else 0.0

    @property
    def stage(self) -> Stage | None:
        """What the run does now in place of steps (compiling, preparing, drawing a preview); None while it steps."""
        return self._stage if self.live and self.state != "paused" else None

    def series(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(steps, values) of a curve; two empty arrays for one that was never told."""
        return self._series.get(name, Series()).arrays()

    def last(self, name: str) -> float | None:
        """The newest value of a curve."""
        series = self._series.get(name)
        return series.last if series else None

    @property
    def names(self) -> list[str]:
        """The names of all curves so far."""
        return list(self._series)

    # ------------------------------------------------------------------------------------------- events

    def take_log(self, events: list[Event], more: bool = False) -> None:
        """Takes the run's log, oldest first, then what was told while it was read. ``more``: a piece that is not its last."""
        for event in events:
            if event.seq > self._seq:
                self._seq = event.seq
                self._take(event, past=True)
        if more:
            return
        self.loaded = True
        early, self._early = self._early, []
        for event in early:
            self.tell(event)
        self._soon()

    def tell(self, event: Event) -> bool:
        """Takes a live event. Returns False when events before it are missing: ``load`` must fill the gap."""
        if event.seq == 0:
            self._take(event)
        elif not self.loaded:
            self._early.append(event)
        elif event.seq > self._seq + 1:
            self._early.append(event)
            self.loaded = False
            return False
        elif event.seq == self._seq + 1:
            self._seq = event.seq
            self._take(event)
        return True

    def _take(self, event: Event, past: bool = False) -> None:
        body = event.body
        if isinstance(body, Trouble):
            self._passing = not event.seq
        elif isinstance(body, State) and self._passing and (body.state in ("finished", "stopped") or not event.seq):
            self.trouble = None  # the worker answers again, or has ended in order
        _TAKE[type(body)](self, body, event.time)
        if not past:
            self._announce(body)
            self._soon()

    def _announce(self, body: Any) -> None:
        if isinstance(body, Preview):
            self.preview_added.emit(body)
        elif isinstance(body, Health):
            self.health_changed.emit(body)
        elif isinstance(body, State):
            self.state_changed.emit(body.state)
        elif isinstance(body, Trouble):
            self.troubled.emit(body)

    def _soon(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def set_state(self, state: str, step: int | None = None) -> None:
        """What the folder says where the log cannot know: "interrupted", or a run that is only queued."""
        if state != self.state:
            self.state = state
            self.state_changed.emit(state)
        self.step = self.step if step is None else max(step, self.step)
        self._soon()

    def _take_state(self, body: State, time: float) -> None:
        self.state, self.reason = body.state, body.reason
        self.step = body.step or self.step
        self._pace.rest() if body.state in ("running", "paused") else self._pace.forget()
        self._heard = 0.0
        if body.state == "starting":
            self.trouble = None  # what was wrong in an earlier try
        if body.state != "running":
            self._stage = None

    def _take_progress(self, body: Progress, at: float) -> None:
        self.progress = body
        if body.what == "training":
            self._stage = None
        elif body.what:
            same = self._stage is not None and self._stage.what == body.what
            self._set_stage(body.what, self._stage.since if same else at, body.left_s)

    def _set_stage(self, what: str, since: float, left_s: float) -> None:
        if self._stage is None or self._stage.what != what:
            self._heard = 0.0  # no figure is to be waited for
        self._stage = Stage(what, since, left_s)

    def _take_metrics(self, body: Metrics, time: float) -> None:
        self.step = body.step
        self._stage = None
        if "loss" in body.values:
            self._pace.mark(time, body.step)
        self._heard = time
        for name, value in body.values.items():
            series = self._series.get(name)
            if series is None:
                series = self._series[name] = Series()
            series.append(body.step, value)

    def _take_preview(self, body: Preview, time: float) -> None:
        self.previews = [known for known in self.previews if known.step < body.step] + [body]

    def _take_saved(self, body: Saved, time: float) -> None:
        self.checkpoints = [known for known in self.checkpoints if known.step != body.step] + [body]

    def _take_mark(self, body: Mark, time: float) -> None:
        self._pace.forget()  # the rate from before tells nothing of what comes after
        if (body.step, body.text) not in self.marks:
            self.marks.append((body.step, body.text))

    def _take_heartbeat(self, body: Heartbeat, at: float) -> None:
        self.heartbeat = body
        self.step = max(self.step, body.step)
        if body.what:
            self._set_stage(body.what, at - body.for_s, body.left_s)
        else:
            self._stage = None


def _keeps(name: str):
    return lambda view, body, time: setattr(view, name, body)


_TAKE = {
    State: RunView._take_state,
    Metrics: RunView._take_metrics,
    Preview: RunView._take_preview,
    Saved: RunView._take_saved,
    Mark: RunView._take_mark,
    Heartbeat: RunView._take_heartbeat,
    Levels: _keeps("levels"),
    Health: _keeps("health"),
    Progress: RunView._take_progress,
    Trouble: _keeps("trouble"),
}
