"""The parent's side of the decoder: hands out bytes, takes back arrays, and outlives whatever a picture does to a child.

One thread drives one child. A batch goes out whole, its answers come back one by one, so that when a child dies it is known
which picture it died of: that one is reported, the rest goes to a fresh child.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import msgspec

from models_backend import isolation
from models_backend.contract.messages import TroubleError

from .decoded import Decoded, Target

#: A picture may take so many seconds of computing, and of the clock as many times that, for others compute too.
SECONDS, PATIENCE = 20.0, 6
ANSWER_LIMIT = 64 << 20
_GRACE = 5.0


class Work(msgspec.Struct):
    """A batch for a child."""

    pictures: list[bytes]
    targets: list[Target]
    looks: bool = True
    mask: bool = False
    seconds: float = SECONDS


class ChildGone(Exception):
    """The child has died, hangs, or answers nonsense."""


class Channel(Protocol):
    """A connection to one child."""

    def send(self, data: bytes) -> None: ...
    def receive(self, size: int) -> bytes: ...
    def close(self) -> None: ...


class _Socket:
    def __init__(self, end: socket.socket):
        self._socket = end
        end.settimeout(PATIENCE * SECONDS + _GRACE)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receive(self, size: int) -> bytes:
        buffer, at = bytearray(size), 0
        view = memoryview(buffer)
        while at < size:
            count = self._socket.recv_into(view[at:])
            if not count:
                raise ChildGone()
            at += count
        return bytes(buffer)

    def close(self) -> None:
        self._socket.close()


class _Pipes:
    """A child of its own process (where there is no fork); a watchdog kills it when it hangs."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(_command("--serve"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment())

    def send(self, data: bytes) -> None:
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def receive(self, size: int) -> bytes:
        watchdog = threading.Timer(PATIENCE * SECONDS + _GRACE, self._process.kill)
        watchdog.start()
        try:
            data = self._process.stdout.read(size)
        finally:
            watchdog.cancel()
        if len(data) < size:
            raise ChildGone()
        return data

    def close(self) -> None:
        self._process.kill()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def _command(*arguments: str) -> list[str]:
    return isolation.python("-m", "models_backend.workers.decoder", *arguments)


def _environment() -> dict[str, str]:
    return {**isolation.environment(), "OMP_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "SILENT", "OPENBLAS_NUM_THREADS": "1"}


class Nursery:
    """Makes children: by a process that imports once and forks, or a process each where there is no fork."""

    def __init__(self) -> None:
        self._forks = hasattr(os, "fork") and hasattr(socket, "send_fds")
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        if not self._forks:
            return
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(_command(), stdin=theirs, stdout=subprocess.DEVNULL, env=_environment())

    def child(self) -> Channel:
        """A fresh child. Raises TroubleError where none can be started."""
        if not self._forks:
            return _Pipes()
        with self._lock:
            for _ in range(3):
                ours, theirs = socket.socketpair()
                with theirs:
                    try:
                        socket.send_fds(self._control, [b"+"], [theirs.fileno()])
                        return _Socket(ours)
                    except OSError:
                        ours.close()
                        self.close()
                        self._start()
        raise TroubleError("the picture decoder cannot be started", advice="check that Pillow and OpenCV are installed")

    def close(self) -> None:
        """Ends the process; children end with their sockets, and with it."""
        if self._forks:
            self._control.close()
            self._process.kill()
            self._process.wait()


class Pool:
    """Confined decoders. ``run`` may be called again and again; use it as a context manager."""

    def __init__(self, children: int = 0):
        self.children = children or min(16, (os.cpu_count() or 2) + 1)  # one reads while the others decode
        self._nursery = Nursery()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Decoded)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._nursery.close()

    def run(self, batches: Iterable[Any], load: Callable[[Any], list[bytes]], targets: list[Target],
            done: Callable[[Any, list[Decoded]], None], looks: bool = True) -> None:  # fmt: skip
        """For each batch: ``load`` its pictures' bytes, decode them, call ``done`` with the answers in order. ``load`` runs in
        several threads at once, ``done`` under one lock. The first exception of either ends the run and is raised."""
        shared, lock, stop = iter(batches), threading.Lock(), threading.Event()

        def drive() -> None:
            with _Keeper(self._nursery) as keeper:
                while not stop.is_set():
                    batch = _next(shared, lock)
                    if batch is None:
                        return
                    answers = self._decode(keeper, Work(load(batch), targets, looks))
                    with lock:
                        done(batch, answers)

        def guarded() -> None:
            try:
                drive()
            except BaseException:
                stop.set()
                raise

        with ThreadPoolExecutor(self.children, "decoder") as threads:
            futures = [threads.submit(guarded) for _ in range(self.children)]
        for future in futures:
            future.result()

    def decode(self, pictures: list[bytes], targets: list[Target], looks: bool = True, mask: bool = False) -> list[Decoded]:
        """A few pictures (or masks), at once."""
        with _Keeper(self._nursery) as keeper:
            return self._decode(keeper, Work(pictures, targets, looks, mask))

    def _decode(self, keeper: _Keeper, work: Work) -> list[Decoded]:
        answers: list[Decoded] = []
        while len(answers) < len(work.pictures):
            before, started = len(answers), time.monotonic()
            try:
                for answer in self._answers(keeper.channel(), msgspec.structs.replace(work, pictures=work.pictures[before:])):
                    answers.append(_checked(answer, work.targets))
                    started = time.monotonic()
            except (ChildGone, OSError, msgspec.DecodeError):
                keeper.drop()
                keeper.deaths = keeper.deaths + 1 if len(answers) == before else 1
                answers.append(_died(time.monotonic() - started, work.seconds))
                if keeper.deaths == 3:
                    self._probe(keeper)
        return answers

    def _probe(self, keeper: _Keeper) -> None:
        """After several deaths in a row: is it the pictures, or the decoder? Raises TroubleError if it is the decoder."""
        try:
            answer = next(self._answers(keeper.channel(), Work([_sound_picture()], [Target(8)])))
            if answer.code:
                raise ChildGone(answer.reason)
            keeper.deaths = 0
        except (ChildGone, OSError, msgspec.DecodeError) as error:
            raise TroubleError(
                "the picture decoder does not work", advice="check that Pillow and OpenCV are installed", detail=repr(error)
            ) from error

    def _answers(self, channel: Channel, work: Work) -> Iterator[Decoded]:
        body = self._encoder.encode(work)
        channel.send(len(body).to_bytes(4, "big") + body)
        for _ in work.pictures:
            size = int.from_bytes(channel.receive(4), "big")
            if size > ANSWER_LIMIT:
                raise ChildGone()
            yield self._decoder.decode(channel.receive(size))


class _Keeper:
    """One thread's child, replaced after a death."""

    def __init__(self, nursery: Nursery):
        self._nursery, self._channel, self.deaths = nursery, None, 0

    def channel(self) -> Channel:
        if self._channel is None:
            self._channel = self._nursery.child()
        return self._channel

    def drop(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def __enter__(self) -> _Keeper:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


def _sound_picture() -> bytes:
    """A small PNG that any working decoder reads."""
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(16 * 49))),
        (b"IEND", b""),
    )
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _next(shared: Iterator[Any], lock: threading.Lock) -> Any | None:
    with lock:
        return next(shared, None)


def _checked(answer: Decoded, targets: list[Target]) -> Decoded:
    """An answer whose arrays do not have the asked size cannot be ours."""
    if not answer.code and [len(a) for a in answer.arrays] != [t.bytes for t in targets]:
        raise ChildGone()
    return answer


def _died(waited_s: float, seconds: float) -> Decoded:
    if waited_s >= seconds:
        return Decoded("too-slow", f"decoding it takes longer than {seconds:.0f} s")
    return Decoded("crashed", "the decoder crashed on it, as it does on damaged or hostile pictures")
