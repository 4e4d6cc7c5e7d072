"""The queue of the library, and what the studio itself has under way (imports, exports, sampling)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from models_backend.contract.messages import Event, Progress, State
from models_backend.contract.run_layout import JobRecord

from ..bridge import Bridge

#: A report older than this says how far the work is, but no longer how fast.
STALE_S = 5.0
ENDED = ("finished", "failed", "stopped", "cancelled")


class Activity(QObject):
    """Something long that is not a run: its title, how far it is, and how to stop it."""

    changed = Signal()

    def __init__(self, title: str, cancel: Callable[[], object] | None = None):
        super().__init__()
        self.title, self._cancel = title, cancel
        self.progress: Progress | None = None
        self.over = False
        self.began = self._told = time.monotonic()

    def tell(self, progress: Progress) -> None:
        """Takes a progress report."""
        self.progress, self._told = progress, time.monotonic()
        self.changed.emit()

    @property
    def took_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    @property
    def fresh(self) -> bool:
        """Whether the last report is new enough for its rate and its estimate to hold."""
        return time.monotonic() - self._told < STALE_S

    @property
    def can_cancel(self) -> bool:
        return self._cancel is not None and not self.over

    def cancel(self) -> None:
        """Asks the work to stop."""
        if self._cancel is not None:
            self._cancel()


class Jobs(QObject):
    """``records``: the queue in order; ``activities``: what the studio does itself."""

    changed = Signal()
    activities_changed = Signal()

    def __init__(self, bridge: Bridge):
        super().__init__()
        self._bridge = bridge
        self.records: list[JobRecord] = []
        self.activities: list[Activity] = []
        bridge.told.connect(self._tell)

    def refresh(self) -> None:
        """Takes the queue as the engine has it now."""
        records = list(self._bridge.engine.queue()) if self._bridge.engine is not None else []
        if records != self.records:
            self.records = records
            self.changed.emit()

    @property
    def active(self) -> JobRecord | None:
        """The job that a worker has now."""
        return next((job for job in self.records if job.state in ("starting", "running", "paused")), None)

    @property
    def waiting(self) -> list[JobRecord]:
        """The jobs that wait, in order."""
        return [job for job in self.records if job.state == "queued"]

    def of_run(self, run: str) -> JobRecord | None:
        """The job of a run, or None."""
        return next((job for job in self.records if job.run == run and job.state not in ENDED), None)

    def _tell(self, event: Event) -> None:
        if isinstance(event.body, State):
            self.refresh()

    # ---------------------------------------------------------------------------------- what one may do

    def ask(self, verb: str, *arguments: object) -> asyncio.Task:
        """Asks the engine (reorder hold cancel pause resume stop) and takes the queue anew."""
        return self._bridge.spawn(self._asked(verb, arguments))

    async def _asked(self, verb: str, arguments: tuple) -> None:
        answer = getattr(self._bridge.engine, verb)(*arguments)
        if asyncio.iscoroutine(answer) or isinstance(answer, asyncio.Future):
            await answer
        self.refresh()

    def begin(self, title: str, cancel: Callable[[], object] | None = None) -> Activity:
        """Shows a new activity in the jobs bar; ``end`` takes it away."""
        activity = Activity(title, cancel)
        self.activities.append(activity)
        activity.changed.connect(self.activities_changed)
        self.activities_changed.emit()
        return activity

    def end(self, activity: Activity) -> None:
        """The activity is over, however it ended."""
        activity.over = True
        if activity in self.activities:
            self.activities.remove(activity)
            self.activities_changed.emit()
