"""A run in training as the engine sees it: a process that may be ours or may have outlived an earlier studio, a connection
that may be lost and found again, and the number of the last event that was passed on, so that none is missed or told twice."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Coroutine
from typing import Any

from models_backend.contract.messages import Attach, Body, Event, Heartbeat, State, Stop, Trouble, TroubleError
from models_backend.library.lock import HeldError
from models_backend.library.runs import RunFolder

from . import postmortem, processes
from .connection import Connection
from .limits import Limits

ENDED = ("finished", "stopped", "failed")
RETRY_S = 0.05


class TrainingWorker:
    """One live run. ``told`` gets each of its events once and in order; :meth:`follow` returns when the worker is gone."""

    def __init__(self, run: RunFolder, told: Callable[[Event], None], limits: Limits, module: str):
        self.run, self.id, self.limits = run, run.id, limits
        self.connection: Connection | None = None
        self.state: State | None = None
        self.seq = 0
        self._told, self._module = told, module
        self._process: subprocess.Popen[bytes] | None = None
        self._ooms = postmortem.oom_kills()
        self._forced = self._mute = self._stuck = False
        self._stepped = (-1, time.monotonic())
        self._connected = asyncio.Event()
        self.ended = asyncio.Event()

    async def start(self, device: str) -> None:
        """Starts the process, or takes over one that has the run already. Raises TroubleError where that is impossible."""
        self.seq, begins = await asyncio.to_thread(lambda: (self.run.last_seq(), self.run.newest_step()))
        layout = self.run.layout
        try:
            with self.run.lock_for_worker() as lock:  # from its first moment on: nobody may think that the run has no worker
                self._process = processes.spawn_training(layout.root, layout.log, self._module, device, lock, begins)
        except HeldError:
            await self.attach()

    async def attach(self) -> None:
        """Takes over a worker that is already there."""
        self.seq = await asyncio.to_thread(self.run.last_seq)
        state, step = await asyncio.to_thread(self.run.state)
        self.state = State(state, step)

    async def follow(self) -> State:
        """Passes events on until the worker is gone, then tells how it ended."""
        try:
            while await self._connect():
                await self._listen()
            await self._catch_up()
            if await self._held_by_another():
                return await self.follow()
            if not self.over:
                await self._tell_death()
            return self.state
        finally:
            self.detach()
            self.ended.set()

    async def call(self, request: Any, tell: Callable[[Any], None] | None = None) -> Any:
        """The worker's answer; waits for it to come up. Raises TroubleError where it is gone."""
        await self.up()
        if self.connection is None:
            raise TroubleError("the run is not in training any more", self.id, advice="Try again")
        return await self.connection.call(request, tell)

    @property
    def gone(self) -> bool:
        """Whether nobody answers any more: the worker ended, or is about to."""
        return self.connection is None or self.connection.closed.is_set() or self.ended.is_set()

    @property
    def over(self) -> bool:
        """Whether the run has told its end; the worker that told it may still be there for a moment."""
        return self.state is not None and self.state.state in ENDED

    async def up(self) -> None:
        """Waits until the worker is connected, or has ended."""
        waits = [_unheard(e.wait()) for e in (self._connected, self.ended)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def stop(self, after_step: bool) -> None:
        """Asks the worker to save and end; with ``after_step`` False one that does not obey in time is ended by force."""
        asked, ended = _unheard(self.call(Stop(after_step))), _unheard(self.ended.wait())
        wanted = {asked, ended} if after_step else {ended}
        await asyncio.wait(wanted, timeout=self.limits.stop_s, return_when=asyncio.FIRST_COMPLETED)
        if not after_step and not ended.done():
            await self.kill()
        for task in (asked, ended):
            task.cancel()

    async def kill(self) -> None:
        """Ends the worker by force; what it saved is kept."""
        pid = self._process.pid if self._process else await asyncio.to_thread(self.run.worker_pid)
        self._forced = True
        if pid and await self._alive():
            processes.kill(pid)

    def detach(self) -> None:
        """Lets go of the worker, which goes on."""
        if self.connection:
            self.connection.close()
        self.connection = None
        self._connected.clear()

    # ------------------------------------------------------------------------------------------ inside

    async def _connect(self) -> bool:
        """True once connected; False where the worker is gone."""
        began = time.monotonic()
        while await self._alive():
            try:
                self.connection = await Connection.open(self.run.socket_path(), self._hear)
            except OSError:
                late = time.monotonic() - began > self.limits.connect_s
                if late and not self._mute:
                    await self._catch_up()  # one that has ended in order is only slow to leave
                self._complain(late, "its worker does not open its socket")
                await asyncio.sleep(RETRY_S)
            else:
                self._connected.set()
                return True
        return False

    async def _listen(self) -> None:
        connection = self.connection
        attaching, closed = _unheard(connection.call(Attach(self.seq))), _unheard(connection.closed.wait())
        try:
            while not closed.done():
                self._look(connection)
                await asyncio.wait([closed], timeout=self.limits.tick_s)
        finally:
            attaching.cancel()
            closed.cancel()
            self.detach()

    def _look(self, connection: Connection) -> None:
        now = time.monotonic()
        silent_s = now - connection.heard
        self._complain(silent_s > self.limits.silent_s, f"its worker has given no sign of life for {silent_s:.0f} s")
        step, since = self._stepped
        paused = self.state is not None and self.state.state == "paused"
        if connection.beat.step != step or paused:
            self._stepped, self._stuck = (connection.beat.step, now), False
        elif now - since > self.limits.stuck_s and not self._stuck and not self.over:
            self._stuck = True
            self._pass_on(
                Trouble(f"no step has ended for {(now - since) / 60:.0f} minutes", self.id, advice="Wait, or stop it now")
            )

    def _complain(self, bad: bool, what: str) -> None:
        """Tells a hang once, and that it is over once; a run that has told its end has none."""
        bad = bad and not self.over
        if bad and not self._mute:
            kept = "The run's checkpoints are kept"
            self._pass_on(Trouble(what, self.id, kept, "Wait if the machine is busy, or stop the run now and resume it"))
        elif self._mute and not bad and self.state:
            self._pass_on(self.state)
        self._mute = bad

    async def _alive(self) -> bool:
        if self._process:
            return self._process.poll() is None
        return await asyncio.to_thread(self.run.alive)

    async def _held_by_another(self) -> bool:
        if not self._process or self._process.returncode != postmortem.BUSY:
            return False
        self._process = None
        return await self._alive()

    async def _catch_up(self) -> None:
        """What the worker wrote and could not tell any more."""
        for event in await asyncio.to_thread(lambda: list(self.run.events(self.seq))):
            self._hear(event)

    async def _tell_death(self) -> None:
        status = self._process.returncode if self._process else None
        for event in await asyncio.to_thread(self._write_death, status):
            self._hear(event)

    def _write_death(self, status: int | None) -> list[Event]:
        _, step = self.run.state()
        saved = self.run.checkpoints()
        kept = f"Kept: {saved[0].name}" if saved else "It had saved nothing yet"
        if self._forced:
            return [self.run.append(State("stopped", step, f"ended by force because it did not answer. {kept}"))]
        trouble = postmortem.cause_of_death(status, self.run.layout.log, self._ooms, self.id, kept, bool(saved))
        return [self.run.append(trouble), self.run.append(State("failed", step, f"{trouble.what}. {trouble.advice}"))]

    def _hear(self, event: Event) -> None:
        if event.seq and event.seq <= self.seq:
            return
        self.seq = max(self.seq, event.seq)
        if isinstance(event.body, State):
            self.state = event.body
        self._told(event)

    def _pass_on(self, body: Body) -> None:
        self._told(Event(0, time.time(), self.id, body))

    @property
    def beat(self) -> Heartbeat:
        """The last sign of life."""
        return self.connection.beat if self.connection else Heartbeat()


def _unheard(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task whose failure is told in another way: by the worker's end."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task
