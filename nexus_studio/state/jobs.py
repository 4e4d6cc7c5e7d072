"""The queue of the library, and what the studio itself has under way (imports, exports, sampling)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from models_backend.contract.messages import Event, Progress, State
from models_backend.contract.run_layout import JobRecord

from ..bridge import Bridge
from .run_view import LIVE_STATES

#: A report older than this says how far the work is, but no longer how fast.
STALE_S = 5.0
ENDED = ("finished", "failed", "stopped", "cancelled")
ACTIVE = ("starting", "running", "paused")


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
        self._over: set[str] = set()  # runs that have told their end
        self._pausing: set[str] = set()  # runs that were asked to pause and have not told a state since
        bridge.told.connect(self._tell)

    def refresh(self) -> None:
        """Takes the queue as the engine has it now."""
        records = list(self._bridge.engine.queue()) if self._bridge.engine is not None else []
        if records != self.records:
            self.records = records
            self.changed.emit()

    @property
    def own(self) -> bool:
        """Whether the queue is this window's to change."""
        return self._bridge.engine is None or self._bridge.engine.owns_queue

    @property
    def active(self) -> JobRecord | None:
        """The job that a worker has now."""
        return next((job for job in self.records if job.state in ACTIVE), None)

    def phase(self, run: str, told: str) -> str:
        """The state of a run that has ``told`` one, as it is shown: "pausing" from when it is asked to, "queued" and "starting"
        from when its job is, whatever it was before; "not started" where it never began and no job of it waits."""
        if told in LIVE_STATES:
            return "pausing" if told == "running" and run in self._pausing else told
        job = self.of_run(run)
        if job is not None and job.state == "queued":
            return "queued"
        if job is not None and job.state in ACTIVE:
            return told if run in self._over else "starting"
        return "not started" if told == "queued" else told

    def place(self, run: str) -> int:
        """In which place of the queue a run waits, from 1 on; 0 where it does not."""
        return next((n for n, job in enumerate(self.waiting, 1) if job.run == run), 0)

    @property
    def waiting(self) -> list[JobRecord]:
        """The jobs that wait, in order."""
        return [job for job in self.records if job.state == "queued"]

    def of_run(self, run: str) -> JobRecord | None:
        """The job of a run, or None."""
        return next((job for job in self.records if job.run == run and job.state not in ENDED), None)

    def _tell(self, event: Event) -> None:
        if isinstance(event.body, State):
            job = next((job for job in self.records if job.id == event.source), None)
            note = self._over.add if event.body.state in ENDED else self._over.discard
            note(job.run if job is not None else event.source)
            self._note_pausing(event.source, False)
            self.refresh()

    def _note_pausing(self, run: str, asked: bool) -> None:
        if asked != (run in self._pausing):
            (self._pausing.add if asked else self._pausing.discard)(run)
            self.changed.emit()

    # ---------------------------------------------------------------------------------- what one may do

    def ask(self, verb: str, *arguments: object) -> asyncio.Task:
        """Asks the engine (reorder hold cancel pause resume stop) and takes the queue anew."""
        run = str(arguments[0])
        pausing = run in self._pausing
        if verb in ("pause", "resume"):
            self._note_pausing(run, verb == "pause")
        return self._bridge.spawn(self._asked(verb, arguments, pausing))

    def pause_or_resume(self, run: str, told: str) -> asyncio.Task:
        """Holds a run that trains; lets any other go on: also one that was asked to pause and has not yet. ``told``: the state
        that it told."""
        return self.ask("pause" if self.phase(run, told) == "running" else "resume", run)

    async def _asked(self, verb: str, arguments: tuple, pausing: bool) -> None:
        answer = getattr(self._bridge.engine, verb)(*arguments)
        try:
            if asyncio.iscoroutine(answer) or isinstance(answer, asyncio.Future):
                await answer
        except BaseException:
            if verb in ("pause", "resume"):
                self._note_pausing(str(arguments[0]), pausing)
            raise
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
