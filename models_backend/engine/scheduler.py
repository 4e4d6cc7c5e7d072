"""The queue: jobs kept in the library, started when their device and the runs that they wait for allow it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from models_backend.contract.messages import Event, State, TroubleError
from models_backend.contract.run_layout import JobRecord
from models_backend.library.library import Library

from . import queue

Start = Callable[[JobRecord], Awaitable[None]]


class Scheduler:
    """Owns the jobs. ``start(job)`` starts one; the engine reports its end through :meth:`ended`."""

    def __init__(self, library: Library, start: Start, told: Callable[[Event], None]):
        self._library, self._start, self._told = library, start, told
        self._jobs: dict[str, JobRecord] = {}
        self._pumping = asyncio.Lock()

    async def load(self, alive: Callable[[str], bool]) -> None:
        """Takes up the queue where an earlier studio left it. ``alive``: whether a run has a worker now."""
        for job in await asyncio.to_thread(self._library.jobs):
            self._jobs[job.id] = job
            if job.state == "running" and not alive(job.run):
                state, step = await asyncio.to_thread(self._state, job.run)
                await self.ended(job.run, State(state or "interrupted", step, _lost(state, step)))

    def jobs(self) -> list[JobRecord]:
        """The queue in the order in which it runs."""
        return queue.ordered(self._jobs.values())

    def of_run(self, run: str) -> JobRecord | None:
        """The job of a run, or None."""
        return next((job for job in self._jobs.values() if job.run == run), None)

    async def submit(self, job: JobRecord, front: bool = False) -> JobRecord:
        """Adds a job at the end, or at the front; takes the place of what the same run left behind."""
        old = self.of_run(job.run)
        if old and old.state in ("queued", "running"):
            raise TroubleError("the run is in the queue already", job.title)
        if old:
            await self._drop(old)
        waiting = [j for j in self.jobs() if j.state == "queued"]
        job = msgspec.structs.replace(job, order=queue.order_at(waiting, 0 if front else len(waiting)))
        await self._put(job)
        await self.pump()
        return self._jobs.get(job.id, job)

    async def reorder(self, job_id: str, index: int) -> None:
        """Moves a waiting job to ``index`` among the waiting ones."""
        job = self._get(job_id)
        others = [j for j in self.jobs() if j.state == "queued" and j.id != job_id]
        await self._put(msgspec.structs.replace(job, order=queue.order_at(others, index)))
        await self.pump()

    async def hold(self, job_id: str, held: bool) -> None:
        """Keeps a waiting job from starting, or lets it go."""
        await self._put(msgspec.structs.replace(self._get(job_id), held=held))
        await self.pump()

    async def remove(self, job_id: str) -> None:
        """Takes a job out of the queue."""
        await self._drop(self._get(job_id))
        await self.pump()

    async def ended(self, run: str, state: State) -> None:
        """A run's worker is gone: its job is over, or stays with the reason why it failed."""
        job = self.of_run(run)
        if job and state.state in ("finished", "stopped"):
            await self._drop(job, state)
        elif job:
            await self._put(msgspec.structs.replace(job, state=state.state, reason=state.reason))
        await self.pump()

    async def pump(self) -> None:
        """Starts what may start; tells why the rest waits."""
        async with self._pumping:
            states = await self._dependencies()
            start, reasons = queue.next_up(self._jobs.values(), lambda run: states.get(run, ("", run)))
            for job_id, reason in reasons.items():
                if self._jobs[job_id].reason != reason:
                    await self._put(msgspec.structs.replace(self._jobs[job_id], reason=reason))
            for job in start:
                await self._begin(job)

    # ------------------------------------------------------------------------------------------ inside

    async def _begin(self, job: JobRecord) -> None:
        running = msgspec.structs.replace(job, state="running", reason="")
        await self._put(running)
        try:
            await self._start(running)
        except TroubleError as error:  # one that cannot start must not stop the queue
            await self._put(msgspec.structs.replace(job, state="failed", reason=str(error)))

    async def _dependencies(self) -> dict[str, tuple[str, str]]:
        wanted = {run for job in self._jobs.values() if job.state == "queued" for run in job.after}
        return await asyncio.to_thread(lambda: {run: self._look(run) for run in wanted}) if wanted else {}

    def _look(self, run: str) -> tuple[str, str]:
        state, _ = self._state(run)
        return (state, self._library.run(run).record().title) if state else ("", run)

    def _state(self, run: str) -> tuple[Any, int]:
        """(state, step) of a run; ("", 0) where it is gone."""
        try:
            return self._library.run(run).state()
        except TroubleError:
            return "", 0

    def _get(self, job_id: str) -> JobRecord:
        if job_id not in self._jobs:
            raise TroubleError("this job is not in the queue any more", job_id)
        return self._jobs[job_id]

    async def _put(self, job: JobRecord) -> None:
        self._jobs[job.id] = job
        await asyncio.to_thread(self._library.put_job, job)
        self._tell(job, State(job.state, reason=job.reason))

    async def _drop(self, job: JobRecord, state: State | None = None) -> None:
        self._jobs.pop(job.id, None)
        await asyncio.to_thread(self._library.remove_job, job.id)
        self._tell(job, state or State("stopped", reason="taken out of the queue"))

    def _tell(self, job: JobRecord, state: State) -> None:
        self._told(Event(0, time.time(), job.id, state))


def _lost(state: str, step: int) -> str:
    return f"its worker was gone at step {step}; resume goes on from the last checkpoint" if state == "interrupted" else ""
