"""The runs that have a worker now: started, found again, followed until they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping

from models_backend.contract.messages import Event, State, TroubleError
from models_backend.contract.run_layout import JobRecord
from models_backend.library.library import Library

from .beside import Spawn, Tell
from .limits import Limits
from .training_worker import TrainingWorker

Ended = Callable[[str, State], Awaitable[None]]


class LiveRuns(Mapping[str, TrainingWorker]):
    """Run id -> its worker. ``ended(run, state)`` is called when a worker is gone."""

    def __init__(self, library: Library, tell: Tell, spawn: Spawn, limits: Limits, module: str, ended: Ended):
        self._library, self._tell, self._spawn, self._limits, self._module = library, tell, spawn, limits, module
        self._ended = ended
        self._workers: dict[str, TrainingWorker] = {}
        self._change = asyncio.Condition()

    def __getitem__(self, run: str) -> TrainingWorker:
        return self._workers[run]

    def __iter__(self) -> Iterator[str]:
        return iter(self._workers)

    def __len__(self) -> int:
        return len(self._workers)

    def of(self, run: str) -> TrainingWorker:
        """The worker of a run. Raises TroubleError where it has none."""
        if run not in self._workers:
            raise TroubleError(
                "the run is not in training", run, advice="Resume it first", command=f"`nexus-studio resume {run}` goes on"
            )
        return self._workers[run]

    async def start(self, job: JobRecord) -> None:
        """A worker for the run of a job. Raises TroubleError where it cannot start."""
        worker = self._new_worker(job.run)
        if job.run in self._workers:
            raise TroubleError("the run is in training already", job.title)
        await worker.start(job.device)
        if job.run not in self._workers:  # found by attach_living meanwhile, where another process trains it
            self._follow(worker)

    async def attach_living(self) -> None:
        """Follows every run whose worker lives, whoever started it."""
        for run in await asyncio.to_thread(self._living):
            if run not in self._workers:
                worker = self._new_worker(run)
                await worker.attach()
                if run not in self._workers:
                    self._follow(worker)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until that holds; it is looked at again whenever a worker has ended."""
        async with self._change:
            await self._change.wait_for(condition)

    def detach(self) -> None:
        """Lets go of them all; they go on."""
        for worker in self._workers.values():
            worker.detach()

    # ------------------------------------------------------------------------------------------ inside

    def _new_worker(self, run: str) -> TrainingWorker:
        return TrainingWorker(self._library.run(run), self._tell, self._limits, self._module)

    def _follow(self, worker: TrainingWorker) -> None:
        self._workers[worker.id] = worker
        self._spawn(self._until_end(worker))

    async def _until_end(self, worker: TrainingWorker) -> None:
        try:
            state = await worker.follow()
        except TroubleError as error:  # its last word could not be read or written (a full disk, say)
            state = State("failed", reason=str(error))
            self._tell(Event(0, time.time(), worker.id, error.trouble))
        self._workers.pop(worker.id, None)
        try:
            await self._ended(worker.id, state)
        except TroubleError as error:
            self._tell(Event(0, time.time(), worker.id, error.trouble))
        finally:
            async with self._change:
                self._change.notify_all()

    def _living(self) -> list[str]:
        folder = self._library.layout.runs
        locks = sorted(folder.glob("*/worker.lock")) if folder.is_dir() else []
        return [lock.parent.name for lock in locks if self._library.run(lock.parent.name).alive()]
