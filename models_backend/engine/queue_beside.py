"""The queue of a library that another process owns (a window that may write, say): looked at, never changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from models_backend.contract.messages import Event, State, TroubleError
from models_backend.contract.run_layout import JobRecord
from models_backend.library.library import Library

from . import queue
from .beside import Tell


class QueueBeside:
    """What its owner has written of the queue; ``alive(run)``: whether a run has a worker now."""

    def __init__(self, library: Library, alive: Callable[[str], bool], tell: Tell):
        self._library, self._alive, self._tell = library, alive, tell
        self._jobs: dict[str, JobRecord] = {}

    def jobs(self) -> list[JobRecord]:
        """The queue in the order in which it runs."""
        return queue.ordered(self._jobs.values())

    async def look(self) -> None:
        """Reads the queue and tells what changed. A job whose worker a killed owner left behind does not run."""
        before, jobs = self._jobs, await asyncio.to_thread(self._library.jobs)
        self._jobs = {job.id: job for job in jobs if job.state != "running" or self._alive(job.run)}
        for job in self._jobs.values():
            if job != before.get(job.id):
                self._told(job, State(job.state, reason=job.reason))
        for name in before.keys() - self._jobs.keys():
            self._told(before[name], State("stopped", reason="it is in the queue no more"))

    def refuse(self, run_or_job: str) -> None:
        """Raises TroubleError where that waits in the queue."""
        for job in self._jobs.values():
            if run_or_job in (job.id, job.run):
                what = "its place in the queue is changed only where the queue is worked off"
                raise TroubleError(what, job.title, "Nothing was changed", "Do it in the window that has this library open")

    def _told(self, job: JobRecord, state: State) -> None:
        self._tell(Event(0, time.time(), job.id, state))
