"""The edits that can be undone, each told as plain data so that a later window can take it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from models_backend.contract.messages import TroubleError

if TYPE_CHECKING:
    from .datasets import Datasets
    from .session import Session
    from .undo import UndoStack


class Deleting:
    """Things moved to the trash, and back. ``items``: (kind, id); ``entries``: what lies in the trash for them."""

    kind = "trash"

    def __init__(self, session: Session, items: list[tuple[str, str]], entries: list[str] | None = None):
        self._session, self._items, self._entries = session, [tuple(item) for item in items], list(entries or [])
        self._order = asyncio.Lock()

    def state(self) -> dict[str, Any]:
        return {"items": self._items, "entries": self._entries}

    def forward(self) -> asyncio.Task:
        """Moves them to the trash."""
        return self._session.bridge.spawn(self._away())

    def back(self) -> asyncio.Task:
        """Brings them back."""
        return self._session.bridge.spawn(self._return())

    async def _away(self) -> None:
        from models_backend.library import trash

        bridge = self._session.bridge
        async with self._order:
            try:
                for kind, name in self._items:
                    entry = await bridge.threaded(trash.delete, bridge.library, kind, name)
                    self._entries.append(entry.id)
            finally:
                await self._over()

    async def _return(self) -> None:
        from models_backend.library import trash

        bridge = self._session.bridge
        async with self._order:
            try:
                while self._entries:
                    await bridge.threaded(trash.restore, bridge.library, self._entries[-1])
                    self._entries.pop()
            finally:
                await self._over()

    async def _over(self) -> None:
        self._session.undo.changed.emit()  # what it needs to be taken back has changed
        await self._session.reload()


class Rewriting:
    """Title, star or tags of a run or sample, as they were and as they are."""

    kind = "record"

    def __init__(self, session: Session, of: str, item: str, before: dict[str, Any], after: dict[str, Any]):
        self._session, self._of, self._item, self._before, self._after = session, of, item, before, after

    def state(self) -> dict[str, Any]:
        return {"of": self._of, "item": self._item, "before": self._before, "after": self._after}

    def forward(self) -> asyncio.Task:
        return self._session.bridge.spawn(self._write(self._after))

    def back(self) -> asyncio.Task:
        return self._session.bridge.spawn(self._write(self._before))

    async def _write(self, values: dict[str, Any]) -> None:
        bridge = self._session.bridge
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        folder = getattr(bridge.library, self._of)(self._item)
        await bridge.threaded(lambda: folder.update_record(**values))
        await self._session.reload()


class Turning:
    """An edit of a data set there and back: each way leaves the token that reverts it."""

    kind = "dataset"

    def __init__(self, datasets: Datasets, stack: UndoStack, dataset: str, changes: dict[str, Any], token: Any = None,
                 done: Callable[[], None] = lambda: None):  # fmt: skip
        self._datasets, self._stack, self._done = datasets, stack, done
        self._dataset, self._changes, self._token = dataset, changes, token
        self._order = asyncio.Lock()

    def state(self) -> dict[str, Any]:
        return {"dataset": self._dataset, "token": msgspec.to_builtins(self._token, str_keys=True)}

    def forward(self) -> None:
        """Does the edit, or does it again."""
        self._datasets.spawn(self._turn())

    def back(self) -> None:
        """Takes the edit back."""
        self._datasets.spawn(self._turn())

    async def _turn(self) -> None:
        async with self._order:
            token = self._token
            if token is None and not self._changes:
                raise TroubleError("the window was closed before this edit was kept", kept="The data set is as it is")
            work = self._first if token is None else lambda folder: folder.undo(token)
            try:
                self._token = await self._datasets.apply(self._dataset, work)
            finally:
                self._done()
        self._stack.changed.emit()  # the token that reverts it is another one now

    def _first(self, folder: Any) -> Any:
        return folder.edit_many(**self._changes)


def makers(session: Session) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Kind -> what makes such an edit from what it told."""
    from models_backend.library.edits import Undo

    def turning(told: dict[str, Any]) -> Turning:
        token = msgspec.convert(told["token"], Undo | None, strict=False)
        return Turning(session.datasets, session.undo, told["dataset"], {}, token)

    return {
        Deleting.kind: lambda told: Deleting(session, told["items"], told["entries"]),
        Rewriting.kind: lambda told: Rewriting(session, told["of"], told["item"], told["before"], told["after"]),
        Turning.kind: turning,
    }
