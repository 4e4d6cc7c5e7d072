"""The warm worker of one device: started on demand, ended with the studio, replaced when it dies or hangs."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models_backend.contract.messages import Event, Trouble, TroubleError

from . import postmortem, processes, sockets
from .connection import Connection, error_of
from .limits import Limits

SOURCE = "interactive"
RETRY_S = 0.02
KEPT = "The library and the runs are untouched"
AGAIN = "Try again: the next request starts a new one"

Told = Callable[[Event], None]


class Session:
    """One process from its start to its end. ``death`` is set once it is over."""

    def __init__(self, arguments: list[str], folder: Path, told: Told, limits: Limits):
        self._folder, self._told, self._limits = folder, told, limits
        self._ooms, self._hung, self._wanted = postmortem.oom_kills(), False, False
        self._process: subprocess.Popen[bytes] = processes.spawn_attended(arguments, folder / "log.txt")
        self.connection: Connection | None = None
        self.death: asyncio.Future[Trouble] = asyncio.get_running_loop().create_future()
        self._watching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Waits for the worker's socket. Raises TroubleError where it never listens."""
        end = time.monotonic() + self._limits.connect_s
        while self._process.poll() is None and time.monotonic() < end:
            try:
                self.connection = await Connection.open(self._folder / "socket", self._told)
            except OSError:
                await asyncio.sleep(RETRY_S)
            else:
                self._watching = asyncio.get_running_loop().create_task(self._watch())
                return
        await self._bury()
        raise error_of(self.death.result())

    async def call(self, request: Any, tell: Callable[[Any], None] | None) -> Any:
        """The answer. Raises TroubleError with the worker's words, or with why it died."""
        try:
            return await self.connection.call(request, tell)
        except TroubleError as error:
            if not self.connection.closed.is_set() or error.trouble != self.connection.lost:
                raise
            raise error_of(await asyncio.shield(self.death)) from error

    async def close(self) -> None:
        """Ends the process."""
        self._wanted = True
        if self.connection:
            self.connection.close()
        await asyncio.shield(self.death)

    async def _watch(self) -> None:
        """Until the connection ends; a worker that gives no sign of life is ended."""
        closed = asyncio.ensure_future(self.connection.closed.wait())
        while not closed.done():
            await asyncio.wait([closed], timeout=self._limits.tick_s)
            if not closed.done() and time.monotonic() - self.connection.heard > self._limits.silent_s:
                self._hung = True
                processes.kill(self._process.pid)
        await self._bury()

    async def _bury(self) -> None:
        status = None if self._wanted else await processes.ended(self._process, self._limits.grace_s)
        if status is None:
            status = await processes.end(self._process, self._limits.grace_s)
        self._process.stdin.close()
        trouble = self._cause(status)
        sockets.discard_folder(self._folder)
        if not self._wanted:
            self._told(Event(0, time.time(), SOURCE, trouble))
        self.death.set_result(trouble)

    def _cause(self, status: int | None) -> Trouble:
        log = self._folder / "log.txt"
        if self._hung:
            what = f"the worker gave no sign of life for {self._limits.silent_s:.0f} s and was ended"
            return Trouble(what, "", KEPT, AGAIN, postmortem.tail(log))
        trouble = postmortem.cause_of_death(status, log, self._ooms, "", KEPT)
        advice = "Ask for fewer or smaller items at once" if "memory ran out" in trouble.what else AGAIN
        return Trouble(trouble.what, "", KEPT, advice, trouble.detail)


class InteractiveWorker:
    """``call`` starts the worker where there is none. ``told`` gets its events, and a Trouble when it dies."""

    def __init__(self, library: Path, device: str, told: Told, limits: Limits, module: str):
        self.library, self.device = library, device
        self._told, self._limits, self._module = told, limits, module
        self._session: Session | None = None
        self._starting = asyncio.Lock()

    async def ready(self) -> Session:
        """A session that is up (its torch may still be loading). Raises TroubleError where none can be started."""
        async with self._starting:
            if self._session and self._session.connection.closed.is_set():
                await asyncio.shield(self._session.death)
                self._session = None
            if self._session is None:
                self._session = await self._started()
            return self._session

    async def call(self, request: Any, tell: Callable[[Any], None] | None = None) -> Any:
        """The worker's answer. Raises TroubleError: its own, or why it died."""
        return await (await self.ready()).call(request, tell)

    async def close(self) -> None:
        """Ends the worker, if there is one."""
        async with self._starting:
            if self._session:
                await self._session.close()
            self._session = None

    async def _started(self) -> Session:
        folder = sockets.private_folder()
        arguments = ("--library", str(self.library), "--device", self.device, "--socket", str(folder / "socket"))
        command = processes.command("interactive", *arguments, module=self._module)
        session = Session(command, folder, self._told, self._limits)
        await session.open()
        return session
