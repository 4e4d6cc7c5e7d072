"""Undo and redo for every edit, tag, move and delete; edits that can be told as data are there again after a restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from PySide6.QtCore import QObject, Signal

LIMIT = 500
#: What is kept over a restart is no larger than this; the oldest edits go first.
KEPT_BYTES = 512 << 10


class KeptEdit(Protocol):
    """An edit that outlives the window: ``state`` is all it needs, as plain data; its kind's maker makes it from that."""

    kind: str

    def forward(self) -> object: ...
    def back(self) -> object: ...
    def state(self) -> dict[str, Any]: ...


@dataclass
class Edit:
    """One thing that was done: its name in the menu, how to do it again and how to take it back."""

    text: str
    do: Callable[[], object]
    undo: Callable[[], object]
    kept: KeptEdit | None = None

    def told(self) -> dict[str, Any] | None:
        """It as plain data; None for one that ends with the window."""
        return {"text": self.text, "kind": self.kept.kind, "state": self.kept.state()} if self.kept else None


class UndoStack(QObject):
    """Edits in order. ``do`` and ``undo`` are plain callables; slow ones start a coroutine themselves."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._done: list[Edit] = []
        self._undone: list[Edit] = []

    def push(self, text: str, do: Callable[[], object], undo: Callable[[], object]) -> None:
        """Does an edit now and remembers it; edits undone before are forgotten. An edit that raises is not kept."""
        self._push(Edit(text, do, undo))

    def push_kept(self, text: str, edit: KeptEdit) -> None:
        """As :meth:`push`, of an edit that can be undone after a restart too."""
        self._push(Edit(text, edit.forward, edit.back, edit))

    def _push(self, edit: Edit) -> None:
        edit.do()
        self._done = [*self._done, edit][-LIMIT:]
        self._undone = []
        self.changed.emit()

    def undo(self) -> None:
        """Takes back the last edit."""
        if self._done:
            edit = self._done.pop()
            edit.undo()
            self._undone.append(edit)
            self.changed.emit()

    def redo(self) -> None:
        """Does the last undone edit again."""
        if self._undone:
            edit = self._undone.pop()
            edit.do()
            self._done.append(edit)
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
                made.append(Edit(one["text"], edit.forward, edit.back, edit))
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
