"""The confined decoder: ``python -m models_backend.workers.decoder`` turns bytes of strangers into arrays, and can do no else.

It imports the decoders once and then forks a child for each socket that it is handed; a child that a picture kills costs
a fork, not a start. Before its first picture a child gives up: all file access (Landlock, where the kernel has it), new
files and sockets (no free descriptor), growth (address space, core, written bytes), capabilities, new privileges. An alarm ends
it where one picture takes longer than ``Work.seconds``.

Control socket (descriptor 0): each message is one byte with one socket attached; the end of the stream ends the process.
Child's socket: frames of a 4-byte big-endian length and msgpack; in comes :class:`Work`, out goes one ``Decoded`` a picture.
Where there is no fork (Windows) ``--serve`` answers on stdin and stdout in one process, started anew after a crash.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import BinaryIO

import cv2
import msgspec
import numpy as np
from PIL import Image

from models_backend.data.decoding import Decoded, Target, decode
from models_backend.data.pool import PATIENCE, Work
from models_backend.data.whole_pictures import managed

MEMORY = 3 << 30
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def main() -> int:
    """Serves until its parent is gone."""
    warm_up()
    if "--serve" in sys.argv:
        serve(sys.stdin.buffer, sys.stdout.buffer, lambda: "", lambda seconds: None)
        return 0
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are reaped by the kernel
    control = socket.socket(fileno=os.dup(0))
    os.set_inheritable(0, False)
    while True:
        _, handed, _, _ = socket.recv_fds(control, 1, 1)
        if not handed:
            return 0
        if os.fork() == 0:
            control.close()
            _child(handed[0])
        os.close(handed[0])


def warm_up() -> None:
    """Decodes a tiny picture of every format, depth and colour, so that nothing is left to be imported once files are closed
    off."""
    cv2.setNumThreads(1)
    Image.init()
    tiny = Image.new("RGB", (16, 16), (200, 100, 50))
    for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM", "TGA", "ICO"):
        _try(tiny, name)
    _try(tiny.convert("CMYK"), "JPEG")
    _try(Image.new("I;16", (16, 16), 4000), "TIFF")
    managed(np.zeros((2, 2, 3), np.uint8), ("cicp", bytes((12, 13))))
    decode(cv2.imencode(".tiff", np.zeros((4, 4, 3), np.float32))[1].tobytes(), [Target(8)])


def _try(picture: Image.Image, format: str) -> None:
    stream = io.BytesIO()
    with contextlib.suppress(OSError, KeyError):  # a Pillow without that codec: such pictures are then told as unreadable
        picture.save(stream, format)
        decode(stream.getvalue(), [Target(8)])


def _child(descriptor: int) -> None:
    """One forked child: confines itself, then decodes until the socket ends. Never returns."""
    channel = socket.socket(fileno=descriptor)
    complaints = _complaints()
    confine()
    stream = channel.makefile("rwb", buffering=1 << 18)
    serve(stream, stream, complaints, _alarm)
    os._exit(0)


def serve(incoming: BinaryIO, outgoing: BinaryIO, complaints: Callable[[], str], alarm: Callable[[float], object]) -> None:
    """Answers frames of work until the stream ends."""
    decoder, encoder = msgspec.msgpack.Decoder(Work), msgspec.msgpack.Encoder()
    while len(head := incoming.read(4)) == 4:
        work = decoder.decode(incoming.read(int.from_bytes(head, "big")))
        for data in work.pictures:
            alarm(work.seconds)
            answer = encoder.encode(_answer(data, work, complaints))
            alarm(0)
            outgoing.write(len(answer).to_bytes(4, "big") + answer)
            outgoing.flush()


def _answer(data: bytes, work: Work, complaints: Callable[[], str]) -> Decoded:
    return decode(data, work.targets, complaints, work.looks, work.mask)


def _alarm(seconds: float) -> None:
    """Ends the process, in C code too, once it has computed for so long, or waited for a multiple of it: on a busy machine a
    sound picture takes long by the clock."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds)


def _complaints() -> Callable[[], str]:
    """Catches what the decoder libraries print on stderr; the function returns what came since its last call."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    os.dup2(writer, 2)
    os.close(writer)

    def since() -> str:
        try:
            return os.read(reader, 65536).decode("utf-8", "replace")
        except BlockingIOError:
            return ""

    return since


# ------------------------------------------------------------------------------------------------ giving up rights


def confine() -> dict[str, bool]:
    """Gives up what decoding does not need; returns what the system granted (the limits always hold)."""
    import resource

    for ending in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(ending, signal.SIG_DFL)
    granted = {"landlock": False, "capabilities": False}
    if sys.platform == "linux":
        system = ctypes.CDLL(None, use_errno=True)
        system.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        granted["landlock"] = _landlock(system)
    limits = {"AS": MEMORY, "CORE": 0, "FSIZE": 0, "NPROC": 0, "NOFILE": 0}
    for name, value in limits.items():
        if name == "AS" and sys.platform == "darwin":
            continue  # the system refuses that limit
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    if sys.platform == "linux":
        granted["capabilities"] = _drop_capabilities(system)
    return granted


class _Ruleset(ctypes.Structure):
    _fields_ = [("access_fs", ctypes.c_uint64), ("access_net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


def _landlock(system: ctypes.CDLL) -> bool:
    """Handles every right the kernel knows and allows none: no path can be opened, made, read or run."""
    version = system.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return False
    files = (1 << (13, 14, 15, 15, 16)[min(version, 5) - 1]) - 1
    rules = _Ruleset(files, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = system.syscall(_LANDLOCK_CREATE, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return False
    refused = system.syscall(_LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)
    return refused == 0


def _drop_capabilities(system: ctypes.CDLL) -> bool:
    """Even root cannot raise a limit again."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    return system.capset(header, (ctypes.c_uint32 * 6)()) == 0


if __name__ == "__main__":
    sys.exit(main())
