"""Undo and redo for every edit, tag, move and delete; edits that can be told as data are there again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from PySide6.QtCore import QObject, Signal

LIMIT = 500
#: What is kept over a restart is no larger than this; the oldest edits go first.
KEPT_BYTES = 512 << 10


#: The key of a workspace, and what to show there.
Place = tuple[str, dict[str, Any]]
NOWHERE: Place = ("", {})


class KeptEdit(Protocol):
    """An edit that outlives the window: ``state`` is all it needs, as plain data; its kind's maker makes it from that."""

    kind: str

    def forward(self) -> object: ...
    def back(self) -> object: ...
    def state(self) -> dict[str, Any]: ...
    def place(self) -> Place: ...


@dataclass
class Edit:
    """One thing that was done: its name in the menu, how to do it again and how to take it back."""

    text: str
    do: Callable[[], object]
    undo: Callable[[], object]
    kept: KeptEdit | None = None
    of: Place = NOWHERE
    made: str = ""  # the key of the workspace in front when it was done

    @property
    def place(self) -> Place:
        """Where what it changes is seen."""
        return self.kept.place() if self.kept else self.of

    def told(self) -> dict[str, Any] | None:
        """It as plain data; None for one that ends with the window."""
        kept = self.kept
        return {"text": self.text, "kind": kept.kind, "state": kept.state(), "made": self.made} if kept else None


class Offer(QObject):
    """The last edit, to be taken back from where it was told, or with ``again`` the last undone one, to be done again.
    ``over`` (whether what was told is so no more) when that is done or the edit was forgotten, or when it is not the last one
    any more."""

    over = Signal(bool)

    def __init__(self, stack: UndoStack, edit: Edit, again: bool = False):
        super().__init__(stack)
        self._stack, self._edit, self.again = stack, edit, again
        stack.changed.connect(self._look)

    def take(self) -> None:
        """Takes the edit back, or does it again, where it is still the last."""
        if self._last() is self._edit:
            self._stack.redo() if self.again else self._stack.undo()

    def _last(self) -> Edit | None:
        return self._stack.last_undone if self.again else self._stack.last

    def _look(self) -> None:
        past = self._stack.is_done(self._edit) if self.again else not self._stack.is_done(self._edit)
        if past or self._last() is not self._edit:
            self.over.emit(past)


class UndoStack(QObject):
    """Edits in order. ``do`` and ``undo`` are plain callables; slow ones start a coroutine themselves and give its task.

    ``turned`` (the edit, whether it was undone) once an edit was undone or done again, and what it changes is so. ``front``:
    the key of the workspace in front, where edits are made."""

    changed = Signal()
    turned = Signal(object, bool)

    def __init__(self) -> None:
        super().__init__()
        self.front = ""
        self._done: list[Edit] = []
        self._undone: list[Edit] = []

    def push(self, text: str, do: Callable[[], object], undo: Callable[[], object], of: Place = NOWHERE) -> None:
        """Does an edit now and remembers it; edits undone before are forgotten. An edit that raises is not kept."""
        self._push(Edit(text, do, undo, of=of, made=self.front))

    def push_kept(self, text: str, edit: KeptEdit) -> None:
        """As :meth:`push`, of an edit that can be undone after a restart too."""
        self._push(Edit(text, edit.forward, edit.back, edit, made=self.front))

    def _push(self, edit: Edit) -> None:
        edit.do()
        self._done = [*self._done, edit][-LIMIT:]
        self._undone = []
        self.changed.emit()

    def undo(self) -> None:
        """Takes back the last edit."""
        if self._done:
            edit = self._done.pop()
            work = edit.undo()
            self._undone.append(edit)
            self.changed.emit()
            self._tell_turned(work, edit, True)

    def redo(self) -> None:
        """Does the last undone edit again."""
        if self._undone:
            edit = self._undone.pop()
            work = edit.do()
            self._done.append(edit)
            self.changed.emit()
            self._tell_turned(work, edit, False)

    def _tell_turned(self, work: object, edit: Edit, undone: bool) -> None:
        """Tells at once of what is done at once, of a task when it has ended well."""
        if not isinstance(work, asyncio.Future):
            self.turned.emit(edit, undone)
            return

        def ended(task: asyncio.Future) -> None:
            if not task.cancelled() and task.exception() is None:
                self.turned.emit(edit, undone)

        work.add_done_callback(ended)

    @property
    def last(self) -> Edit | None:
        """What ``undo`` would take back."""
        return self._done[-1] if self._done else None

    @property
    def last_undone(self) -> Edit | None:
        """What ``redo`` would do again."""
        return self._undone[-1] if self._undone else None

    def is_done(self, edit: Edit) -> bool:
        """Whether ``undo`` would come to an edit."""
        return any(one is edit for one in self._done)

    def offer(self) -> Offer | None:
        """The last edit, to be taken back from where it is told; None where there is none."""
        return Offer(self, self.last) if self.last is not None else None

    def offer_again(self, edit: Edit) -> Offer | None:
        """An undone edit, to be done again; None where it is not the last undone one."""
        return Offer(self, edit, again=True) if self.last_undone is edit else None

    def kept(self) -> list[KeptEdit]:
        """Every edit that outlives the window, done or undone."""
        return [edit.kept for edit in (*self._done, *self._undone) if edit.kept is not None]

    def clear(self) -> None:
        """Forgets every edit."""
        self._done, self._undone = [], []
        self.changed.emit()

    def forget(self, kept: KeptEdit) -> None:
        """Drops an edit that no longer fits what is there."""
        self._done = [edit for edit in self._done if edit.kept is not kept]
        self._undone = [edit for edit in self._undone if edit.kept is not kept]
        self.changed.emit()

    # ------------------------------------------------------------------------------------- over a restart

    def told(self) -> dict[str, list[dict[str, Any]]]:
        """What can be brought back after a restart, newest edits first of all where it would be too large."""
        room, told = KEPT_BYTES, {"done": [], "undone": []}
        for name, edits in (("done", self._done), ("undone", self._undone)):
            for edit in reversed(edits):
                plain = edit.told()
                room -= len(msgspec.json.encode(plain)) if plain else 0
                if room < 0:
                    break
                if plain:
                    told[name].insert(0, plain)
        return told

    def bring_back(self, told: dict[str, Any], makers: dict[str, Callable[[dict[str, Any]], KeptEdit]]) -> None:
        """Takes up what an earlier window told; what cannot be understood is left out."""
        self._done = [*self._made(told.get("done", []), makers), *self._done]
        self._undone = [*self._made(told.get("undone", []), makers), *self._undone]
        self.changed.emit()

    def _made(self, told: list[Any], makers: dict[str, Callable[[dict[str, Any]], KeptEdit]]) -> list[Edit]:
        made = []
        for one in told:
            try:
                edit = makers[one["kind"]](one["state"])
                made.append(Edit(one["text"], edit.forward, edit.back, edit, made=str(one.get("made", ""))))
            except (KeyError, TypeError, ValueError, msgspec.ValidationError):
                continue  # from another version
        return made

    @property
    def undo_text(self) -> str:
        """The name of what ``undo`` would take back, or ""."""
        return self._done[-1].text if self._done else ""

    @property
    def redo_text(self) -> str:
        """The name of what ``redo`` would do again, or ""."""
        return self._undone[-1].text if self._undone else ""
