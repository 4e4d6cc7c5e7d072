"""The engine: what the studio and the command line do with a library, without torch and without ever blocking the loop.

Everything told (run events, queue changes, troubles) goes to the subscribers as an :class:`Event`. ``source`` is a run id, a
job id (body State: that job of :meth:`Engine.queue` changed), "interactive" (the warm worker), or "catalogue" (body Progress:
the families were described anew). A run's kept events have ``seq`` > 0 and come in order without a gap; what came before a
subscription is read with :meth:`Engine.history`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from models_backend.contract.family import FamilyDescription
from models_backend.contract.messages import (
    Body,
    Describe,
    Event,
    Export,
    Pause,
    Progress,
    Resume,
    Sample,
    SetLive,
    State,
    Trouble,
    TroubleError,
    VectorField,
)
from models_backend.contract.run_layout import DatasetRecord, JobRecord, RunRecord
from models_backend.library import backup
from models_backend.library.edits import Edits
from models_backend.library.library import Library

from . import catalogue, creation, devices, importing, processes
from .connection import Overtaken
from .devices import Device
from .interactive_worker import InteractiveWorker
from .limits import Limits
from .scheduler import Scheduler
from .training_worker import TrainingWorker

log = logging.getLogger(__name__)
BACKUP_LOOK_S = 60.0

__all__ = ["Device", "Engine", "Limits", "Overtaken"]


class Engine:
    """One for a process and library. With ``schedule`` off it leaves the queue alone (another process owns the library)."""

    def __init__(self, library: Library, schedule: bool = True, limits: Limits | None = None, module: str = processes.WORKERS):
        self.library = library
        self._schedule, self._limits, self._module = schedule, limits or Limits(), module
        self._subscribers: list[Callable[[Event], None]] = []
        self._families: list[FamilyDescription] = []
        self._describing: asyncio.Task[list[FamilyDescription]] | None = None
        self._live: dict[str, TrainingWorker] = {}
        self._interactive: dict[str, InteractiveWorker] = {}
        self._best: asyncio.Task[str] | None = None
        self._scheduler = Scheduler(library, self._start_job, self._tell)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ended = asyncio.Condition()

    @property
    def root(self) -> Path:
        """The library's folder."""
        return self.library.layout.root

    async def start(self) -> None:
        """Loads the cached catalogue, attaches to every live run, takes up the queue."""
        cached = await asyncio.to_thread(catalogue.load, self.library.layout.cache)
        self._families = cached.families if cached else []
        self._best = self._spawn(devices.best())
        await self._attach_living()
        if self._schedule:
            await self._scheduler.load(lambda run: run in self._live)
            await self._scheduler.pump()
        self._spawn(self._keep_looking())
        if getattr(self.library, "owned", False):
            self._spawn(self._back_up())

    async def _back_up(self) -> None:
        """Copies the index and the small records now and then, so that a damaged one can be brought back."""
        while True:
            await asyncio.sleep(BACKUP_LOOK_S)
            if await asyncio.to_thread(backup.due, self.library.layout):
                try:
                    await asyncio.to_thread(backup.make, self.library)
                except (TroubleError, OSError) as error:
                    log.warning("no backup was made: %s", error)

    async def close(self) -> None:
        """Ends the warm workers and lets go of the runs in training, which go on."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._live.values():
            worker.detach()
        await asyncio.gather(*(worker.close() for worker in self._interactive.values()))
        self._interactive.clear()

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Calls back with every event from now on; the answer ends that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    # ------------------------------------------------------------------------------------------ families, devices

    def descriptions(self) -> list[FamilyDescription]:
        """What is known of the families now: the cache of the last start, at first nothing."""
        return self._families

    async def described(self) -> list[FamilyDescription]:
        """The families as their files are now; described anew (seconds) where a file changed."""
        return await self._refreshed(lambda: catalogue.ask(self.root))

    async def _refreshed(self, ask: catalogue.Ask) -> list[FamilyDescription]:
        if self._describing is None or self._describing.done():
            self._describing = self._spawn(catalogue.refreshed(self.library.layout.cache, ask))
        families = await asyncio.shield(self._describing)
        if families != self._families:
            self._families = families
            self._tell(Event(0, time.time(), "catalogue", Progress(len(families), len(families), "families described")))
        return families

    async def family(self, key: str) -> FamilyDescription:
        """The description of one family. Raises TroubleError that lists what there is."""
        families = await self.described()
        found = next((f for f in families if f.key == key), None)
        if found is None:
            there = ", ".join(f.key for f in families)
            raise TroubleError("there is no such family", key, advice=f"Use one of {there}")
        return found

    async def devices(self) -> list[Device]:
        """The processor and the accelerators, with memory and load."""
        return await devices.devices()

    async def warm_up(self) -> None:
        """Starts the interactive worker, whose torch loads in the background, and has it describe the families if a file
        of theirs has changed since the cached description."""
        worker = self._interactive_on(await self._device())
        await worker.ready()
        await self._refreshed(lambda: worker.call(Describe()))

    # ------------------------------------------------------------------------------------------ data

    async def import_data(
        self, paths: Iterable[str | Path], title: str = "", settings: Any = None, tell: Callable[[Progress], None] | None = None
    ) -> DatasetRecord:
        """Imports files, folders or archives in a process of its own. Cancelling the task cancels it cleanly."""
        absolute = tuple(os.path.abspath(p) for p in paths)  # noqa: PTH100  there may be thousands
        job = importing.ImportJob(str(self.root), absolute, title=title, settings=importing.plain_settings(settings))
        return await self._imported(job, tell)

    async def look_for(
        self, dataset: str, paths: Iterable[str | Path], tell: Callable[[Progress], None] | None = None
    ) -> DatasetRecord:
        """Looks below paths for the sources of a data set that are gone, and takes their new places."""
        absolute = tuple(os.path.abspath(p) for p in paths)  # noqa: PTH100
        return await self._imported(importing.ImportJob(str(self.root), absolute, look_for=dataset), tell)

    async def make_builtin(self, name: str, tell: Callable[[Progress], None] | None = None) -> DatasetRecord:
        """The built-in data set of that name ("digits", "shapes:size=32", "points:density=moons"), made if need be."""
        return await self._imported(importing.ImportJob(str(self.root), builtin=name), tell)

    async def _imported(self, job: importing.ImportJob, tell: Callable[[Progress], None] | None) -> DatasetRecord:
        record = await importing.carry_out(job, tell)
        await asyncio.to_thread(self.library.notice, "dataset", record.id)
        return record

    # ------------------------------------------------------------------------------------------ runs

    async def create_run(
        self, family: str, dataset: str, preset: str = "", config: dict[str, Any] | None = None,
        training: dict[str, Any] | None = None, data: dict[str, Any] | None = None, parts: dict[str, str] | None = None,
        sampling: dict[str, Any] | None = None, title: str = "",
    ) -> RunRecord:  # fmt: skip
        """Makes a run's folder. Raises FieldError or TroubleError that name what is wrong."""
        description = await self.family(family)
        stored = self.library.dataset(dataset)
        edits = await asyncio.to_thread(stored.edits)
        record, mark = await asyncio.to_thread(lambda: (stored.record(edits), stored.fingerprint(edits)))
        wish = creation.Wish(
            description, record, preset, config or {}, training or {}, data or {}, parts or {}, sampling or {}, title, mark
        )
        return await asyncio.to_thread(self._create, wish, edits)

    def _create(self, wish: creation.Wish, edits: Edits) -> RunRecord:
        runs = {run: self.library.run(run).record() for run in wish.parts.values() if run}
        creation.check_parts(wish.family, wish.parts, {f.key: f for f in self._families}, runs)
        record = creation.record_of(wish, self.library.new_id(wish.family.key))
        self.library.create_run(record, edits)
        return record

    async def changes_since(self, run: str) -> list[str]:
        """What was edited of a run's data since it was made, in words. The run goes on with what it knew all the same."""
        folder = self.library.run(run)

        def changes() -> list[str]:
            record = folder.record()
            return self.library.dataset(record.dataset).changes_since(folder.layout, record)

        return await asyncio.to_thread(changes)

    async def begin_anew(self, run: str) -> RunRecord:
        """A new run of the same settings on the data as they are now. The old one stays as it is."""
        old = await asyncio.to_thread(self.library.run(run).record)
        return await self.create_run(
            old.family, old.dataset, old.preset, old.config, old.training, old.data, old.parts, old.sampling,
            f"{old.title} · anew",
        )  # fmt: skip

    async def history(self, run: str, since: int = 0) -> list[Event]:
        """The kept events of a run after number ``since``, read in a thread."""
        folder = self.library.run(run)
        return await asyncio.to_thread(lambda: list(folder.events(since)))

    async def run_state(self, run: str) -> State:
        """The state of a run, its step and the reason that it gave."""
        return await asyncio.to_thread(self.library.run(run).told_state)

    def live(self) -> list[str]:
        """The runs that have a worker now."""
        return list(self._live)

    async def pause(self, run: str) -> None:
        """Holds a run after its step; it keeps its worker and its device."""
        await self._worker(run).call(Pause())

    async def resume(self, run: str) -> None:
        """Goes on with a paused run, or queues one that has ended early, before all others."""
        if run in self._live:
            await self._worker(run).call(Resume())
            return
        state = await self.run_state(run)
        if state.state == "finished":
            raise TroubleError("the run is finished", run, advice="Train it further: ask for more steps")
        await self.submit(run, front=True)

    async def extend(self, run: str, steps: int, restart: bool = False) -> RunRecord:
        """Lets a run that is not in training take ``steps`` in all (:meth:`submit` trains it); its record then. ``restart``:
        the learning rate begins anew. Raises FieldError and TroubleError."""
        creation.check_steps(steps)
        folder = self.library.run(run)
        if run in self._live:
            raise TroubleError("the run is in training", folder.record().title, "Nothing was changed", "Stop it first")
        for event in await asyncio.to_thread(folder.extend, steps, restart):
            self._tell(event)
        folder.close()
        return await asyncio.to_thread(folder.record)

    async def stop(self, run: str, after_step: bool = True) -> None:
        """Saves and ends a run, after its step or at once; takes a waiting one out of the queue."""
        job = self._scheduler.of_run(run)
        if run in self._live:
            await self._worker(run).stop(after_step)
        elif job:
            await self._scheduler.remove(job.id)

    async def set_live(self, run: str, values: dict[str, Any]) -> None:
        """Changes live settings of a run between two of its steps; recorded as a mark on its curve."""
        await self._worker(run).call(SetLive(values))

    def _worker(self, run: str) -> TrainingWorker:
        if run not in self._live:
            raise TroubleError("the run is not in training", run, advice="Resume it first")
        return self._live[run]

    # ------------------------------------------------------------------------------------------ queue

    async def submit(self, run: str, after: Iterable[str] = (), front: bool = False, device: str = "") -> JobRecord:
        """Queues a run; it starts when its device is free and the runs ``after`` which it comes are finished."""
        title = (await asyncio.to_thread(self.library.run(run).record)).title
        job_id, created, device = self.library.new_id("job"), time.time(), device or await self._device()
        job = JobRecord(job_id, "train", title, run, created, 0.0, tuple(after), device, "queued")
        if self._schedule:
            return await self._scheduler.submit(job, front)
        await self._start_job(job)
        return job

    def queue(self) -> list[JobRecord]:
        """Running jobs, then the waiting ones in their order, then what failed and has not been taken out."""
        return self._scheduler.jobs()

    async def reorder(self, job: str, index: int) -> None:
        """Moves a waiting job."""
        await self._scheduler.reorder(job, index)

    async def hold(self, job: str, held: bool = True) -> None:
        """Keeps a waiting job from starting, or lets it go."""
        await self._scheduler.hold(job, held)

    async def cancel(self, job: str) -> None:
        """Takes a job out of the queue; one that runs is stopped after its step."""
        found = next((j for j in self.queue() if j.id == job), None)
        if found and found.run in self._live:
            await self.stop(found.run)
        else:
            await self._scheduler.remove(job)

    async def wait(self, run: str) -> State:
        """The state in which a run's worker ended; at once where it has none and does not wait for one."""
        async with self._ended:
            await self._ended.wait_for(lambda: run not in self._live and not self._waits(run))
        return await self.run_state(run)

    async def up(self, run: str) -> None:
        """Waits until the worker of a run that was just started listens (or has ended); from then on it needs nobody."""
        if run in self._live:
            await self._live[run].up()

    def _waits(self, run: str) -> bool:
        job = self._scheduler.of_run(run)
        return job is not None and job.state in ("queued", "running")

    # ------------------------------------------------------------------------------------------ requests

    async def call(self, request: Any, tell: Callable[[Progress], None] | None = None) -> Any:
        """The answer to a request. A run in training answers for itself, all else goes to the warm worker.

        Raises TroubleError, or :class:`Overtaken` (a cancellation) where a request with a newer stamp took its place."""
        run = getattr(request, "run", "")
        tell = self._with_troubles(run or getattr(request, "source", ""), tell)
        worker = self._live.get(run)
        if worker is not None and isinstance(request, (Sample, VectorField)) and not request.checkpoint:
            answer = await self._of_run(worker, request, tell)
        else:
            answer = await self._of_warm(request, tell)
        await asyncio.to_thread(self._note, request, answer)
        return answer

    def _with_troubles(self, source: str, tell: Callable[[Progress], None] | None) -> Callable[[Body], None]:
        """What a worker tells during a call: troubles that it got over go to all subscribers, the rest to the caller."""

        def hear(body: Body) -> None:
            if isinstance(body, Trouble):
                self._tell(Event(0, time.time(), source, body))
            elif tell:
                tell(body)

        return hear

    async def _of_run(self, worker: TrainingWorker, request: Any, tell: Callable[[Progress], None] | None) -> Any:
        """The training worker's answer; the warm worker's where the run ended before it could answer."""
        try:
            return await worker.call(request, tell)
        except TroubleError:
            if not worker.gone:
                raise
        return await self._of_warm(request, tell)

    async def _of_warm(self, request: Any, tell: Callable[[Progress], None] | None) -> Any:
        return await self._interactive_on(await self._device()).call(request, tell)

    def _note(self, request: Any, answer: Any) -> None:
        """Brings the index up to what a worker has written."""
        if getattr(answer, "sample", ""):
            self.library.notice("sample", answer.sample)
        if isinstance(request, Export):
            for path in answer:
                self.library.note_export(path, request.source, request.format)

    async def _device(self) -> str:
        """The device on which runs and requests go by themselves."""
        return await asyncio.shield(self._best) if self._best else "cpu"

    def _interactive_on(self, device: str) -> InteractiveWorker:
        if device not in self._interactive:
            self._interactive[device] = InteractiveWorker(self.root, device, self._tell, self._limits, self._module)
        return self._interactive[device]

    # ------------------------------------------------------------------------------------------ inside

    async def _start_job(self, job: JobRecord) -> None:
        worker = self._new_worker(job.run)
        if job.run in self._live:
            raise TroubleError("the run is in training already", job.title)
        await worker.start(job.device)
        if job.run not in self._live:  # found by _keep_looking meanwhile, where another process trains it
            self._follow(worker)

    def _new_worker(self, run: str) -> TrainingWorker:
        return TrainingWorker(self.library.run(run), self._tell, self._limits, self._module)

    def _follow(self, worker: TrainingWorker) -> None:
        self._live[worker.id] = worker
        self._spawn(self._until_end(worker))

    async def _until_end(self, worker: TrainingWorker) -> None:
        try:
            state = await worker.follow()
        except TroubleError as error:  # its last word could not be read or written (a full disk, say)
            state = State("failed", reason=str(error))
            self._tell(Event(0, time.time(), worker.id, error.trouble))
        self._live.pop(worker.id, None)
        try:
            await self._scheduler.ended(worker.id, state)
        except TroubleError as error:
            self._tell(Event(0, time.time(), worker.id, error.trouble))
        finally:
            async with self._ended:
                self._ended.notify_all()

    async def _attach_living(self) -> None:
        for run in await asyncio.to_thread(self._living):
            if run not in self._live:
                worker = self._new_worker(run)
                await worker.attach()
                if run not in self._live:
                    self._follow(worker)

    def _living(self) -> list[str]:
        folder = self.library.layout.runs
        locks = sorted(folder.glob("*/worker.lock")) if folder.is_dir() else []
        return [lock.parent.name for lock in locks if self.library.run(lock.parent.name).alive()]

    async def _keep_looking(self) -> None:
        """Finds runs that other processes started, and jobs whose obstacles went away unseen."""
        while True:
            await asyncio.sleep(self._limits.scan_s)
            try:
                await self._attach_living()
                if self._schedule:
                    await self._scheduler.pump()
            except (TroubleError, OSError):
                log.exception("the library could not be looked through; it is tried again")

    def _tell(self, event: Event) -> None:
        for callback in list(self._subscribers):
            try:
                callback(event)
            except Exception:  # a subscriber's fault must not cut off the worker or the other subscribers
                log.exception("a subscriber failed on %s", type(event.body).__name__)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            log.error("a task of the engine failed", exc_info=task.exception())
