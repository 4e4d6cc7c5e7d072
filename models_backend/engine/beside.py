"""What goes on beside an engine's callers: who hears of events, and the tasks that run until they end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from models_backend.contract.messages import Event

log = logging.getLogger(__name__)

Tell = Callable[[Event], None]
Spawn = Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]


class Subscribers:
    """Everybody who wants to hear of events."""

    def __init__(self) -> None:
        self._callbacks: list[Tell] = []

    def add(self, callback: Tell) -> Callable[[], None]:
        """Calls back with every event from now on; the answer ends that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback) if callback in self._callbacks else None

    def tell(self, event: Event) -> None:
        """Every subscriber hears it."""
        for callback in list(self._callbacks):
            try:
                callback(event)
            except Exception:  # a subscriber's fault must not cut off the worker or the other subscribers
                log.exception("a subscriber failed on %s", type(event.body).__name__)


class Tasks:
    """Held until they end, since a task that nobody holds can be collected while it runs; what they raise is logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter(list(self._tasks))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts a task on the running loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def cancel(self) -> None:
        """Ends them all."""
        tasks = list(self)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            log.error("a task of the engine failed", exc_info=task.exception())
