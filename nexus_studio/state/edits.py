"""The edits that can be undone, each told as plain data so that a later window can take it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.words import series

from .undo import NOWHERE, Place

if TYPE_CHECKING:
    from .datasets import Datasets
    from .session import Session
    from .undo import UndoStack


def place_of(kind: str, key: str) -> Place:
    """The workspace where a data set, run or sample is seen, and what shows it there."""
    return {"dataset": "data", "run": "train", "sample": "gallery"}.get(kind, ""), {kind: key}


class Deleting:
    """Things moved to the trash, and back. ``items``: (kind, id); ``entries``: what lies in the trash for them."""

    kind = "trash"

    def __init__(self, session: Session, items: list[tuple[str, str]], entries: list[str] | None = None):
        self._session, self._items, self._entries = session, [tuple(item) for item in items], list(entries or [])
        self._order = asyncio.Lock()

    def state(self) -> dict[str, Any]:
        return {"items": self._items, "entries": self._entries}

    def place(self) -> Place:
        """Where the first of them is seen; only the workspace while they are in the trash."""
        key, what = place_of(*self._items[0]) if self._items else NOWHERE
        return key, {} if self._entries else what

    def forward(self) -> asyncio.Task:
        """Moves them to the trash."""
        return self._session.bridge.spawn_edit(self._away())

    def back(self) -> asyncio.Task:
        """Brings them back."""
        return self._session.bridge.spawn_edit(self._return())

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

    async def forget_if_gone(self) -> None:
        """Drops this edit where something that it moved to the trash lies there no more: restored elsewhere, or freed."""
        entries = list(self._entries)
        if entries and not self._order.locked():
            lying = await self._session.bridge.threaded(self._lying)
            if not self._order.locked() and entries == self._entries and not lying.issuperset(entries):
                self._session.undo.forget(self)

    def _lying(self) -> set[str]:
        from models_backend.library import trash

        return {entry.id for entry in trash.entries(self._session.bridge.library.layout)}

    async def _return(self) -> None:
        from models_backend.library import trash

        bridge = self._session.bridge
        async with self._order:
            if not (await bridge.threaded(self._lying)).issuperset(self._entries):
                self._session.undo.forget(self)
                raise TroubleError("what was deleted is not in the trash any more, so that this cannot be undone",
                                   advice="It was restored or freed for good since")  # fmt: skip
            try:
                while self._entries:
                    await bridge.threaded(trash.restore, bridge.library, self._entries[-1])
                    self._entries.pop()
            finally:
                await self._over()

    async def _over(self) -> None:
        self._session.undo.changed.emit()  # what it needs to be taken back has changed
        await self._session.reload()


class Elsewhere(TroubleError):
    """What an edit changed was changed by something else since, so that it can be neither taken back nor done again."""

    def __init__(self, title: str, what: str = "it was"):
        super().__init__(f"{what} edited elsewhere since, so that this edit cannot be undone or done again", title,
                         "Nothing was changed", "Edit it anew where that is wanted")  # fmt: skip


class Rewriting:
    """Title, star or tags of a run or sample, as they were and as they are; of a cell those of its whole grid. ``made``: it
    was done before."""

    kind = "record"
    words = {"title": "its title was", "starred": "its star was", "tags": "its tags were"}

    def __init__(self, session: Session, of: str, item: str, before: dict[str, Any], after: dict[str, Any], made: bool = False):
        self._session, self._of, self._item, self._made = session, of, item, made
        self._before, self._after = ({name: _plain(one) for name, one in told.items()} for told in (before, after))

    def state(self) -> dict[str, Any]:
        return {"of": self._of, "item": self._item, "before": self._before, "after": self._after}

    def place(self) -> Place:
        """Where the run or sample is seen."""
        return place_of(self._of, self._item)

    def forward(self) -> asyncio.Task:
        """Does the edit, or does it again."""
        return self._session.bridge.spawn_edit(self._write(self._again if self._made else self._first))

    def back(self) -> asyncio.Task:
        """Takes the edit back."""
        return self._session.bridge.spawn_edit(self._write(self._back))

    async def _write(self, work: Callable[[Any], None]) -> None:
        bridge, undo = self._session.bridge, self._session.undo
        try:
            await bridge.threaded(work, getattr(bridge.library, self._of)(self._item))
        except TroubleError as error:
            if not self._made or isinstance(error, Elsewhere):
                undo.forget(self)
            raise
        finally:
            await self._session.reload()
        undo.changed.emit()

    def _first(self, folder: Any) -> None:
        record = folder.record()
        self._before = {name: getattr(record, name) for name in self._after}
        self._put(folder, record, self._after)
        self._made = True

    def _again(self, folder: Any) -> None:
        self._turn(folder, self._before, self._after)

    def _back(self, folder: Any) -> None:
        self._turn(folder, self._after, self._before)

    def _turn(self, folder: Any, left: dict[str, Any], values: dict[str, Any]) -> None:
        """Writes the values where what the edit left still stands."""
        record = folder.record()
        changed = [words for name, words in self.words.items() if name in left and getattr(record, name) != left[name]]
        if changed:
            raise Elsewhere(record.title, series(changed))
        self._put(folder, record, values)

    def _put(self, folder: Any, record: Any, values: dict[str, Any]) -> None:
        library = self._session.bridge.library
        for cell in library.cells(record) if getattr(record, "grid", None) is not None else ():
            if cell.id != record.id:
                library.sample(cell.id).update_record(**values)
        folder.update_record(**values)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Turning:
    """An edit of a data set there and back: each way leaves the token that reverts it, and ``left``, what it left there."""

    kind = "dataset"

    def __init__(self, datasets: Datasets, stack: UndoStack, dataset: str, changes: dict[str, Any], token: Any = None,
                 left: Any = None, done: Callable[[], None] = lambda: None):  # fmt: skip
        self._datasets, self._stack, self._done = datasets, stack, done
        self._dataset, self._changes, self._token, self._left = dataset, changes, token, left
        self._order = asyncio.Lock()

    def state(self) -> dict[str, Any]:
        token, left = (msgspec.to_builtins(one, str_keys=True) for one in (self._token, self._left))
        return {"dataset": self._dataset, "token": token, "left": left}

    def place(self) -> Place:
        """Where the data set is seen."""
        return place_of("dataset", self._dataset)

    def forward(self) -> asyncio.Task:
        """Does the edit, or does it again."""
        return self._datasets.spawn_edit(self._turn())

    def back(self) -> asyncio.Task:
        """Takes the edit back."""
        return self._datasets.spawn_edit(self._turn())

    async def _turn(self) -> None:
        async with self._order:
            if self._token is None and not self._changes:
                raise TroubleError("the window was closed before this edit was kept", kept="The data set is as it is")
            try:
                self._token, self._left = await self._datasets.apply(self._dataset, self._worked)
            except Elsewhere:
                self._stack.forget(self)
                raise
            finally:
                self._done()
        self._stack.changed.emit()  # the token that reverts it is another one now

    def _worked(self, folder: Any) -> tuple[Any, Any]:
        """What reverts it now, and what stands there now. Elsewhere where what it left is not there any more."""
        from models_backend.library.edits import reverting

        token = self._token
        with folder.changing():
            if token is not None and self._left is not None and reverting(folder.edits(), token) != self._left:
                raise Elsewhere(folder.record().title)
            token = folder.edit_many(**self._changes) if token is None else folder.undo(token)
            return token, reverting(folder.edits(), token)


def makers(session: Session) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Kind -> what makes such an edit from what it told."""
    from models_backend.library.edits import Undo

    def turning(told: dict[str, Any]) -> Turning:
        token, left = (msgspec.convert(told.get(name), Undo | None, strict=False) for name in ("token", "left"))
        return Turning(session.datasets, session.undo, told["dataset"], {}, token, left)

    return {
        Deleting.kind: lambda told: Deleting(session, told["items"], told["entries"]),
        Rewriting.kind: lambda told: Rewriting(session, told["of"], told["item"], told["before"], told["after"], made=True),
        Turning.kind: turning,
    }
