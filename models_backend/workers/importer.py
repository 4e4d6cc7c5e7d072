"""The importer's process: ``python -m models_backend.workers.importer``. It never imports torch.

Protocol. The caller writes one JSON line to stdin, a :class:`Job`, and keeps stdin open. On stdout come frames of
``contract.messages`` (4-byte big-endian length, then msgpack):

* ``Told(Event(0, time, source, Progress))`` while it works, at most ten a second; ``source`` is the job's;
* at the end exactly one ``Reply(0, value)``, value the msgpack of the :class:`DatasetRecord`, exit status 0,
* or one ``Failure(0, trouble)``, exit status 1.

SIGTERM, SIGINT or the end of stdin cancel it: nothing is left half, it answers Failure("cancelled"), exit status 1.
The data set's folder is complete on disk when the Reply comes; the owner of the library adds it to its index.
Everything that is printed goes to stderr.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from models_backend.contract.fields import build
from models_backend.contract.messages import Event, Failure, Progress, Reply, Told, Trouble
from models_backend.contract.run_layout import DatasetRecord
from models_backend.contract.settings import DataSettings

from .process import INTERACTIVE_NICE, lower_priority
from .troubles import trouble_of


class Job(msgspec.Struct):
    """What to bring in: ``paths``, or the name of a ``builtin`` data set. ``settings``: plain DataSettings to cache for as
    well, or None. ``look_for``: nothing is brought in; that data set's missing sources are looked for below ``paths``."""

    library: str
    paths: tuple[str, ...] = ()
    builtin: str = ""
    title: str = ""
    settings: dict[str, Any] | None = None
    look_for: str = ""
    source: str = "import"


class Voice:
    """Frames on the real stdout, whole and in turn."""

    def __init__(self, out: BinaryIO, source: str = "import"):
        self.source, self._out, self._lock = source, out, threading.Lock()

    def say(self, message: Any) -> None:
        body = msgspec.msgpack.encode(message)
        with self._lock:
            self._out.write(len(body).to_bytes(4, "big") + body)
            self._out.flush()

    def tell(self, progress: Progress) -> None:
        self.say(Told(Event(0, time.time(), self.source, progress)))


def carry_out(job: Job, voice: Voice, stop: threading.Event) -> DatasetRecord:
    """Does the job. Raises TroubleError, FieldError, watch.Cancelled."""
    if job.builtin:
        from models_backend.data.builtin import make

        return make(Path(job.library), job.builtin)
    if job.look_for:
        from models_backend.data.moving import look_for

        return look_for(Path(job.library), job.look_for, job.paths, voice.tell, stop.is_set)
    from models_backend.data.pool import Pool

    with Pool() as pool:  # the decoders start while this process loads the rest
        from models_backend.data.importing import import_paths

        settings = None if job.settings is None else build(DataSettings, job.settings)
        record, _ = import_paths(Path(job.library), job.paths, job.title, settings, voice.tell, stop.is_set, pool)
    return record


def _answer(job: Job, voice: Voice, stop: threading.Event) -> Reply | Failure:
    from models_backend.data.watch import Cancelled

    try:
        return Reply(0, msgspec.Raw(msgspec.msgpack.encode(carry_out(job, voice, stop))))
    except Cancelled:
        return Failure(0, Trouble("cancelled", kept="nothing was added; the sources are untouched"))
    except Exception as error:
        return Failure(0, trouble_of(error, ", ".join(job.paths[:3]) or job.builtin))


def _watch_stdin(stop: threading.Event) -> None:
    while os.read(0, 4096):
        continue  # the caller has nothing more to say; the end of the stream means that it is gone
    stop.set()


def main() -> int:
    """Reads the job, does it, answers. Returns the exit status."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    voice, stop = Voice(out), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        job = msgspec.json.decode(_first_line(), type=Job)
    except msgspec.DecodeError as error:
        voice.say(Failure(0, Trouble(f"the job cannot be read: {error}")))
        return 1
    voice.source = job.source
    lower_priority(INTERACTIVE_NICE)
    threading.Thread(target=_watch_stdin, args=(stop,), daemon=True).start()
    answer = _answer(job, voice, stop)
    voice.say(answer)
    return 0 if isinstance(answer, Reply) else 1


def _first_line() -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            break
        line += piece
    return bytes(line)


if __name__ == "__main__":
    sys.exit(main())
