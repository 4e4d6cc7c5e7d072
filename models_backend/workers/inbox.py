"""Calls that wait for the worker's main thread: in order, the newest stamp of a kind displaces the older ones."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from models_backend.contract.messages import Trouble

CANCELLED = Trouble("cancelled")
OVERTAKEN = Trouble("a newer request took its place")


class Pending:
    """A call on its way to an answer. ``tell(body)``, ``reply(value)`` and ``fail(trouble, stale)`` reach its caller only."""

    def __init__(
        self,
        client: Any,
        number: int,
        request: Any,
        tell: Callable[[Any], None],
        reply: Callable[[Any], None],
        fail: Callable[[Trouble, bool], None],
    ):
        self.client, self.number, self.request = client, number, request
        self.tell, self.reply, self.fail = tell, reply, fail
        self.given_up = self.overtaken = False

    def cancelled(self) -> bool:
        """Whether nobody waits for the answer any longer."""
        return self.given_up or self.overtaken

    def abandon(self) -> None:
        """Answers a cancelled call."""
        self.fail(OVERTAKEN if self.overtaken else CANCELLED, self.overtaken)

    @property
    def stamp(self) -> int:
        return getattr(self.request, "stamp", 0)

    def same_kind(self, other: Pending) -> bool:
        """Whether both are live requests of one caller for the same thing of the same run."""
        return (
            bool(self.stamp and other.stamp)
            and self.client is other.client
            and type(self.request) is type(other.request)
            and self.request.run == other.request.run
        )


class Inbox:
    """Filled by the server's thread, emptied by the main thread."""

    def __init__(self, given_up: Callable[[], None] = lambda: None) -> None:
        """``given_up`` is called where nobody waits any longer for the call that the main thread is at."""
        self._given_up = given_up
        self._waiting: deque[Pending] = deque()
        self._current: Pending | None = None
        self._changed = threading.Condition()
        self.closed = False

    def put(self, pending: Pending) -> None:
        """Adds a call; live requests that it overtakes are answered as stale at once."""
        with self._changed:
            newer = any(p.stamp > pending.stamp for p in self._known() if p.same_kind(pending))
            stale = [pending] if newer else [p for p in self._known() if p.same_kind(pending)]
            if not newer:
                self._waiting.append(pending)
            self._drop(stale, "overtaken")
            self._changed.notify_all()

    def cancel(self, client: Any, number: int | None = None) -> None:
        """Gives up one call of a client, or all of them where ``number`` is None (it has gone)."""
        with self._changed:
            mine = [p for p in self._known() if p.client is client and number in (None, p.number)]
            self._drop(mine, "given_up")
            current = self._current is not None and self._current.given_up
        if current:
            self._given_up()

    def in_vain(self) -> bool:
        """Whether nobody waits any longer for the call that the main thread is at."""
        current = self._current
        return current is not None and current.given_up

    def take(self, timeout_s: float | None = None, enough: Callable[[], bool] | None = None) -> Pending | None:
        """The next call, waited for up to ``timeout_s`` (None: without end) or until ``enough()`` after a :meth:`wake`;
        None where there is none or the inbox is closed."""
        with self._changed:
            self._current = None
            self._changed.wait_for(lambda: self._waiting or self.closed or (enough is not None and enough()), timeout_s)
            if not self._waiting:
                return None
            self._current = self._waiting.popleft()
            return self._current

    def wake(self) -> None:
        """Lets a waiting :meth:`take` look again at once."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Ends every wait; what still waits is left unanswered, its callers see the connection end."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def waiting(self) -> list[Pending]:
        """The calls that wait, for those who want to tell them something."""
        with self._changed:
            return list(self._waiting)

    def _known(self) -> list[Pending]:
        return [*self._waiting, *([self._current] if self._current else [])]

    def _drop(self, calls: list[Pending], mark: str) -> None:
        for pending in calls:
            setattr(pending, mark, True)
            if pending is not self._current:
                if pending in self._waiting:
                    self._waiting.remove(pending)
                pending.abandon()
