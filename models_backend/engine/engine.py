"""The engine: what the studio and the command line do with a library, without torch and without ever blocking the loop.

Everything told (run events, queue changes, troubles) goes to the subscribers as an :class:`Event`. ``source`` is a run id, a
job id (body State: that job of :meth:`Engine.queue` changed), "interactive" (the warm worker), or "catalogue" (body Progress:
the families were described anew). A run's kept events have ``seq`` > 0 and come in order without a gap; what came before a
subscription is read with :meth:`Engine.history`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from models_backend.contract.family import FamilyDescription
from models_backend.contract.fields import merged
from models_backend.contract.messages import (
    Describe,
    Event,
    Pause,
    Progress,
    Resume,
    SetLive,
    State,
    TroubleError,
)
from models_backend.contract.run_layout import DatasetRecord, JobRecord, RunRecord
from models_backend.contract.views import Seen, View
from models_backend.library import backup, unchanged
from models_backend.library.edits import Edits
from models_backend.library.library import Library

from . import creation, devices, importing, processes
from .beside import Subscribers, Tasks
from .devices import Device
from .known_families import KnownFamilies
from .limits import Limits
from .live_runs import LiveRuns
from .queue_beside import QueueBeside
from .requests import Requests
from .scheduler import Scheduler
from .viewer import Viewer

log = logging.getLogger(__name__)
BACKUP_LOOK_S = 60.0
SETTLE_S = 0.05


class Engine:
    """One for a process and library. With ``schedule`` off it only looks at the queue (another process owns the library)."""

    def __init__(self, library: Library, schedule: bool = True, limits: Limits | None = None, module: str = processes.WORKERS):
        self.library = library
        self._schedule, self._limits = schedule, limits or Limits()
        self._subscribers, self._tasks = Subscribers(), Tasks()
        self._tell = self._subscribers.tell
        self._families = KnownFamilies(self.root, library.layout.cache, self._tell, self._tasks.spawn)
        self._live = LiveRuns(library, self._tell, self._tasks.spawn, self._limits, module, self._run_ended)
        self._requests = Requests(library, self._live, self._device, self._tell, self._limits, module)
        self._viewer = Viewer()
        self._best: asyncio.Task[str] | None = None
        self._scheduler = Scheduler(library, self._live.start, self._tell)
        self._beside = QueueBeside(library, self._live.__contains__, self._tell)

    @property
    def root(self) -> Path:
        """The library's folder."""
        return self.library.layout.root

    async def start(self) -> None:
        """Loads the cached catalogue, attaches to every live run, takes up the queue."""
        await self._families.load()
        self._best = self._tasks.spawn(devices.best())
        await self._live.attach_living()
        if self._schedule:
            await self._scheduler.load(lambda run: run in self._live)
            await self._scheduler.pump()
        else:
            await self._beside.look()
        self._tasks.spawn(self._keep_looking())
        if getattr(self.library, "owned", False):
            self._tasks.spawn(self._back_up())

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
        await self._tasks.cancel()
        self._live.detach()
        await self._viewer.close()
        await self._requests.close()

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Calls back with every event from now on; the answer ends that."""
        return self._subscribers.add(callback)

    # ------------------------------------------------------------------------------------------ families, devices

    def descriptions(self) -> list[FamilyDescription]:
        """What is known of the families now: the cache of the last start, at first nothing."""
        return self._families.known

    async def described(self) -> list[FamilyDescription]:
        """The families as their files are now; described anew (seconds) where a file changed."""
        return await self._families.described()

    async def family(self, key: str) -> FamilyDescription:
        """The description of one family. Raises TroubleError that lists what there is."""
        return await self._families.family(key)

    async def devices(self) -> list[Device]:
        """The processor and the accelerators, with memory and load."""
        return await devices.devices()

    async def warm_up(self) -> None:
        """Starts the interactive worker, whose torch loads in the background, and has it describe the families if a file
        of theirs has changed since the cached description."""
        worker = await self._requests.warm()
        await worker.ready()
        await self._families.refreshed(lambda: worker.call(Describe()))

    # ------------------------------------------------------------------------------------------ data

    async def import_data(
        self, paths: Iterable[str | Path], title: str = "", settings: Any = None, tell: Callable[[Progress], None] | None = None
    ) -> DatasetRecord:
        """Imports files, folders or archives in a process of its own. Cancelling the task cancels it cleanly."""
        absolute = tuple(os.path.abspath(p) for p in paths)  # noqa: PTH100  there may be thousands
        job = importing.ImportJob(str(self.root), absolute, title=title, settings=importing.plain_settings(settings))
        return await self._imported(job, tell)

    async def unchanged(self, path: str | Path) -> tuple[DatasetRecord, float] | None:
        """The data set that was imported from this path and whose sources are as they were then, and when that was."""
        library = self.library
        return await asyncio.to_thread(
            lambda: unchanged.since(((one, library.dataset(one.id).layout) for one in library.datasets()), [path])
        )

    async def look_for(
        self, dataset: str, paths: Iterable[str | Path], tell: Callable[[Progress], None] | None = None
    ) -> DatasetRecord:
        """Looks below paths for the sources of a data set that are gone, and takes their new places."""
        absolute = tuple(os.path.abspath(p) for p in paths)  # noqa: PTH100
        return await self._imported(importing.ImportJob(str(self.root), absolute, look_for=dataset), tell)

    async def make_builtin(self, name: str, tell: Callable[[Progress], None] | None = None) -> DatasetRecord:
        """The built-in data set of that name ("digits", "shapes:size=32", "points:density=moons"), made if need be."""
        return await self._imported(importing.ImportJob(str(self.root), builtin=name), tell)

    async def see(self, view: View) -> Seen:
        """An item's picture from its source at the size of a view, or why it cannot be had."""
        return await self._viewer.see(view)

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
        empty = await asyncio.to_thread(stored.unseen, record)
        wish = creation.Wish(
            description, record, preset, config or {}, training or {}, data or {}, parts or {}, sampling or {}, title, mark,
            empty,
        )  # fmt: skip
        return await asyncio.to_thread(self._create, wish, edits)

    def _create(self, wish: creation.Wish, edits: Edits) -> RunRecord:
        runs = {run: self.library.run(run).record() for run in wish.parts.values() if run}
        creation.check_parts(wish.family, wish.parts, {f.key: f for f in self._families.known}, runs)
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

    async def begin_anew(self, run: str, **changes: dict[str, Any]) -> RunRecord:
        """A new run of the same settings (but for ``changes`` by group: config, training, data, sampling) on the data as they
        are now. The old one stays as it is."""
        old = await asyncio.to_thread(self.library.run(run).record)
        kept = {name: merged(getattr(old, name), changes.get(name, {})) for name in ("config", "training", "data", "sampling")}
        return await self.create_run(old.family, old.dataset, old.preset, parts=old.parts, title=f"{old.title} · anew", **kept)

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
        await self._live.of(run).call(Pause())

    async def resume(self, run: str) -> None:
        """Goes on with a paused run, or queues one that has ended early, before all others."""
        await self._settled(run)
        if run in self._live:
            await self._live.of(run).call(Resume())
            return
        state = await self.run_state(run)
        if state.state == "finished":
            raise TroubleError("the run is finished", run, advice="Train it further: ask for more steps")
        await self.submit(run, front=True)

    async def extend(self, run: str, steps: int, restart: bool = False) -> RunRecord:
        """Lets a run that is not in training take ``steps`` in all (:meth:`submit` trains it); its record then. ``restart``:
        the learning rate begins anew. Raises FieldError and TroubleError, also where its data or a part of it are gone."""
        creation.check_steps(steps)
        folder = self.library.run(run)
        await asyncio.to_thread(self._require_what_it_needs, folder.record())
        await self._settled(run)
        if run in self._live:
            raise TroubleError("the run is in training", folder.record().title, "Nothing was changed", "Stop it first")
        for event in await asyncio.to_thread(folder.extend, steps, restart):
            self._tell(event)
        folder.close()
        return await asyncio.to_thread(folder.record)

    def _require_what_it_needs(self, record: RunRecord) -> None:
        self.library.dataset(record.dataset)
        for part in filter(None, record.parts.values()):
            self.library.run(part)

    async def stop(self, run: str, after_step: bool = True) -> None:
        """Saves and ends a run, after its step or at once; takes a waiting one out of the queue."""
        job = self._scheduler.of_run(run)
        if run in self._live:
            await self._live.of(run).stop(after_step)
        elif job:
            await self._take_out(job)
        else:
            self._beside.refuse(run)

    async def set_live(self, run: str, values: dict[str, Any]) -> None:
        """Changes live settings of a run between two of its steps; recorded as a mark on its curve."""
        await self._live.of(run).call(SetLive(values))

    # ------------------------------------------------------------------------------------------ queue

    async def submit(self, run: str, after: Iterable[str] = (), front: bool = False, device: str = "") -> JobRecord:
        """Queues a run; it starts when its device is free and the runs ``after`` which it comes are finished."""
        title = (await asyncio.to_thread(self.library.run(run).record)).title
        job_id, created, device = self.library.new_id("job"), time.time(), device or await self._device()
        job = JobRecord(job_id, "train", title, run, created, 0.0, tuple(after), device, "queued")
        if self._schedule:
            return await self._scheduler.submit(job, front)
        await self._live.start(job)
        return job

    def queue(self) -> list[JobRecord]:
        """Running jobs, then the waiting ones in their order, then what failed and has not been taken out."""
        return self._scheduler.jobs() if self._schedule else self._beside.jobs()

    @property
    def owns_queue(self) -> bool:
        """Whether the queue is worked off here; else it is only looked at, and what would change it raises TroubleError."""
        return self._schedule

    async def reorder(self, job: str, index: int) -> None:
        """Moves a waiting job."""
        self._beside.refuse(job)
        await self._scheduler.reorder(job, index)

    async def hold(self, job: str, held: bool = True) -> None:
        """Keeps a waiting job from starting, or lets it go."""
        self._beside.refuse(job)
        await self._scheduler.hold(job, held)

    async def cancel(self, job: str) -> None:
        """Takes a job out of the queue; one that runs is stopped after its step."""
        found = next((j for j in self.queue() if j.id == job), None)
        if found and found.run in self._live:
            await self.stop(found.run)
            return
        self._beside.refuse(job)
        if found:
            await self._take_out(found)
        else:
            await self._scheduler.remove(job)

    async def _take_out(self, job: JobRecord) -> None:
        """Out of the queue; a run that never began says so itself, since it waits for nothing any more."""
        with contextlib.suppress(TroubleError):  # it is deleted, or another process trains it
            folder = self.library.run(job.run)
            if told := await asyncio.to_thread(folder.give_up):
                self._tell(told)
            folder.close()
        await self._scheduler.remove(job.id)

    async def wait(self, run: str) -> State:
        """The state in which a run's worker ended; at once where it has none and does not wait for one."""
        await self._live.until(lambda: run not in self._live and not self._waits(run))
        return await self.run_state(run)

    async def _settled(self, run: str) -> None:
        """Waits while the worker of a run closes that has told its end, or while one is being started."""
        while self._between(run):
            await asyncio.sleep(SETTLE_S)

    def _between(self, run: str) -> bool:
        worker, job = self._live.get(run), self._scheduler.of_run(run)
        return worker.over if worker is not None else job is not None and job.state == "running"

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
        return await self._requests.call(request, tell)

    async def _device(self) -> str:
        """The device on which runs and requests go by themselves."""
        return await asyncio.shield(self._best) if self._best else "cpu"

    # ------------------------------------------------------------------------------------------ inside

    async def _run_ended(self, run: str, state: State) -> None:
        await self._scheduler.ended(run, state)

    async def _keep_looking(self) -> None:
        """Finds runs that other processes started, and jobs whose obstacles went away unseen."""
        while True:
            await asyncio.sleep(self._limits.scan_s)
            try:
                await self._live.attach_living()
                await (self._scheduler.pump() if self._schedule else self._beside.look())
            except (TroubleError, OSError):
                log.exception("the library could not be looked through; it is tried again")
