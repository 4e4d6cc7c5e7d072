"""One open connection to a worker: calls with answers, events pushed, everything failed in plain words when it ends."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models_backend.contract.messages import (
    Call,
    Cancel,
    Event,
    Failure,
    Heartbeat,
    Progress,
    Reply,
    Told,
    Trouble,
    TroubleError,
)

from . import protocol, sockets

LOST = Trouble("the worker ended before it answered", advice="Try again; the worker is started anew")


class Overtaken(asyncio.CancelledError):
    """A newer request of the same kind took the place of this one. A cancellation, so that nothing need handle it."""


class Waiting:
    """A call under way: its request, the future of its answer, and who hears its progress."""

    def __init__(self, request: Any, tell: Callable[[Progress], None] | None):
        self.request, self.tell = request, tell
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def settle(self, message: Reply | Failure) -> None:
        """Gives the answer, or the worker's own words about why there is none."""
        if self.answer.done():
            return
        if isinstance(message, Reply):
            self.answer.set_result(protocol.unpacked(self.request, message.value))
        elif message.stale:
            self.answer.set_exception(Overtaken())
        else:
            self.answer.set_exception(error_of(message.trouble))


def error_of(trouble: Trouble) -> TroubleError:
    """The exception that carries a worker's words."""
    return TroubleError(trouble.what, trouble.item, trouble.kept, trouble.advice, trouble.detail)


class Connection:
    """Made by :meth:`open`. ``heard`` is the monotonic time of the last message; ``closed`` is set when it ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, told: Callable[[Event], None]):
        self._reader, self._writer, self._told = reader, writer, told
        self._waiting: dict[int, Waiting] = {}
        self._ids = itertools.count(1)
        self.heard = time.monotonic()
        self.beat = Heartbeat()
        self.closed = asyncio.Event()
        self.lost = LOST
        self._task = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def open(cls, path: Path, told: Callable[[Event], None]) -> Connection:
        """Connects to the worker's socket. Raises OSError where nobody listens."""
        return cls(*await sockets.connect(path), told)

    async def call(self, request: Any, tell: Callable[[Progress], None] | None = None) -> Any:
        """The answer to ``request``. Raises TroubleError with the worker's words; Overtaken where a newer stamp won.
        Cancelling the caller gives up the call in the worker as well."""
        if self.closed.is_set():
            raise error_of(self.lost)
        number, waiting = next(self._ids), Waiting(request, tell)
        self._waiting[number] = waiting
        try:
            await self._send(Call(number, request))
            return await waiting.answer
        except asyncio.CancelledError:
            if not waiting.answer.done() or waiting.answer.cancelled():
                self._give_up(number)
            raise
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """Ends the connection; the worker goes on."""
        self._task.cancel()
        self._end()

    # ------------------------------------------------------------------------------------------ inside

    async def _send(self, message: Any) -> None:
        data = protocol.frame(message)
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise error_of(self.lost) from error

    def _give_up(self, number: int) -> None:
        if not self.closed.is_set():
            self._writer.write(protocol.frame(Call(next(self._ids), Cancel(number))))

    async def _read(self) -> None:
        try:
            while (message := await protocol.receive(self._reader)) is not None:
                self.heard = time.monotonic()
                self._take(message)
        except OSError as error:
            self.lost = Trouble(LOST.what, advice=LOST.advice, detail=str(error))
        finally:
            self._end()

    def _take(self, message: Any) -> None:
        if isinstance(message, (Reply, Failure)):
            waiting = self._waiting.get(message.id)
            if waiting:
                waiting.settle(message)
        elif isinstance(message, Told):
            self._hear(message.event)

    def _hear(self, event: Event) -> None:
        if event.source.startswith("call:"):
            waiting = self._waiting.get(int(event.source[5:]))
            if waiting and waiting.tell and not waiting.answer.done():
                waiting.tell(event.body)
            return
        if isinstance(event.body, Heartbeat):
            self.beat = event.body
        self._told(event)

    def _end(self) -> None:
        if self.closed.is_set():
            return
        self.closed.set()
        self._writer.close()
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(error_of(self.lost))
