"""The bridge between Qt and asyncio: the only place where coroutines are started from the window.

``Bridge.spawn`` keeps a strong reference to every task (a task that nobody holds can be collected while it
runs) and turns whatever it raises into a :class:`Trouble` that the window's notices show.
"""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from models_backend.contract.fields import FieldError
from models_backend.contract.messages import Trouble, TroubleError

from .naming import plain

#: Where an object lies in memory: nothing that a person can use.
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def trouble_of(error: BaseException) -> Trouble:
    """An exception in plain words; what was not expected carries its traceback as detail."""
    if isinstance(error, TroubleError):
        return error.trouble
    if isinstance(error, FieldError):
        return Trouble(str(error), advice="Correct the field and try again.")
    if isinstance(error, OSError) and error.strerror:
        return Trouble(error.strerror, item=str(error.filename or ""), kept="Nothing was changed.")
    detail = "".join(traceback.format_exception(error))
    said = ADDRESS.sub("", f"{type(error).__name__}: {error}".strip().split("\n")[0])
    return Trouble(
        f"Something unexpected happened: {said}",
        kept="The library and all runs are as they were.",
        advice="Try again; if it happens again, copy the report and send it.",
        detail=detail,
    )


@dataclass(frozen=True)
class Way:
    """What can be done about a plain line: the words of its button, and what that does."""

    words: str
    act: Callable[[], object]


class Bridge(QObject):
    """Starts coroutines on the loop and passes on what the engine tells."""

    told = Signal(object)  # contract Event
    trouble = Signal(object)  # contract Trouble, for the notices
    noticed = Signal(str)  # a plain line for the notices
    offered = Signal(str, object)  # a plain line of an edit, and the state.undo.Offer that takes it back
    proposed = Signal(str, tuple)  # a plain line, and up to two Ways to go on from it
    preview_took = Signal(float)  # how long a live preview took, ms, for the bottom bar
    engine_ready = Signal()
    kept = Signal()  # an edit is on disk
    closing = Signal()  # what is not written yet is given to the file thread now

    def __init__(self, engine: Any = None, loop: asyncio.AbstractEventLoop | None = None):
        super().__init__()
        self.engine: Any = None
        self.loop = loop
        self.title_of: Callable[[str], str] = lambda item: ""  # the title of what has an id
        self._tasks: set[asyncio.Task] = set()
        self._edits: set[asyncio.Task] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="studio-files")
        self._unsubscribe: Callable[[], None] | None = None
        if engine is not None:
            self.attach(engine)

    @property
    def library(self) -> Any:
        """The engine's library, or None while the engine starts."""
        return getattr(self.engine, "library", None)

    def attach(self, engine: Any) -> None:
        """Takes the engine, passes its events on from now, and tells that it is ready."""
        self.engine = engine
        self._unsubscribe = engine.subscribe(self.told.emit)
        self.engine_ready.emit()

    def spawn(self, coro: Coroutine[Any, Any, Any], on_error: Callable[[Trouble], object] | None = None) -> asyncio.Task:
        """Runs a coroutine. Its failure goes to ``on_error``, or to the notices; cancelling it is no failure."""
        loop = self.loop or asyncio.get_running_loop()
        task = loop.create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finished(done, on_error))
        return task

    def spawn_edit(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task:
        """As :meth:`spawn`, of an edit: closing waits for it instead of cancelling it."""
        task = self.spawn(coro)
        self._edits.add(task)
        task.add_done_callback(self._edit_over)
        return task

    def _edit_over(self, task: asyncio.Task) -> None:
        self._edits.discard(task)
        if not task.cancelled() and task.exception() is None:
            self.kept.emit()

    def _finished(self, task: asyncio.Task, on_error: Callable[[Trouble], object] | None) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        (on_error or self.trouble.emit)(plain(trouble_of(task.exception()), self.title_of))

    def threaded(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future:
        """The result of slow file work, done on the studio's one file thread in the order asked for, which is now."""
        return asyncio.wrap_future(self._thread.submit(work, *arguments), loop=self.loop)

    def notice(self, text: str, *ways: Way) -> None:
        """Shows a plain line among the notices for a few seconds, with a button for each of at most two ``ways`` to go on."""
        self.proposed.emit(text, ways) if ways else self.noticed.emit(text)

    def busy(self) -> int:
        """How many coroutines are under way."""
        return len(self._tasks)

    async def close(self) -> None:
        """Waits for edits, cancels what else is under way, closes the engine and waits for the file thread."""
        self.closing.emit()
        if self._edits:
            await asyncio.wait(set(self._edits))
        for task in list(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.sleep(0)
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self.engine is not None:
            await self.engine.close()
        self._thread.shutdown(wait=True)
