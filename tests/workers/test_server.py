"""The worker's socket: attaching without a gap, its rights, callers that misbehave."""

import asyncio
import stat
import sys
import threading
import time

import pytest

from models_backend.contract.messages import Attach, Call, Event, Heartbeat, Metrics, Reply, Sample, Told, TroubleError
from models_backend.engine import protocol, sockets
from models_backend.engine.connection import Connection
from models_backend.workers.inbox import Inbox
from models_backend.workers.server import Server


class Source:
    """Kept events and a server that tells them: an event is kept before it is told."""

    def __init__(self, path):
        self.kept, self.inbox = [], Inbox()
        self.server = Server(path, self.inbox, "run", history=self.history)
        self.server.start()

    def history(self, since):
        yield from list(self.kept)[since:]

    def tell(self):
        event = Event(len(self.kept) + 1, 0.0, "run", Metrics(len(self.kept) + 1, {}))
        self.kept.append(event)
        self.server.tell(event)


@pytest.fixture
def source(tmp_path):
    made = Source(tmp_path / "socket")
    yield made
    made.server.stop()


@pytest.mark.parametrize("since", [0, 7, 1000])
async def test_attaching_while_events_pour_in_leaves_no_gap_and_doubles_none(source, since):
    for _ in range(1000):
        source.tell()
    pouring = threading.Thread(target=lambda: [(source.tell(), time.sleep(0.0002)) for _ in range(1500)])
    pouring.start()
    seen = []
    connection = await Connection.open(source.server.path, lambda e: seen.append(e.seq) if e.seq else None)
    await connection.call(Attach(since))
    async with asyncio.timeout(20):
        while not seen or seen[-1] < 2500:
            await asyncio.sleep(0.01)
    pouring.join()
    connection.close()
    assert seen == list(range(since + 1, 2501))


async def test_it_beats_before_anything_is_asked(source):
    beats = []
    connection = await Connection.open(source.server.path, lambda e: beats.append(e.body))
    async with asyncio.timeout(5):
        while not beats:
            await asyncio.sleep(0.01)
    connection.close()
    assert isinstance(beats[0], Heartbeat)


@pytest.mark.skipif(sys.platform == "win32", reason="rights of socket files")
async def test_only_the_user_may_connect(source):
    assert stat.S_IMODE(source.server.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(sockets.private_folder().stat().st_mode) == 0o700


async def test_garbage_ends_that_connection_only(source):
    reader, writer = await sockets.connect(source.server.path)
    writer.write(b"\xff\xff\xff\xffnonsense")
    while await reader.read(1 << 16):
        pass
    writer.close()
    connection = await Connection.open(source.server.path, lambda e: None)
    assert await connection.call(Attach()) is None
    connection.close()


async def test_a_caller_that_leaves_gives_up_its_calls(source):
    connection = await Connection.open(source.server.path, lambda e: None)
    call = asyncio.ensure_future(connection.call(Sample(run="r")))
    pending = await asyncio.to_thread(source.inbox.take, 5)
    assert not pending.cancelled()
    connection.close()
    with pytest.raises(TroubleError):
        await call
    async with asyncio.timeout(5):
        while not pending.cancelled():
            await asyncio.sleep(0.01)


async def test_an_answer_over_the_limit_becomes_a_refusal(source, monkeypatch):
    frame = protocol.frame
    monkeypatch.setattr(protocol, "frame", lambda message, limit=1 << 20: frame(message, limit))
    connection = await Connection.open(source.server.path, lambda e: None)
    call = asyncio.ensure_future(connection.call(Sample(run="r")))
    pending = await asyncio.to_thread(source.inbox.take, 5)
    pending.reply(bytes(2 << 20))
    with pytest.raises(TroubleError, match="more than"):
        await call
    connection.close()


async def test_stopping_sends_what_is_queued_and_removes_the_socket(tmp_path):
    source = Source(tmp_path / "socket")
    reader, writer = await sockets.connect(source.server.path)
    writer.write(protocol.frame(Call(1, Attach())))
    while not isinstance(await protocol.receive(reader), Reply):
        pass
    for _ in range(500):
        source.tell()
    stopping = asyncio.ensure_future(asyncio.to_thread(source.server.stop))
    seen = []
    while (message := await protocol.receive(reader)) is not None:
        if isinstance(message, Told) and message.event.seq:
            seen.append(message.event.seq)
    await stopping
    writer.close()
    assert seen == list(range(1, 501))
    assert not source.server.path.exists()


async def test_stopping_with_callers_still_there_is_no_fault(tmp_path, caplog):
    source = Source(tmp_path / "socket")
    connection = await Connection.open(source.server.path, lambda e: None)
    await connection.call(Attach())
    await asyncio.to_thread(source.server.stop)
    async with asyncio.timeout(5):
        await connection.closed.wait()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
