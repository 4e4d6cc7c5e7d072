"""The worker's socket: one thread with its own event loop, so that it answers and beats while the main thread computes.

Every caller may Attach: it gets each kept event after the one it names, then goes on live. Events are on disk before
they are told, so what is read from disk and what was told meanwhile meet without a gap.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from models_backend.contract.messages import (
    MESSAGE_LIMIT,
    Attach,
    Call,
    Cancel,
    Event,
    Failure,
    Heartbeat,
    Reply,
    Told,
    Trouble,
    TroubleError,
)
from models_backend.engine import protocol, sockets

from .inbox import Inbox, Pending

BEAT_S = 1.0
SLICE = 256  # events replayed before the loop looks after the others
FLUSH_S = 5.0
log = logging.getLogger(__name__)

History = Callable[[int], Iterable[Event]]


class Client:
    """One connection. While it is ``catching_up`` live events wait in ``held``."""

    def __init__(self, writer: asyncio.StreamWriter):
        self.writer = writer
        self.attached = self.catching_up = False
        self.held: list[Event] = []

    def send(self, data: bytes) -> None:
        """Queues a frame; a caller that does not read what it asked for is cut off."""
        if self.writer.transport.get_write_buffer_size() > MESSAGE_LIMIT:
            self.writer.transport.abort()
        elif not self.writer.is_closing():
            self.writer.write(data)


class Server:
    """Serves ``path``. ``history(since)`` yields kept events; ``at_once`` answers requests that must not wait for the
    main thread (it returns True where it has done so); all others go to ``inbox``."""

    def __init__(
        self,
        path: Path,
        inbox: Inbox,
        source: str = "",
        history: History = lambda since: (),
        at_once: Callable[[Any], bool] = lambda request: False,
        beat: Callable[[], Heartbeat] = Heartbeat,
    ):
        self.path, self.inbox, self.source = path, inbox, source
        self._history, self._at_once, self._beat = history, at_once, beat
        self._clients: set[Client] = set()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)

    def start(self) -> None:
        """Returns once the socket listens. Raises OSError where it cannot be made."""
        self._thread.start()
        self._listening.wait()
        if self._failed:
            raise self._failed

    def tell(self, event: Event) -> None:
        """Pushes an event to everyone attached; from any thread."""
        self._loop.call_soon_threadsafe(self._push, event)

    def stop(self) -> None:
        """Sends what is still queued, then closes the socket and every connection."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(FLUSH_S * 2)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(FLUSH_S)

    # ------------------------------------------------------------------------------------------ the thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._server = self._loop.run_until_complete(sockets.listen(self.path, self._serve))
        except OSError as error:
            self._failed = error
            return
        finally:
            self._listening.set()
        self._beating = self._loop.create_task(self._keep_beating())
        self._loop.run_forever()

    async def _close(self) -> None:
        self._server.close()
        for client in list(self._clients):
            await self._flush(client)
            client.writer.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if sys.platform != "win32":
            self.path.unlink(missing_ok=True)

    async def _flush(self, client: Client) -> None:
        end = time.monotonic() + FLUSH_S
        transport = client.writer.transport
        while (client.catching_up or transport.get_write_buffer_size()) and time.monotonic() < end:
            if transport.is_closing():
                return
            await asyncio.sleep(0.01)

    async def _keep_beating(self) -> None:
        while True:
            beat = Event(0, time.time(), self.source, self._beat())
            data = protocol.frame(Told(beat))
            for client in self._clients:
                client.send(data)
            await asyncio.sleep(BEAT_S)

    def _push(self, event: Event) -> None:
        data = protocol.frame(Told(event))
        for client in self._clients:
            if client.catching_up:
                client.held.append(event)
            elif client.attached:
                client.send(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(writer)
        self._clients.add(client)
        try:
            while (message := await protocol.receive(reader)) is not None:
                if isinstance(message, Call):
                    await self._take(client, message)
        except OSError as error:
            log.info("a connection ended: %s", error)
        except asyncio.CancelledError:  # by `_close` alone; Python 3.11 takes a handler that ends cancelled for a fault
            log.debug("a connection was closed")
        finally:
            self._clients.discard(client)
            self.inbox.cancel(client)
            writer.close()

    async def _take(self, client: Client, call: Call) -> None:
        request = call.request
        if isinstance(request, Attach):
            await self._attach(client, call)
        elif isinstance(request, Cancel):
            self.inbox.cancel(client, request.call)
        elif self._at_once(request):
            client.send(protocol.frame(Reply(call.id)))
        else:
            self.inbox.put(self._pending(client, call))

    # ------------------------------------------------------------------------------------------ attaching

    async def _attach(self, client: Client, call: Call) -> None:
        client.attached = client.catching_up = True
        try:
            last = await self._replay(client, call.request.since)
        except OSError as error:
            client.send(protocol.frame(Failure(call.id, Trouble("the events cannot be read", detail=str(error)))))
            last = call.request.since
        for event in client.held:
            if event.seq == 0 or event.seq > last:
                client.send(protocol.frame(Told(event)))
        client.held.clear()
        client.catching_up = False
        client.send(protocol.frame(Reply(call.id)))

    async def _replay(self, client: Client, since: int) -> int:
        """Sends the kept events after ``since``; the last one's number."""
        last, events = since, iter(self._history(since))
        while slice_ := await asyncio.to_thread(_next_few, events):
            for event in slice_:
                client.send(protocol.frame(Told(event)))
            last = slice_[-1].seq
            await client.writer.drain()
        return last

    # ------------------------------------------------------------------------------------------ answering

    def _pending(self, client: Client, call: Call) -> Pending:
        def post(message: Any) -> None:
            self._loop.call_soon_threadsafe(client.send, _framed(message, call.id))

        return Pending(
            client,
            call.id,
            call.request,
            tell=lambda body: post(Told(Event(0, time.time(), f"call:{call.id}", body))),
            reply=lambda value: post(Reply(call.id, protocol.packed(value))),
            fail=lambda trouble, stale: post(Failure(call.id, trouble, stale)),
        )


def _next_few(events: Any) -> list[Event]:
    return list(itertools.islice(events, SLICE))


def _framed(message: Any, number: int) -> bytes:
    """The frame of a message; of a refusal in its place where it is too large for the wire."""
    try:
        return protocol.frame(message)
    except TroubleError as error:
        return protocol.frame(Failure(number, error.trouble))
