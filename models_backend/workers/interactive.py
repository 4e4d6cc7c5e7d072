"""The interactive worker: up at once, torch loaded behind the open socket, then one call after another, newest stamp first."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models_backend.contract.messages import Progress
from models_backend.contract.trace import Left

from . import process
from .inbox import Inbox, Pending
from .leaving import Leaver
from .server import Server

log = logging.getLogger(__name__)

#: (library, device) -> answers; the slow part: it imports torch and the families
Equip = Callable[[Path, str], Any]


def main(library: Path, device: str, socket: Path, equip: Equip | None = None) -> int:
    """Serves ``socket`` until the studio is gone. Returns the exit status."""
    process.die_with_parent()
    process.lower_priority(process.INTERACTIVE_NICE)
    process.offer_to_die_first()
    inbox = Inbox(given_up=lambda: leaver.ask())
    leaver = Leaver(inbox.in_vain, lambda: True, ends=False)
    server = Server(socket, inbox, source="interactive", beat=process.heartbeat)
    server.start()
    loading = _Loading(inbox)
    loading.start()
    try:
        answers = (equip or equipped)(library, device)
    finally:
        loading.stop()
    log.info("ready on %s", device)
    while not inbox.closed:
        pending = inbox.take()
        if pending:
            _answer(answers, pending)
    return 0


def _answer(answers: Any, pending: Pending) -> None:
    """One call to its end, or until nobody waits for it."""
    try:
        answers.answer(pending)
    except Left:
        log.info("%s was left: nobody waits for it", type(pending.request).__name__)
        pending.abandon()


def equipped(root: Path, device: str) -> Any:
    """Imports torch and the families, which takes seconds, and opens the library."""
    import torch  # noqa: F401  the slow part, behind the open socket

    from models_backend.library.library import Library

    from .answers import Answers, LoadedRuns
    from .registry import families

    families()
    library = Library.open(root, own=False)
    runs = LoadedRuns(library, families, device)
    return Answers(library, families, runs.get, device)


class _Loading:
    """Tells the calls that wait meanwhile why they wait."""

    def __init__(self, inbox: Inbox):
        self._inbox, self._over = inbox, threading.Event()
        self._thread = threading.Thread(target=self._run, name="loading", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        told: set[int] = set()
        while not self._over.wait(0.05):
            for pending in self._inbox.waiting():
                if id(pending) not in told:
                    told.add(id(pending))
                    pending.tell(Progress(0, 0, "starting the engine (loading torch and the families)"))
